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
            let end = tail(of: "\(folder)/\(name)", bytes: tailBytes)
            lines += parse(end.bytes, file: String(name.dropLast(4)), at: end.offset)
        }
        let errors = Terminal.errorTail
        lines += parse(errors.bytes, file: "dashboard", at: errors.offset)
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

    /// The lines of a piece of a file: JSON as our services write it, or anything else as its message. `file` is the service where the
    /// line does not say; `offset` is where the piece begins, so that a line stays the same one while others come behind it. The first
    /// line of a piece from the middle has lost its beginning and is left out.
    package static func parse(_ piece: [UInt8], file: String, at offset: Int64 = 0) -> [LogLine] {
        let whole = offset == 0 ? piece[...] : piece.drop { $0 != 0x0A }
        return whole.split(separator: 0x0A).map { bytes in
            let id = "\(file)@\(offset + Int64(bytes.startIndex))"
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

    /// The last `bytes` of a file and where they begin; nothing of one that cannot be read.
    package static func tail(of path: String, bytes limit: Int64) -> (bytes: [UInt8], offset: Int64) {
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard file >= 0 else { return ([], 0) }
        defer { close(file) }
        let size = Int64(lseek(file, 0, SEEK_END))
        let start = max(0, size - limit)
        var bytes = [UInt8](repeating: 0, count: Int(min(max(0, size), limit)))
        let count = pread(file, &bytes, bytes.count, off_t(start))
        return (Array(bytes.prefix(max(0, count))), start)
    }
}
