import FoundationEssentials
import Glibc
import JSON
import TerminalUI

/// Reads the end of the services' logs: the newest lines of each file, bounded whatever the files are.
package enum LogReader {
    private static let tailBytes: Int64 = 131_072
    /// Most lines that are shown.
    package static let mostLines = 500
    private static let mostFiles = 32

    /// The newest lines of every `*.log` of a folder and of our own standard error, newest first.
    static func read(folder: String) -> [LogLine] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        var lines: [LogLine] = []
        for name in names.filter({ $0.hasSuffix(".log") }).sorted().prefix(mostFiles) {
            lines += parse(tail(of: "\(folder)/\(name)"), file: String(name.dropLast(4)))
        }
        lines += parse(Terminal.errorTail, file: "dashboard")
        return newest(lines)
    }

    /// The newest lines first; those without a time are the oldest.
    package static func newest(_ lines: [LogLine]) -> [LogLine] {
        // ISO 8601 in UTC sorts as text.
        let order = lines.indices.sorted { left, right in
            let (a, b) = (lines[left].time.utf8, lines[right].time.utf8)
            return a.elementsEqual(b) ? left > right : b.lexicographicallyPrecedes(a)
        }
        return order.prefix(mostLines).map { lines[$0] }
    }

    /// The lines of a text: JSON as our services write it, or anything else as its message. `file` is the service where the line does
    /// not say.
    package static func parse(_ text: String, file: String) -> [LogLine] {
        text.utf8.split(separator: 0x0A).enumerated().compactMap { number, bytes in
            let id = "\(file)#\(number)#\(bytes.count)"
            let line = String(decoding: bytes.prefix(4_096), as: UTF8.self)
            guard bytes.first == UInt8(ascii: "{"), bytes.count <= 65_536,
                let tree = try? JSONTree.parse(Array(bytes)), let message = tree["message"]?.string
            else {
                return LogLine(time: "", level: "", service: file, message: line, fields: "", id: id)
            }
            let known = ["ts", "level", "service", "pid", "version", "message"]
            let fields = (tree.object ?? []).filter { !known.contains($0.key) }.map { member in
                "\(member.key)=\(member.value.string ?? member.value.text())"
            }
            return LogLine(
                time: tree["ts"]?.string ?? "", level: tree["level"]?.string ?? "",
                service: tree["service"]?.string ?? file, message: message, fields: fields.joined(separator: " "),
                id: id)
        }
    }

    private static func tail(of path: String) -> String {
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard file >= 0 else { return "" }
        defer { close(file) }
        let size = Int64(lseek(file, 0, SEEK_END))
        let start = max(0, size - tailBytes)
        var bytes = [UInt8](repeating: 0, count: Int(min(max(0, size), tailBytes)))
        let count = pread(file, &bytes, bytes.count, off_t(start))
        let read = bytes.prefix(max(0, count))
        // The first line of a tail has lost its beginning.
        let whole = start == 0 ? read[...] : read.drop { $0 != 0x0A }[...]
        return String(decoding: whole, as: UTF8.self)
    }
}
