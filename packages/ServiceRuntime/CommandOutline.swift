/// One command as shells and manuals see it.
struct CommandOutline: Sendable {
    /// What may stand behind an option, or without one.
    enum Value: Equatable, Sendable {
        /// Nothing: the option is a switch, or the command takes no words.
        case none
        /// Something that cannot be guessed.
        case any
        case file
        case folder
        case words([String])

        /// Read from the word for the value in help: `FILE`, `DIR`, `json|text`.
        init(_ placeholder: String?) {
            guard let placeholder, !placeholder.isEmpty else {
                self = .none
                return
            }
            let words = placeholder.split(separator: "|").map(String.init)
            if words.contains("FILE") {
                self = .file
            } else if words.contains("DIR") {
                self = .folder
            } else {
                self = words.count > 1 && words.allSatisfy { $0 == $0.lowercased() } ? .words(words) : .any
            }
        }
    }

    struct Option: Sendable {
        let flag: String
        let help: String
        let value: Value
        let placeholder: String?
    }

    let name: String
    let summary: String
    let options: [Option]
    let value: Value
    let placeholder: String

    init(_ command: any Command.Type, called name: String? = nil) {
        self.name = name ?? command.name
        summary = command.summary
        options =
            CommandLineProgram.options(of: command).flatMap { $0.settings }.map {
                Option(flag: "--\($0.name)", help: $0.help, value: Value($0.valueName), placeholder: $0.valueName)
            } + [Option(flag: "--help", help: "Explain the command.", value: .none, placeholder: nil)]
        placeholder = command.arguments
        value = Value(command.arguments.filter { !".[]".contains($0) })
    }

    init(_ name: String, _ summary: String, value: Value = .none, options: [Option] = []) {
        (self.name, self.summary, self.value, self.options) = (name, summary, value, options)
        placeholder = ""
    }
}

extension CommandLineProgram {
    /// Every command that can be called, with the program's own.
    var outlines: [CommandOutline] {
        let shells = CompletionShell.allCases.map(\.rawValue)
        let formats = SettingsFormat.allCases.map(\.rawValue)
        return commands.flatMap { command in command.names.map { CommandOutline(command, called: $0) } } + [
            CommandOutline(
                "settings", "Print all settings.",
                options: [
                    .init(
                        flag: "--format", help: "How.", value: .words(formats),
                        placeholder: formats.joined(separator: "|"))
                ]),
            CommandOutline("completion", "Print what makes a shell complete command lines.", value: .words(shells)),
            CommandOutline("man", "Print a manual page.", value: .words(commands.map { $0.name })),
            CommandOutline("help", "Explain one command.", value: .words(commands.map { $0.name })),
            CommandOutline("version", "Print the version."),
        ]
    }

    /// First words, with what they mean: a command, or a family of them.
    var firstWords: [(word: String, summary: String)] { Self.firstWords(of: outlines) }

    static func firstWords(of outlines: [CommandOutline]) -> [(word: String, summary: String)] {
        var seen: Set<String> = []
        return outlines.compactMap { outline in
            let word = String(outline.name.prefix { $0 != " " })
            guard seen.insert(word).inserted else { return nil }
            return (word, word == outline.name ? outline.summary : "Commands of \(word).")
        }
    }

    /// First words that another one follows, and those that do.
    var families: [(first: String, members: [CommandOutline])] {
        let outlines = outlines
        return Self.firstWords(of: outlines).map { $0.word }.compactMap { word in
            let members = outlines.filter { $0.name.hasPrefix(word + " ") }
            return members.isEmpty ? nil : (word, members)
        }
    }
}
