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
        let byName = Dictionary(all.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        var flags: [String: String] = [:]
        var arguments: [String] = []
        var index = words.startIndex
        var onlyArguments = false
        while index < words.endIndex {
            let word = words[index]
            index += 1
            if onlyArguments || !word.hasPrefix("-") || word == "-" || word.dropFirst().first?.isNumber == true {
                arguments.append(word)
                continue
            }
            if word == "--" {
                onlyArguments = true
                continue
            }
            guard word.hasPrefix("--") else {
                throw CommandError(.usage, "\(word) is not an option; options start with two dashes, see --help.")
            }
            let parts = word.dropFirst(2).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = String(parts[0])
            guard let setting = byName[name] else {
                let guess =
                    Suggestion.nearest(to: name, in: byName.keys.sorted()).map { " Did you mean --\($0)?" } ?? ""
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
        guard takesArguments || arguments.isEmpty else {
            throw CommandError(.usage, "\"\(arguments[0])\" is not expected here; see --help.")
        }

        var values: [String: any Sendable] = [:]
        var given: Set<String> = []
        var texts = dotEnv.merging(process) { _, ours in ours }
        for setting in all {
            var source: (text: String, origin: String)?
            if let text = flags[setting.name] {
                source = (text, "the flag --\(setting.name)")
            } else if let variable = setting.environmentName {
                // An empty variable is one that was unset the way shells and compose files can.
                if let text = process[variable], !text.isEmpty {
                    source = (text, "the variable \(variable)")
                } else if let text = dotEnv[variable], !text.isEmpty {
                    source = (text, "\(variable) in .env")
                }
            }
            if let (text, origin) = source {
                guard let value = setting.parseAny(text) else {
                    let shown = setting.isSecret ? "the value" : "\"\(text)\""
                    let code: ExitCode = flags[setting.name] != nil ? .usage : .configuration
                    throw CommandError(code, "\(origin): \(shown) is not \(setting.allowed).")
                }
                values[setting.name] = value
                given.insert(setting.name)
                if let variable = setting.environmentName { texts[variable] = text }
            } else if let value = setting.defaultAny {
                values[setting.name] = value
                if let variable = setting.environmentName, let text = setting.defaultText { texts[variable] = text }
            } else {
                let variable = setting.environmentName.map { " (or the variable \($0))" } ?? ""
                throw CommandError(
                    .usage, "--\(setting.name) \(setting.valueName ?? "") is needed\(variable): \(setting.help)")
            }
        }
        self.values = values
        self.given = given
        self.declared = Set(all.map(\.name))
        self.arguments = arguments
        self.environment = texts
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

/// Finds what somebody meant to type.
enum Suggestion {
    /// The nearest word within about a third of its letters.
    static func nearest(to word: String, in words: [String]) -> String? {
        let scored = words.map { (word: $0, distance: distance(Array(word), Array($0))) }
        guard let best = scored.min(by: { $0.distance < $1.distance }) else { return nil }
        if best.distance <= max(1, word.count / 3) { return best.word }
        return word.count >= 3 ? words.first { $0.hasPrefix(word) } : nil
    }

    /// Levenshtein's distance, with a swap of two neighbours as one step.
    private static func distance(_ left: [Character], _ right: [Character]) -> Int {
        var beforeLast: [Int] = []
        var last = Array(0...right.count)
        for (i, a) in left.enumerated() {
            var row = [i + 1]
            for (j, b) in right.enumerated() {
                var best = min(last[j + 1] + 1, row[j] + 1, last[j] + (a == b ? 0 : 1))
                if i > 0, j > 0, a == right[j - 1], left[i - 1] == b { best = min(best, beforeLast[j - 1] + 1) }
                row.append(best)
            }
            beforeLast = last
            last = row
        }
        return last[right.count]
    }
}

/// Reads `.env` files.
public enum DotEnv {
    /// The variables of a file: `NAME=value` lines, `#` comments, an optional `export`, single or double quotes.
    public static func parse(_ text: String) -> [String: String] {
        var variables: [String: String] = [:]
        for line in text.split(whereSeparator: \.isNewline) {
            var rest = line.drop(while: \.isWhitespace)
            if rest.hasPrefix("export ") { rest = rest.dropFirst(7).drop(while: \.isWhitespace) }
            guard !rest.hasPrefix("#"), let equals = rest.firstIndex(of: "=") else { continue }
            let name = rest[..<equals].filter { !$0.isWhitespace }
            var value = rest[rest.index(after: equals)...].drop(while: \.isWhitespace)
            if let quote = value.first, quote == "\"" || quote == "'" {
                value = value.dropFirst()
                if let end = value.firstIndex(of: quote) { value = value[..<end] }
                variables[String(name)] = String(value)
                continue
            }
            // A comment starts at a # after white space: a # inside a value (a password) belongs to it.
            var end = value.endIndex
            var previous: Character = " "
            for position in value.indices {
                if value[position] == "#", previous.isWhitespace {
                    end = position
                    break
                }
                previous = value[position]
            }
            value = value[..<end]
            while value.last?.isWhitespace == true { value = value.dropLast() }
            variables[String(name)] = String(value)
        }
        return variables
    }
}
