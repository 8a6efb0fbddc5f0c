import Foundation
import Observability
import Text

/// A program made of commands: finds the one that was asked for, reads its settings, runs it, and exits with its code.
public struct CommandLineProgram: Sendable {
    let name: String
    let version: String
    let summary: String
    let groups: [CommandGroup]

    /// A program. `settings` is added to its commands: it prints all settings.
    public init(name: String, version: String, summary: String, groups: [CommandGroup]) {
        self.name = name
        self.version = version
        self.summary = summary
        self.groups = groups
    }

    var commands: [any Command.Type] { groups.flatMap(\.commands) }

    /// The commands that `first` and another word call, with all of these words.
    func family(_ first: String) -> [(name: String, command: any Command.Type)] {
        commands.flatMap { command in
            command.names.filter { $0.hasPrefix(first + " ") }.map { ($0, command) }
        }
    }

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
        case "--version", "-V", "version": return .print("\(name) \(version)")
        case "help":
            if words.count == 1 { return .print(help()) }
            return try request(Array(words.dropFirst()) + ["--help"])
        case "completion": return .print(try completion(Array(words.dropFirst())))
        case "man": return .print(try manual(Array(words.dropFirst())))
        case "settings": return .print(try settingsText(Array(words.dropFirst())))
        default: break
        }
        let family = family(first)
        // A command whose name others begin with, `train` and `train fit`, is called by its own.
        if !family.isEmpty, !commands.contains(where: { $0.names.contains(first) }) {
            if words.count == 1 { return .print(help(of: family, called: first)) }
            if words[1] == "--help" || words[1] == "-h" {
                return words.count == 2
                    ? .print(help(of: family, called: first)) : try request([first] + words.dropFirst(2) + ["--help"])
            }
        }
        if let (name, command) = longestMatch(words) {
            let rest = Array(words.dropFirst(name.split(separator: " ").count))
            if rest.prefix(while: { $0 != "--" }).contains(where: { $0 == "--help" || $0 == "-h" }) {
                return .print(help(of: command))
            }
            return .run(command, rest)
        }
        throw unknown(words)
    }

    /// What to say of words that are no command.
    private func unknown(_ words: [String]) -> CommandError {
        let first = words.first ?? ""
        let family = family(first)
        guard !family.isEmpty else {
            let named = commands.map { (word: String($0.name.prefix { $0 != " " }), isReadOnly: $0.isReadOnly) }
            let own = Self.more.map { (word: String($0.0.prefix { $0 != " " }), isReadOnly: true) }
            let guess = guess(first, among: named + own)
            return CommandError(.usage, "`\(first)` is not a command.\(guess) See `\(name) --help`.")
        }
        if words[1].hasPrefix("-") {
            return CommandError(
                .usage,
                "\(words[1]) is no option of `\(first)`, which is a family of commands; see `\(name) \(first) --help`.")
        }
        let named = family.map { (word: String($0.name.dropFirst(first.count + 1)), isReadOnly: $0.command.isReadOnly) }
        let guess = guess(words[1], among: named, after: first + " ")
        return CommandError(
            .usage, "`\(first) \(words[1])` is not a command.\(guess) See `\(name) \(first) --help`.")
    }

    /// A suggestion. A command that may write is suggested only for its own name with one slip or its beginning: whoever mistypes
    /// `verify` does not want to `apply`.
    private func guess(
        _ word: String, among named: [(word: String, isReadOnly: Bool)], after prefix: String = ""
    ) -> String {
        let near = named.filter {
            $0.isReadOnly || Suggestion.distance(word, $0.word) <= 1 || (word.count >= 3 && $0.word.hasPrefix(word))
        }.map(\.word)
        let meant = Suggestion.nearest(to: word, among: near) ?? near.first { word.count >= 3 && $0.hasPrefix(word) }
        return meant.map { " Did you mean `\(name) \(prefix)\($0)`?" } ?? ""
    }

    private func longestMatch(_ words: [String]) -> (name: String, command: any Command.Type)? {
        var best: (name: String, command: any Command.Type)?
        for command in commands {
            for name in command.names
            where words.starts(with: name.split(separator: " ").map(String.init)) {
                if best.map({ $0.name.count < name.count }) ?? true { best = (name, command) }
            }
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
                let dotEnv = try Self.dotEnv(environment)
                let settings = try Settings(
                    rest, declared: command.settings, takesArguments: !command.arguments.isEmpty,
                    environment: environment, dotEnv: dotEnv)
                let runtime = runtime(of: command, settings)
                warnOfTypingErrors(dotEnv, runtime.log)
                Signals.install { runtime.interrupt() }
                do { try await command.init().run(settings, runtime) } catch is CancellationError {
                    if runtime.isInterrupted, command.hasEnd(settings) { throw runtime.stopped("its work was cut off") }
                }
                return .success
            }
        } catch let error as CommandError {
            if !error.message.isEmpty { console.writeLine(Self.shown("\(title): \(error.message)")) }
            return error.exitCode
        } catch {
            console.writeLine(Self.shown("\(title): \(error)"))
            return .software
        }
    }

    /// A message may quote what a file, a topic or a server held.
    private static func shown(_ message: String) -> String { TerminalText.visible(message, keepingNewlines: true) }

    private func runtime(of command: any Command.Type, _ settings: Settings) -> ServiceRuntime {
        let level = LogLevel(rawValue: settings[.logLevel].rawValue) ?? .info
        let format: LogFormat? =
            switch settings[.logFormat] {
            case .auto: nil
            case .json: .json
            case .text: .text(colour: Console.standardError.usesColour)
            }
        let origin = LogOrigin(service: command.name, version: version)
        let metrics = MetricsRegistry()
        ProcessMetrics.register(in: metrics, version: version, command: command.name)
        return ServiceRuntime(
            log: .standardError(level: level, format: format, origin: origin), metrics: metrics,
            serverWaitSeconds: settings[.serverWaitSeconds], hasEnd: command.hasEnd(settings))
    }

    /// `.env` may hold what a definition or another program reads; a name close to one of ours is a slip.
    private func warnOfTypingErrors(_ dotEnv: [String: String], _ log: Log) {
        let known = knownVariables
        for name in dotEnv.keys.sorted() where !known.contains(name) {
            guard let meant = Suggestion.nearest(to: name, among: known.sorted()) else { continue }
            log.warning("unknown name in .env", ["name": name, "did_you_mean": meant])
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
}
