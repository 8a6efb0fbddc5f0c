import Text

extension CommandLineProgram {
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

    func help(of family: [(name: String, command: any Command.Type)], called first: String) -> String {
        var text = "Usage: \(name) \(first) COMMAND [options]\n"
        let width = (family.map { $0.name.count }.max() ?? 0) + 2
        for (name, command) in family { text += "\n  " + Padding.left(name, width) + command.summary }
        return text + "\n\nSee `\(name) \(first) COMMAND --help`."
    }

    /// One command's help.
    package func help(of command: any Command.Type) -> String {
        let arguments = command.arguments.isEmpty ? "" : " " + command.arguments
        var text = "\(command.summary)\n\nUsage: \(name) \(command.name) [options]\(arguments)\n"
        for alias in command.aliases { text += "       \(name) \(alias) [options]\(arguments)\n" }
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

    static func flag(_ setting: any SettingProtocol) -> String {
        "--\(setting.name)" + (setting.valueName.map { " " + $0 } ?? "")
    }
}
