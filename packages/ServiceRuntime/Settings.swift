import Text

/// The values of a command's settings: flag, else variable, else `.env`, else default.
public struct Settings: Sendable {
    /// What was given without a flag.
    public let arguments: [String]
    /// The process's variables over those of `.env`, and under them the values of this command's settings: what `${NAME}` in a
    /// definition stands for.
    public let environment: [String: String]
    private let values: [String: any Sendable]
    private let given: Set<String>
    private let declared: Set<String>

    /// Settings every command has.
    public static let common: [any SettingProtocol] = [
        .logLevel as Setting<LogLevelChoice>, .logFormat as Setting<LogFormatChoice>,
        .serverWaitSeconds as Setting<Int>,
    ]

    /// Reads a command line. `declared` are the command's own settings; the common ones are added. Tests pass an empty
    /// `environment`, so they never meet a user's servers.
    public init(
        _ words: [String], declared: [any SettingProtocol], takesArguments: Bool = false,
        environment process: [String: String] = [:], dotEnv: [String: String] = [:]
    ) throws(CommandError) {
        let all = declared + Self.common.filter { common in !declared.contains { $0.name == common.name } }
        let (flags, arguments) = try Self.flags(words, all)
        guard takesArguments || arguments.isEmpty else {
            throw CommandError(.usage, "\"\(arguments[0])\" is not expected here; see --help.")
        }
        let variables = Variables(process: process, dotEnv: dotEnv)
        var values: [String: any Sendable] = [:]
        var given: Set<String> = []
        var texts = dotEnv.merging(process) { _, ours in ours }
        for setting in all {
            let text: String?
            if let (typed, origin, code) = Self.typed(setting, flags, variables) {
                guard let value = setting.parseAny(typed) else {
                    let shown = setting.isSecret ? "the value" : "\"\(typed)\""
                    throw CommandError(code, "\(origin): \(shown) is not \(setting.allowed).")
                }
                values[setting.name] = value
                given.insert(setting.name)
                text = typed
            } else {
                (values[setting.name], text) = try Self.initial(setting, variables)
            }
            if let variable = setting.environmentName, let text { texts[variable] = text }
        }
        self.values = values
        self.given = given
        self.declared = Set(all.map(\.name))
        self.arguments = arguments
        self.environment = texts
    }

    /// The flags and the words without a flag.
    private static func flags(
        _ words: [String], _ settings: [any SettingProtocol]
    ) throws(CommandError) -> (flags: [String: String], arguments: [String]) {
        let byName = Dictionary(settings.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        var flags: [String: String] = [:]
        var arguments: [String] = []
        var index = words.startIndex
        while index < words.endIndex {
            let word = words[index]
            index += 1
            if word == "--" { return (flags, arguments + words[index...]) }
            if !word.hasPrefix("-") || word == "-" || word.dropFirst().first?.isNumber == true {
                arguments.append(word)
                continue
            }
            guard word.hasPrefix("--") else {
                throw CommandError(.usage, "\(word) is not an option; options start with two dashes, see --help.")
            }
            let parts = word.dropFirst(2).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = String(parts[0])
            guard let setting = byName[name] else {
                let known = byName.keys.sorted()
                let meant =
                    Suggestion.nearest(to: name, among: known) ?? known.first { name.count >= 3 && $0.hasPrefix(name) }
                let guess = meant.map { " Did you mean --\($0)?" } ?? ""
                throw CommandError(.usage, "--\(name) is not an option of this command.\(guess) See --help.")
            }
            if parts.count == 2 {
                flags[name] = String(parts[1])
            } else if setting.valueName == nil {
                flags[name] = "true"
            } else {
                // A flag as the next word is far more often a forgotten value than a value.
                guard index < words.endIndex, !words[index].hasPrefix("--") else {
                    throw CommandError(.usage, "--\(name) needs a value: \(setting.allowed).")
                }
                flags[name] = words[index]
                index += 1
            }
        }
        return (flags, arguments)
    }

    /// What somebody set, where, and how a fault in it ends the command.
    private static func typed(
        _ setting: any SettingProtocol, _ flags: [String: String], _ variables: Variables
    ) -> (text: String, origin: String, code: ExitCode)? {
        if let text = flags[setting.name] { return (text, "the flag --\(setting.name)", .usage) }
        return setting.environmentName.flatMap(variables.value).map { ($0.text, $0.origin, .configuration) }
    }

    /// The value of a setting that nobody set, and its text.
    private static func initial(
        _ setting: any SettingProtocol, _ variables: Variables
    ) throws(CommandError) -> (any Sendable, String?) {
        guard let value = setting.defaultAny else {
            let variable = setting.environmentName.map { " (or the variable \($0))" } ?? ""
            throw CommandError(
                .usage, "--\(setting.name) \(setting.valueName ?? "") is needed\(variable): \(setting.help)")
        }
        guard let port = setting.port, let text = setting.defaultText else { return (value, setting.defaultText) }
        let moved = try port.moved(text, by: variables)
        return (setting.parseAny(moved) ?? value, moved)
    }

    /// The process's variables and those of `.env`.
    struct Variables {
        let process: [String: String]
        let dotEnv: [String: String]

        /// A variable and where it is from. An empty one is one that was unset the way shells and compose files can.
        func value(_ name: String) -> (text: String, origin: String)? {
            if let text = process[name], !text.isEmpty { return (text, "the variable \(name)") }
            if let text = dotEnv[name], !text.isEmpty { return (text, "\(name) in .env") }
            return nil
        }
    }

    /// The value of a setting that the command declares.
    public subscript<Value>(_ setting: Setting<Value>) -> Value {
        guard let value = values[setting.name] as? Value else {
            preconditionFailure("the command does not declare the setting \(setting.name)")
        }
        return value
    }

    /// Whether the command has this setting.
    public func declares<Value>(_ setting: Setting<Value>) -> Bool { declared.contains(setting.name) }

    /// Whether the user gave the setting, by flag, variable or `.env`.
    public func isGiven<Value>(_ setting: Setting<Value>) -> Bool { given.contains(setting.name) }
}
