/// How a command ended, in the numbers of `sysexits.h`.
public enum ExitCode: Int32, Sendable, CaseIterable {
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
    /// Somebody else has to do it, or to agree.
    case noPermission = 77
    /// A setting or a definition is wrong.
    case configuration = 78

    /// What it means, as help and the manual say it.
    package var meaning: String {
        switch self {
        case .success: "Done, or stopped where a command runs until it is stopped."
        case .usage: "The command line is wrong."
        case .dataError: "The input's content is wrong."
        case .noInput: "An input file is missing or cannot be read."
        case .unavailable: "A server does not answer."
        case .software: "A fault of the program."
        case .cannotCreate: "An output cannot be made."
        case .inputOutput: "Reading or writing failed."
        case .temporaryFailure: "Not done, but it may be when tried again: a command was stopped before its end."
        case .noPermission: "Not allowed to who asked: somebody else has to agree."
        case .configuration: "A setting or a definition is wrong."
        }
    }
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
