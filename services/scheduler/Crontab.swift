/// A crontab: jobs with their times, and variables for them.
public struct Crontab: Equatable, Sendable {
    /// One line of work.
    public struct Job: Equatable, Sendable {
        /// A short name for logs and metrics, unique in the file.
        public let name: String
        /// When it is due.
        public let time: CronTime
        /// What the shell runs.
        public let command: String
        /// What the command reads from standard input: the text after the first unescaped %.
        public let input: String
        /// The variables set above its line.
        public let variables: [String: String]
        /// Where it stands.
        public let line: Int
    }

    /// What is wrong, and in which line.
    public struct Malformed: Error, Equatable, CustomStringConvertible {
        /// The line, from 1.
        public let line: Int
        /// What is wrong with the line, without its number.
        public let reason: String
        /// Line and reason.
        public var description: String { "line \(line): \(reason)" }
    }

    /// The jobs in the order of the file.
    public let jobs: [Job]

    /// Reads a crontab as cron does: comments, `NAME = value` lines, `@daily` and its kin.
    public init(_ text: String) throws(Malformed) {
        var jobs: [Job] = []
        var variables: [String: String] = [:]
        var names: Set<String> = []
        for (index, raw) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let line = raw.drop(while: \.isWhitespace)
            if line.isEmpty || line.hasPrefix("#") { continue }
            if let (name, value) = Self.assignment(line) {
                variables[name] = value
                continue
            }
            let count = line.hasPrefix("@") ? 1 : 5
            let words = line.split(maxSplits: count, whereSeparator: \.isWhitespace)
            guard words.count == count + 1 else {
                throw Malformed(line: index + 1, reason: "a time of five fields and a command are needed")
            }
            let time: CronTime
            do { time = try CronTime(words.prefix(count).joined(separator: " ")) } catch {
                throw Malformed(line: index + 1, reason: error.description)
            }
            let (command, input) = Self.splitInput(words[count].drop(while: \.isWhitespace))
            var name = Self.shortName(command)
            if !names.insert(name).inserted {
                name += " (line \(index + 1))"
                names.insert(name)
            }
            jobs.append(
                Job(
                    name: name, time: time, command: command, input: input, variables: variables, line: index + 1))
        }
        self.jobs = jobs
    }

    /// `NAME = value`, with quotes around either taken off.
    private static func assignment(_ line: Substring) -> (String, String)? {
        guard let equals = line.firstIndex(of: "=") else { return nil }
        func bare(_ text: Substring) -> String {
            var text = text.drop(while: \.isWhitespace)
            while text.last?.isWhitespace == true { text = text.dropLast() }
            if text.count >= 2, let quote = text.first, quote == "\"" || quote == "'", text.last == quote {
                text = text.dropFirst().dropLast()
            }
            return String(text)
        }
        let name = bare(line[..<equals])
        guard let first = name.first, first.isLetter || first == "_",
            name.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") })
        else { return nil }
        return (name, bare(line[line.index(after: equals)...]))
    }

    /// In a crontab % ends the command and begins its input, another % is a newline, and \% is a %.
    private static func splitInput(_ text: Substring) -> (command: String, input: String) {
        var parts = [""]
        var isEscaped = false
        for character in text {
            if isEscaped {
                if character != "%" { parts[parts.count - 1].append("\\") }
                parts[parts.count - 1].append(character)
                isEscaped = false
            } else if character == "\\" {
                isEscaped = true
            } else if character == "%" {
                parts.append("")
            } else {
                parts[parts.count - 1].append(character)
            }
        }
        if isEscaped { parts[parts.count - 1].append("\\") }
        return (parts[0], parts.dropFirst().map { $0 + "\n" }.joined())
    }

    /// `drift` for `bin/needletail drift --days 7`: the words before the first option, without the program.
    private static func shortName(_ command: String) -> String {
        let words = command.split(whereSeparator: \.isWhitespace).prefix { !$0.hasPrefix("-") && !$0.contains(">") }
        guard let program = words.first else { return command }
        let base = program.split(separator: "/").last.map(String.init) ?? String(program)
        return base == "needletail" && words.count > 1 ? words.dropFirst().joined(separator: " ") : base
    }
}
