import Observability
import Text

extension CommandLineProgram {
    /// What the program has beside its commands.
    static let more = [
        ("settings", "Print all settings, as a table or as .env.example (--format markdown|env)."),
        ("completion SHELL", "Print what makes bash, zsh or fish complete command lines."),
        ("man [COMMAND]", "Print a manual page."), ("version", "Print the version; so does --version."),
        ("help COMMAND", "Explain one command; so does COMMAND --help."),
    ]

    /// The width that help is wrapped at: the terminal's, where it is not too wide to read; else 80.
    private static var width: Int { min(120, Console.standardOutput.columns) }

    /// The list of commands.
    package func help(width: Int = width) -> String {
        var text = "\(name) \(version): \(Wrapping.wrapped(summary, width: width, indent: 0))\n\n"
        text += "Usage: \(name) COMMAND [options]\n"
        let names = (commands.map { $0.name.count } + Self.more.map { $0.0.count }).max() ?? 0
        func row(_ name: String, _ summary: String) -> String { Self.row(name, summary, names: names, width: width) }
        for group in groups where !group.commands.isEmpty {
            text += "\n\(group.title)\n"
            for command in group.commands { text += row(command.name, command.summary) }
        }
        text += "\nMore\n"
        for (words, help) in Self.more { text += row(words, help) }
        text += "\nExit codes\n"
        for code in ExitCode.allCases { text += row("\(code.rawValue)", code.meaning) }
        return text + "\nSettings come from flags, then variables, then .env, then defaults."
    }

    /// A name and what it means, the lines of the meaning below each other.
    private static func row(_ name: String, _ meaning: String, names: Int, width: Int) -> String {
        let indent = min(names, 28, max(8, width / 2 - 4)) + 4
        let first = "  " + Padding.left(name, indent - 2, least: 2)
        // A name that is longer than its column has a line of its own.
        let isLong = first.count > indent
        return (isLong ? "  \(name)\n" + String(repeating: " ", count: indent) : first)
            + Wrapping.wrapped(meaning, width: width, indent: indent) + "\n"
    }

    func help(
        of family: [(name: String, command: any Command.Type)], called first: String, width: Int = width
    ) -> String {
        var text = "Usage: \(name) \(first) COMMAND [options]\n\n"
        let names = family.map { $0.name.count }.max() ?? 0
        for (name, command) in family { text += Self.row(name, command.summary, names: names, width: width) }
        return text + "\nSee `\(name) \(first) COMMAND --help`."
    }

    /// One command's help.
    package func help(of command: any Command.Type, width: Int = width) -> String {
        let arguments = command.arguments.isEmpty ? "" : " " + command.arguments
        var text = Wrapping.wrapped(command.summary, width: width, indent: 0)
        text += "\n\nUsage: \(name) \(command.name) [options]\(arguments)\n"
        for alias in command.aliases { text += "       \(name) \(alias) [options]\(arguments)\n" }
        let parts = family(command.name)
        for (part, _) in parts { text += "       \(name) \(part) [options]\n" }
        let options = Self.options(of: command)
        let names = options.flatMap { $0.settings }.map { Self.flag($0).count }.max() ?? 0
        for (title, settings) in options {
            text += "\n\(title)\n"
            for setting in settings {
                let facts = Self.facts(setting)
                let help = setting.help + (facts.isEmpty ? "" : " [" + facts.joined(separator: "; ") + "]")
                text += Self.row(Self.flag(setting), help, names: names, width: width)
            }
        }
        if !command.details.isEmpty {
            // Its paragraphs were broken for the source; the lines of a list or an example stay.
            text += "\n" + Self.paragraphs(command.details, width: width) + "\n"
        }
        return text + "\nExample\n  \(command.example)"
    }

    /// Paragraphs wrapped anew; a line that begins with a space, or a heading of such lines, stays as it is.
    private static func paragraphs(_ text: String, width: Int) -> String {
        text.split(separator: "\n\n").map { paragraph in
            let lines = paragraph.split(separator: "\n")
            guard !lines.contains(where: { $0.hasPrefix(" ") }) else { return String(paragraph) }
            return Wrapping.wrapped(lines.joined(separator: " "), width: width, indent: 0)
        }.joined(separator: "\n\n")
    }

    /// A command's own settings and those that all have.
    static func options(of command: any Command.Type) -> [(title: String, settings: [any SettingProtocol])] {
        let own = command.settings
        let common = Settings.common.filter { common in !own.contains { $0.name == common.name } }
        return [("Options", own), ("Common options", common)].filter { !$0.1.isEmpty }
    }

    /// What is to be known of a setting beside its help: default, range, variable.
    static func facts(_ setting: any SettingProtocol) -> [String] {
        var facts: [String] = []
        if setting.isRequired {
            facts.append("required")
        } else if let initial = setting.defaultText, setting.valueName != nil, !setting.isSecret, !initial.isEmpty {
            facts.append("default \(initial)")
        }
        if let range = setting.allowed.firstRange(of: " from ") {
            facts.append(String(setting.allowed[range.lowerBound...].dropFirst()))
        }
        if let variable = setting.environmentName { facts.append(variable) }
        return facts
    }

    static func flag(_ setting: any SettingProtocol) -> String {
        "--\(setting.name)" + (setting.valueName.map { " " + $0 } ?? "")
    }
}
