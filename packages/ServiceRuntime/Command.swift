/// One command of the program. It is thin: parse, read, wire, run.
public protocol Command: Sendable {
    /// The word, or words, that call it: `transform`, `features apply`.
    static var name: String { get }
    /// Other words that call it; help names them.
    static var aliases: [String] { get }
    static var summary: String { get }
    static var example: String { get }
    /// What can be set. The common settings are added.
    static var settings: [any SettingProtocol] { get }
    /// How what follows without a flag is called in help (`CARD...`); empty, the default, when nothing may follow.
    static var arguments: String { get }
    /// More lines of help, shown below the options.
    static var details: String { get }
    /// Whether it changes nothing outside of its output. A misspelt word is taken for such a command more freely.
    static var isReadOnly: Bool { get }
    /// Whether it ends by itself. TERM before that end exits 75; a command that runs until it is stopped exits 0.
    static func hasEnd(_ settings: Settings) -> Bool
    /// A command is made to be run once.
    init()
    /// Does the work. Returning is exit 0; a `CommandError` chooses its own code.
    func run(_ settings: Settings, _ runtime: ServiceRuntime) async throws
}

extension Command {
    /// Everything that calls it, its name first.
    static var names: [String] { [name] + aliases }
}

extension Command {
    /// One name is enough.
    public static var aliases: [String] { [] }
    /// Nothing may follow.
    public static var arguments: String { "" }
    /// No more help.
    public static var details: String { "" }
    /// It may write.
    public static var isReadOnly: Bool { false }
    /// It does its work and ends.
    public static func hasEnd(_ settings: Settings) -> Bool { true }
}

/// Commands that belong together in help.
public struct CommandGroup: Sendable {
    /// The heading.
    public let title: String
    /// The commands, in the order of help.
    public let commands: [any Command.Type]

    /// A heading and its commands.
    public init(_ title: String, _ commands: [any Command.Type]) {
        self.title = title
        self.commands = commands
    }
}
