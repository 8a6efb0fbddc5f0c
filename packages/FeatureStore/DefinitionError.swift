/// Why a feature_repo was refused: every mistake found in it, each with its place and what to do.
public struct DefinitionError: Error, Hashable, Sendable, CustomStringConvertible {
    /// One mistake.
    public struct Problem: Hashable, Sendable, CustomStringConvertible {
        /// The file, as the folder was given.
        public let file: String
        /// The line, from 1; 0 where the whole file or folder is meant.
        public let line: Int
        /// The column, from 1; 0 where the whole line is meant.
        public let column: Int
        /// What is wrong, a sentence without its period.
        public let message: String
        /// What to do about it, a sentence without its period.
        public let fix: String

        /// `file:line:column: what is wrong. What to do.`
        public var description: String {
            let place = line == 0 ? file : column == 0 ? "\(file):\(line)" : "\(file):\(line):\(column)"
            return "\(place): \(message). \(fix)\(fix.hasSuffix("?") ? "" : ".")"
        }
    }

    /// The mistakes in the order of files and lines; never empty.
    public let problems: [Problem]

    init(_ problems: [Problem]) {
        self.problems = problems.sorted { ($0.file, $0.line, $0.column) < ($1.file, $1.line, $1.column) }
    }

    init(file: String, message: String, fix: String) {
        self.init([Problem(file: file, line: 0, column: 0, message: message, fix: fix)])
    }

    /// The first mistake's file.
    public var file: String { problems.first?.file ?? "" }
    /// The first mistake's line.
    public var line: Int { problems.first?.line ?? 0 }
    /// The first mistake, without its place.
    public var message: String { problems.first?.message ?? "" }
    /// What to do about the first mistake.
    public var fix: String { problems.first?.fix ?? "" }

    /// One line a mistake.
    public var description: String { problems.map(\.description).joined(separator: "\n") }
}
