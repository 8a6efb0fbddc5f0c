public import Glibc
import Text

/// How important a log line is.
public enum LogLevel: String, CaseIterable, Comparable, Sendable {
    case debug, info, warning, error

    private var rank: Int {
        switch self {
        case .debug: 0
        case .info: 1
        case .warning: 2
        case .error: 3
        }
    }

    /// Orders levels from debug to error.
    public static func < (left: LogLevel, right: LogLevel) -> Bool { left.rank < right.rank }
}

/// How log lines look.
public enum LogFormat: Sendable {
    /// One JSON object a line: `ts`, `level`, who wrote it (`service`, `pid`, `version`), `message`, then the fields.
    case json
    /// Time, level, message and `key=value` fields, for a person at a terminal.
    case text(colour: Bool)
}

/// Which program writes a log. JSON lines carry it, so that the lines of several files can be read as one.
public struct LogOrigin: Equatable, Sendable {
    /// The command: `transform`.
    public let service: String
    /// The process.
    public let pid: Int32
    /// The program's version.
    public let version: String

    /// This process under the name of a command.
    public init(service: String, version: String, pid: Int32 = getpid()) {
        (self.service, self.version, self.pid) = (service, version, pid)
    }
}

/// A value that can be a field of a log line.
public protocol LogValue: Sendable {
    /// Appends the value as JSON.
    func appendJSON(to text: inout String)
}

extension String: LogValue {
    /// Appends the string quoted and escaped.
    public func appendJSON(to text: inout String) { appendQuoted(self, to: &text) }
}
extension Bool: LogValue {
    /// Appends `true` or `false`.
    public func appendJSON(to text: inout String) { text += self ? "true" : "false" }
}
extension Double: LogValue {
    /// Appends the shortest exact decimal, or null for what JSON has no number for.
    public func appendJSON(to text: inout String) { text += isFinite ? "\(self)" : "null" }
}
extension Float: LogValue {
    /// Appends the shortest exact decimal, or null for what JSON has no number for.
    public func appendJSON(to text: inout String) { text += isFinite ? "\(self)" : "null" }
}
extension LogValue where Self: BinaryInteger {
    /// Appends the digits.
    public func appendJSON(to text: inout String) { text += String(self) }
}
extension Int: LogValue {}
extension Int32: LogValue {}
extension Int64: LogValue {}
extension UInt: LogValue {}
extension UInt16: LogValue {}
extension UInt32: LogValue {}
extension UInt64: LogValue {}
extension Array: LogValue where Element: LogValue {
    /// Appends a JSON array.
    public func appendJSON(to text: inout String) {
        text += "["
        for (index, element) in enumerated() {
            if index > 0 { text += "," }
            element.appendJSON(to: &text)
        }
        text += "]"
    }
}

/// Writes log lines. A message is a constant; what varies goes into fields, which print in the order of their names.
public struct Log: Sendable {
    /// Lines below this level are not written.
    public var level: LogLevel
    /// How lines look.
    public let format: LogFormat
    private let origin: String
    private let nowMillis: @Sendable () -> Int64
    private let write: @Sendable (String) -> Void

    /// A log that gives each finished line, without its newline, to `write`.
    public init(
        level: LogLevel = .info, format: LogFormat = .json, origin: LogOrigin? = nil,
        nowMillis: @escaping @Sendable () -> Int64 = { WallClock.nowMillis() },
        write: @escaping @Sendable (String) -> Void
    ) {
        self.level = level
        self.format = format
        self.origin = origin.map(Self.rendered) ?? ""
        self.nowMillis = nowMillis
        self.write = write
    }

    /// A log on standard error: JSON lines, or plain text when it is a terminal.
    public static func standardError(
        level: LogLevel = .info, format: LogFormat? = nil, origin: LogOrigin? = nil
    ) -> Log {
        let console = Console.standardError
        return Log(
            level: level, format: format ?? (console.isTerminal ? .text(colour: console.usesColour) : .json),
            origin: origin, write: { console.writeLine($0) })
    }

    private static func rendered(_ origin: LogOrigin) -> String {
        var text = #","service":"#
        appendQuoted(origin.service, to: &text)
        text += #","pid":\#(origin.pid),"version":"#
        appendQuoted(origin.version, to: &text)
        return text
    }

    /// Whether its lines are JSON objects.
    public var isJSON: Bool { if case .json = format { true } else { false } }

    /// A log that writes nothing, for tests.
    public static var silent: Log { Log(level: .error, write: { _ in }) }

    /// Writes what helps to find a fault.
    public func debug(_ message: StaticString, _ fields: [String: any LogValue] = [:]) {
        record(.debug, message, fields)
    }
    /// Writes a change of state.
    public func info(_ message: StaticString, _ fields: [String: any LogValue] = [:]) { record(.info, message, fields) }
    /// Writes what works on but needs attention.
    public func warning(_ message: StaticString, _ fields: [String: any LogValue] = [:]) {
        record(.warning, message, fields)
    }
    /// Writes what failed.
    public func error(_ message: StaticString, _ fields: [String: any LogValue] = [:]) {
        record(.error, message, fields)
    }

    /// Writes a line that another process of ours has finished already.
    public func pass(_ line: String) { write(line) }

    private func record(_ level: LogLevel, _ message: StaticString, _ fields: [String: any LogValue]) {
        guard level >= self.level else { return }
        writeAlways(level, message, fields)
    }

    /// Writes a line whatever the level: the figures of a progress report, which were asked for.
    func writeAlways(_ level: LogLevel, _ message: StaticString, _ fields: [String: any LogValue]) {
        let time = WallClock.iso8601(millis: nowMillis())
        let sorted = fields.sorted { $0.key < $1.key }
        var line = ""
        switch format {
        case .json:
            line += #"{"ts":"\#(time)","level":"\#(level.rawValue)"\#(origin),"message":"#
            appendQuoted("\(message)", to: &line)
            for (name, value) in sorted {
                line += ","
                appendQuoted(name, to: &line)
                line += ":"
                value.appendJSON(to: &line)
            }
            line += "}"
        case .text(let colour):
            line += "\(time.dropFirst(11).dropLast(1)) "
            let code = level == .error ? "31" : level == .warning ? "33" : "2"
            line += colour ? "\u{1B}[\(code)m\(level.rawValue)\u{1B}[0m " : "\(level.rawValue) "
            line += "\(message)"
            for (name, value) in sorted {
                line += " \(TerminalText.visible(name))="
                value.appendJSON(to: &line)
            }
        }
        write(line)
    }
}

/// Appends a JSON string: quotes, backslashes and everything a terminal could obey or would hide escaped, so that a log shown
/// on a terminal is as harmless as it is in a file.
func appendQuoted(_ string: String, to text: inout String) {
    text += "\""
    for scalar in string.unicodeScalars {
        switch scalar {
        case "\"": text += "\\\""
        case "\\": text += "\\\\"
        case "\n": text += "\\n"
        case "\r": text += "\\r"
        case "\t": text += "\\t"
        case let scalar where TerminalText.isUnsafe(scalar):
            // Two escapes beyond the first plane, as JSON asks for.
            for unit in UTF16.encode(scalar) ?? UTF16.encodedReplacementCharacter {
                text += "\\u" + Padding.hexadecimal(unit, 4)
            }
        default: text.unicodeScalars.append(scalar)
        }
    }
    text += "\""
}
