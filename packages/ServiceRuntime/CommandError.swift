/// How a command ended, in the numbers of `sysexits.h`.
public enum ExitCode: Int32, Sendable {
    case success = 0
    /// The command line is wrong.
    case usage = 64
    /// The input's content is wrong.
    case dataError = 65
    /// An input file is missing or unreadable.
    case noInput = 66
    /// A server it needs does not answer.
    case unavailable = 69
    /// A fault of this program.
    case software = 70
    /// An output file cannot be made.
    case cannotCreate = 73
    /// Reading or writing failed.
    case inputOutput = 74
    /// It may work when tried again.
    case temporaryFailure = 75
    /// Not allowed.
    case noPermission = 77
    /// A setting or a definition is wrong.
    case configuration = 78
}

/// Ends a command with one sentence on standard error: what is wrong, and what to do.
public struct CommandError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What the process exits with.
    public let exitCode: ExitCode
    /// One sentence for the user.
    public let message: String

    /// An end of the command.
    public init(_ exitCode: ExitCode, _ message: String) {
        self.exitCode = exitCode
        self.message = message
    }

    /// The sentence.
    public var description: String { message }
}
