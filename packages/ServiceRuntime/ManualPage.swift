import Text

/// Manual pages in man(7), for `man`, groff and mandoc: one of the program, one of each command.
extension CommandLineProgram {
    func manual(_ words: [String]) throws(CommandError) -> String {
        if words.isEmpty { return page }
        if words.contains("--help") || words.contains("-h") {
            return """
                Print a manual page, of the program or of a command.

                Usage: \(name) man [COMMAND]

                Example
                  \(name) man transform | man -l -
                """
        }
        let called = words.joined(separator: " ")
        guard let command = commands.first(where: { $0.names.contains(called) }) else {
            throw CommandError(.usage, "`\(called)` is not a command. See `\(name) --help`.")
        }
        return page(of: command)
    }

    private var page: String {
        var text = head(name, summary)
        text += ".SH SYNOPSIS\n.B \(Self.roff(name))\n.I command\n[options]\n.SH DESCRIPTION\n"
        text += "\(Self.roff(name)) \(Self.roff(summary))\n"
        for group in groups where !group.commands.isEmpty {
            text += ".SH \(Self.roff(group.title.uppercased()))\n"
            for command in group.commands {
                text += ".TP\n.B \(Self.roff(command.name))\n\(Self.roff(command.summary))\n"
            }
        }
        text += ".SH MORE\n"
        for (words, help) in Self.more { text += ".TP\n.B \(Self.roff(words))\n\(Self.roff(help))\n" }
        text += ".SH ENVIRONMENT\nSettings come from flags, then variables, then .env, then defaults.\n"
        text += ".PP\nA command's page names its variables. "
        text += "NEEDLETAIL_ENV_FILE names another file than .env; NO_COLOR forbids colours.\n"
        return text + Self.exitStatus + Self.seeAlso(commands.map(pageName))
    }

    /// What the page of a command is called.
    private func pageName(_ command: any Command.Type) -> String {
        "\(name)-\(command.name.replacing(" ", with: "-"))"
    }

    private func page(of command: any Command.Type) -> String {
        var text = head(pageName(command), command.summary) + ".SH SYNOPSIS\n"
        for called in command.names {
            if called != command.name { text += ".br\n" }
            text += ".B \(Self.roff("\(name) \(called)"))\n[options]\n"
            if !command.arguments.isEmpty { text += ".I \(Self.roff(command.arguments))\n" }
        }
        text += ".SH DESCRIPTION\n\(Self.roff(command.summary))\n"
        for paragraph in command.details.split(separator: "\n\n") {
            text += ".PP\n" + Self.roff(String(paragraph)) + "\n"
        }
        for (heading, settings) in Self.options(of: command) {
            text += ".SH \(heading.uppercased())\n"
            for setting in settings {
                let value = setting.valueName.map { " \\fI\(Self.roff($0))\\fR" } ?? ""
                text += ".TP\n\\fB\(Self.roff("--" + setting.name))\\fR\(value)\n\(Self.roff(setting.help))\n"
                let facts = Self.facts(setting)
                if !facts.isEmpty { text += "[\(Self.roff(facts.joined(separator: "; ")))]\n" }
            }
        }
        text += ".SH EXAMPLES\n.nf\n\(Self.roff(command.example))\n.fi\n"
        return text + Self.exitStatus + Self.seeAlso([name])
    }

    private func head(_ title: String, _ summary: String) -> String {
        """
        .TH "\(Self.roff(title.uppercased()))" 1 "" "\(Self.roff(name)) \(Self.roff(version))"
        .SH NAME
        \(Self.roff(title)) \\- \(Self.roff(summary))

        """
    }

    private static var exitStatus: String {
        ".SH EXIT STATUS\n"
            + ExitCode.allCases.map { ".TP\n.B \($0.rawValue)\n\(roff($0.meaning))\n" }.joined()
    }

    private static func seeAlso(_ pages: [String]) -> String {
        ".SH SEE ALSO\n" + pages.map { ".BR \(roff($0)) (1)" }.joined(separator: ",\n") + "\n"
    }

    /// Text that means nothing to roff but itself.
    static func roff(_ text: String) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            var result = ""
            for scalar in line.unicodeScalars {
                switch scalar {
                case "\\": result += "\\e"
                case "-": result += "\\-"
                // Else typographers' signs where a shell wants its own.
                case "'": result += "\\(aq"
                case "`": result += "\\(ga"
                case "^": result += "\\(ha"
                case "~": result += "\\(ti"
                case "\"": result += "\\(dq"
                default:
                    if scalar.value < 0x80 {
                        result.unicodeScalars.append(scalar)
                    } else {
                        result += "\\[u\(Padding.hexadecimal(scalar.value, 4).uppercased())]"
                    }
                }
            }
            return result.hasPrefix(".") ? "\\&" + result : result
        }.joined(separator: "\n")
    }
}
