extension CommandLineProgram {
    func settingsText(_ words: [String]) throws(CommandError) -> String {
        let format = Setting<SettingsFormat>(
            "format", default: .markdown, help: "A table for the README, or .env.example.", flagOnly: true)
        if words.contains("--help") || words.contains("-h") {
            return "Print all settings.\n\nUsage: \(name) settings [--format markdown|env]\n\nExample\n"
                + "  \(name) settings --format env > .env.example"
        }
        let settings = try Settings(words, declared: [format])
        return allSettings(settings[format])
    }

    private struct Entry {
        let variable: String
        let setting: any SettingProtocol
        var commands: [String]
    }

    /// Every setting that has a variable, once, with the commands that read it: widely used ones first, then in the order of
    /// declaration.
    private var entries: [Entry] {
        var entries: [Entry] = []
        func add(_ setting: any SettingProtocol, _ command: String) {
            guard let variable = setting.environmentName else { return }
            if let index = entries.firstIndex(where: { $0.variable == variable }) {
                entries[index].commands.append(command)
            } else {
                entries.append(Entry(variable: variable, setting: setting, commands: [command]))
            }
        }
        for setting in Settings.common { add(setting, "all") }
        for command in commands {
            for setting in command.settings where !Settings.common.contains(where: { $0.name == setting.name }) {
                add(setting, command.name)
            }
        }
        return entries.enumerated().sorted { left, right in
            let counts = [left, right].map(\.element.commands.count)
            return counts[0] != counts[1] ? counts[0] > counts[1] : left.offset < right.offset
        }.map(\.element)
    }

    /// Every variable that a command or `make up` reads.
    var knownVariables: Set<String> {
        Set(entries.map(\.variable) + ports.map(\.name) + ScriptVariable.all.map(\.name))
    }

    /// The ports that are no settings of a command.
    private var ports: [PortVariable] {
        let settings = Set(entries.map(\.variable))
        return PortVariable.all.filter { !settings.contains($0.name) }
    }

    /// The table of the README, or `.env.example`.
    package func allSettings(_ format: SettingsFormat) -> String {
        var lines: [String]
        if format == .markdown {
            lines = ["| variable | flag | default | what it is | used by |", "|---|---|---|---|---|"]
        } else {
            lines = ["# Copy to .env and change what you need. A flag wins over a variable, a variable over this file."]
        }
        func add(
            _ variable: String, _ flag: String, _ initial: String, _ help: String, _ bounds: String, _ users: String
        ) {
            switch format {
            case .markdown:
                let shown = [flag, initial].map { $0.isEmpty ? "" : "`\($0.replacing("|", with: "\\|"))`" }
                lines.append("| `\(variable)` | \(shown[0]) | \(shown[1]) | \(help) | \(users) |")
            case .env: lines += ["", "# \(help)\(bounds)", "#\(variable)=\(initial)"]
            }
        }
        for port in ports {
            let users = entries.filter { $0.setting.port == port }.map { "`\($0.variable)`" }
            add(
                port.name, "", "\(port.initial)", port.help, " (a whole number from 1 to 65535)",
                (["make up"] + users).joined(separator: ", "))
        }
        for variable in ScriptVariable.all { add(variable.name, "", variable.initial, variable.help, "", "make up") }
        for entry in entries {
            let bounds = entry.setting.allowed == "text" ? "" : " (\(entry.setting.allowed))"
            let initial = entry.setting.isSecret ? nil : entry.setting.defaultText
            add(
                entry.variable, Self.flag(entry.setting), initial ?? "", entry.setting.help, bounds,
                entry.commands.joined(separator: ", "))
        }
        return lines.joined(separator: "\n")
    }
}

/// How all settings are printed.
package enum SettingsFormat: String, SettingChoice { case markdown, env }
