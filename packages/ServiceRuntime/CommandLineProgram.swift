import Foundation
import Observability

/// A program made of commands: finds the one that was asked for, reads its settings, runs it, and exits with its code.
public struct CommandLineProgram: Sendable {
    private let name: String
    private let version: String
    private let summary: String
    private let groups: [CommandGroup]

    /// A program. `settings` is added to its commands: it prints all settings.
    public init(name: String, version: String, summary: String, groups: [CommandGroup]) {
        self.name = name
        self.version = version
        self.summary = summary
        self.groups = groups
    }

    private var commands: [any Command.Type] { groups.flatMap(\.commands) }

    /// What a command line asks for.
    package enum Request: Sendable {
        case run(any Command.Type, [String])
        case print(String)
    }

    /// Runs the process's own command line, and never returns.
    public func main() async -> Never {
        let code = await run(Array(CommandLine.arguments.dropFirst()), environment: ProcessInfo.processInfo.environment)
        exit(code.rawValue)
    }

    /// Finds what `words` ask for.
    package func request(_ words: [String]) throws(CommandError) -> Request {
        guard let first = words.first else { return .print(help()) }
        switch first {
        case "--help", "-h": return .print(help())
        case "--version", "-V": return .print("\(name) \(version)")
        case "help":
            if words.count == 1 { return .print(help()) }
            return try request(Array(words.dropFirst()) + ["--help"])
        case "settings": return .print(try settingsText(Array(words.dropFirst())))
        default: break
        }
        if let command = longestMatch(words) {
            let rest = Array(words.dropFirst(command.name.split(separator: " ").count))
            if rest.prefix(while: { $0 != "--" }).contains(where: { $0 == "--help" || $0 == "-h" }) {
                return .print(help(of: command))
            }
            return .run(command, rest)
        }
        let family = commands.filter { $0.name.hasPrefix(first + " ") }
        if !family.isEmpty {
            if words.count == 1 || words[1].hasPrefix("-") { return .print(help(of: family, called: first)) }
            let known = family.map { $0.name }
            let typed = words.prefix(2).joined(separator: " ")
            let guess = Suggestion.nearest(to: typed, in: known).map { " Did you mean `\(name) \($0)`?" } ?? ""
            throw CommandError(.usage, "`\(typed)` is not a command.\(guess) See `\(name) \(first) --help`.")
        }
        let known = commands.map { String($0.name.prefix { $0 != " " }) } + ["help", "settings"]
        let guess = Suggestion.nearest(to: first, in: known).map { " Did you mean `\(name) \($0)`?" } ?? ""
        throw CommandError(.usage, "`\(first)` is not a command.\(guess) See `\(name) --help`.")
    }

    private func longestMatch(_ words: [String]) -> (any Command.Type)? {
        var best: (any Command.Type)?
        for command in commands where words.starts(with: command.name.split(separator: " ").map(String.init)) {
            if best.map({ $0.name.count < command.name.count }) ?? true { best = command }
        }
        return best
    }

    /// Runs one command line and says how it ended.
    @concurrent
    func run(_ words: [String], environment: [String: String]) async -> ExitCode {
        let console = Console.standardError
        var title = name
        do {
            switch try request(words) {
            case .print(let text):
                Console.standardOutput.write(text + "\n")
                return .success
            case .run(let command, let rest):
                title += " " + command.name
                let settings = try Settings(
                    rest, declared: command.settings, takesArguments: !command.arguments.isEmpty,
                    environment: environment,
                    dotEnv: try Self.dotEnv(environment))
                let runtime = ServiceRuntime(
                    log: Self.log(settings), metrics: MetricsRegistry(), serverWaitSeconds: settings[.serverWaitSeconds]
                )
                Signals.install { runtime.stop() }
                try await command.init().run(settings, runtime)
                return .success
            }
        } catch let error as CommandError {
            if !error.message.isEmpty { console.writeLine(Self.shown("\(title): \(error.message)")) }
            return error.exitCode
        } catch is CancellationError {
            return .success
        } catch {
            console.writeLine(Self.shown("\(title): \(error)"))
            return .software
        }
    }

    /// A message may quote what a file, a topic or a server held.
    private static func shown(_ message: String) -> String { TerminalText.visible(message, keepingNewlines: true) }

    private static func log(_ settings: Settings) -> Log {
        let level = LogLevel(rawValue: settings[.logLevel].rawValue) ?? .info
        switch settings[.logFormat] {
        case .auto: return .standardError(level: level)
        case .json: return .standardError(level: level, format: .json)
        case .text: return .standardError(level: level, format: .text(colour: Console.standardError.usesColour))
        }
    }

    /// `.env` of the working folder, or the file that `NEEDLETAIL_ENV_FILE` names; empty: none.
    private static func dotEnv(_ environment: [String: String]) throws(CommandError) -> [String: String] {
        let path = environment["NEEDLETAIL_ENV_FILE"] ?? ".env"
        guard !path.isEmpty, FileManager.default.fileExists(atPath: path) else { return [:] }
        guard let data = FileManager.default.contents(atPath: path) else {
            throw CommandError(.noInput, "\(path) cannot be read.")
        }
        return DotEnv.parse(String(decoding: data, as: UTF8.self))
    }

    // MARK: - Help

    /// The list of commands.
    package func help() -> String {
        var text = "\(name) \(version): \(summary)\n\nUsage: \(name) COMMAND [options]\n"
        let width = max("help COMMAND".count, commands.map { $0.name.count }.max() ?? 0) + 2
        func row(_ name: String, _ summary: String) -> String {
            "  " + name + String(repeating: " ", count: max(1, width - name.count)) + summary + "\n"
        }
        for group in groups where !group.commands.isEmpty {
            text += "\n\(group.title)\n"
            for command in group.commands { text += row(command.name, command.summary) }
        }
        text +=
            "\nMore\n" + row("settings", "Print all settings, as a table or as .env.example (--format markdown|env).")
        text += row("help COMMAND", "Explain one command; so does COMMAND --help.")
        return text + "\nSettings come from flags, then variables, then .env, then defaults."
    }

    private func help(of family: [any Command.Type], called first: String) -> String {
        var text = "Usage: \(name) \(first) COMMAND [options]\n"
        let width = (family.map { $0.name.count }.max() ?? 0) + 2
        for command in family {
            text += "\n  " + command.name + String(repeating: " ", count: width - command.name.count) + command.summary
        }
        return text + "\n\nSee `\(name) \(first) COMMAND --help`."
    }

    /// One command's help.
    package func help(of command: any Command.Type) -> String {
        let arguments = command.arguments.isEmpty ? "" : " " + command.arguments
        var text = "\(command.summary)\n\nUsage: \(name) \(command.name) [options]\(arguments)\n"
        let own = command.settings
        let common = Settings.common.filter { common in !own.contains { $0.name == common.name } }
        let width = ((own + common).map { Self.flag($0).count }.max() ?? 0) + 2
        for (title, settings) in [("Options", own), ("Common options", common)] where !settings.isEmpty {
            text += "\n\(title)\n"
            for setting in settings {
                let flag = Self.flag(setting)
                text += "  " + flag + String(repeating: " ", count: width - flag.count) + setting.help
                var facts: [String] = []
                if setting.isRequired {
                    facts.append("required")
                } else if let initial = setting.defaultText, setting.valueName != nil, !setting.isSecret,
                    !initial.isEmpty
                {
                    facts.append("default \(initial)")
                }
                if let range = setting.allowed.firstRange(of: " from ") {
                    facts.append(String(setting.allowed[range.lowerBound...].dropFirst()))
                }
                if let variable = setting.environmentName { facts.append(variable) }
                text += facts.isEmpty ? "\n" : " [" + facts.joined(separator: "; ") + "]\n"
            }
        }
        if !command.details.isEmpty { text += "\n\(command.details)\n" }
        return text + "\nExample\n  \(command.example)"
    }

    private static func flag(_ setting: any SettingProtocol) -> String {
        "--\(setting.name)" + (setting.valueName.map { " " + $0 } ?? "")
    }

    // MARK: - All settings

    private func settingsText(_ words: [String]) throws(CommandError) -> String {
        let format = Setting<SettingsFormat>(
            "format", default: .markdown, help: "A table for the README, or .env.example.", flagOnly: true)
        if words.contains("--help") || words.contains("-h") {
            return "Print all settings.\n\nUsage: \(name) settings [--format markdown|env]\n\nExample\n"
                + "  \(name) settings --format env > .env.example"
        }
        let settings = try Settings(words, declared: [format])
        return allSettings(settings[format])
    }

    /// Every setting that has a variable, once, with the commands that read it.
    package func allSettings(_ format: SettingsFormat) -> String {
        var order: [String] = []
        var entries: [String: (setting: any SettingProtocol, commands: [String])] = [:]
        func add(_ setting: any SettingProtocol, _ command: String) {
            guard let variable = setting.environmentName else { return }
            if entries[variable] == nil { order.append(variable) }
            entries[variable, default: (setting, [])].commands.append(command)
        }
        for setting in Settings.common { add(setting, "all") }
        for command in commands {
            for setting in command.settings where !Settings.common.contains(where: { $0.name == setting.name }) {
                add(setting, command.name)
            }
        }
        // Widely used settings first; the order of declaration within.
        let sorted = order.enumerated().sorted { left, right in
            let counts = [left, right].map { entries[$0.element]?.commands.count ?? 0 }
            return counts[0] != counts[1] ? counts[0] > counts[1] : left.offset < right.offset
        }.map(\.element)
        var lines: [String] = []
        if format == .markdown {
            lines = ["| variable | flag | default | what it is | used by |", "|---|---|---|---|---|"]
        } else {
            lines = ["# Copy to .env and change what you need. A flag wins over a variable, a variable over this file."]
        }
        for variable in sorted {
            guard let (setting, users) = entries[variable] else { continue }
            let initial = setting.isSecret ? nil : setting.defaultText
            switch format {
            case .markdown:
                let flag = Self.flag(setting).replacing("|", with: "\\|")
                lines.append(
                    "| `\(variable)` | `\(flag)` | \(initial.map { $0.isEmpty ? "" : "`\($0)`" } ?? "") | \(setting.help) | "
                        + "\(users.joined(separator: ", ")) |")
            case .env:
                let bounds = setting.allowed == "text" ? "" : " (\(setting.allowed))"
                lines += ["", "# \(setting.help)\(bounds)", "#\(variable)=\(initial ?? "")"]
            }
        }
        return lines.joined(separator: "\n")
    }
}

/// How all settings are printed.
package enum SettingsFormat: String, SettingChoice { case markdown, env }
