internal import FeatureEngine
import Foundation
internal import JSON

/// Where a replay goes on: everything before `nextRow` of `pass` is acknowledged, and so are all labels that are not in
/// `labels`. A run that is killed resends what came after the last state; those events carry the same ids.
package struct ReplayState: Equatable, Sendable {
    /// The pass over the input, from 0.
    package var pass = 0
    /// The record of the input to read next, from 0.
    package var nextRow: Int64 = 0
    /// The event times of the first pass so far.
    package var span = ReplaySpan()
    /// The newest event time read, ms, later passes moved.
    package var newestReadMillis: Int64?
    /// Labels that are not known yet at that time.
    package var labels: [PendingLabel] = []
    /// What the input begins with, hashed; empty for a pipe.
    package var input = ""

    /// Why a state file was refused.
    package struct Unreadable: Error, Equatable, CustomStringConvertible {
        package let description: String
    }

    /// The state as JSON.
    package var json: [UInt8] {
        var writer = JSONWriter(reserving: 1_024 + labels.count * 200)
        writer.beginObject()
        writer.key("version")
        writer.value(1)
        writer.key("input")
        writer.value(input)
        writer.key("pass")
        writer.value(pass)
        writer.key("next_row")
        writer.value(nextRow)
        for (name, value) in [
            ("oldest", span.oldestMillis), ("newest", span.newestMillis), ("newest_read", newestReadMillis),
        ] {
            guard let value else { continue }
            writer.key(name)
            writer.value(value)
        }
        writer.key("labels")
        writer.beginArray()
        for label in labels {
            writer.beginObject()
            writer.key("available_at")
            writer.value(label.availableAtMillis)
            writer.key("line")
            writer.value(label.line)
            writer.key("key")
            writer.value(utf8: label.key.span)
            writer.key("record")
            writer.raw(label.value)
            writer.endObject()
        }
        writer.endArray()
        writer.endObject()
        return writer.bytes
    }

    package init(pass: Int = 0, nextRow: Int64 = 0, input: String = "") {
        self.pass = pass
        self.nextRow = nextRow
        self.input = input
    }

    /// Reads what `json` wrote.
    package init(json: [UInt8]) throws(Unreadable) {
        let tree: JSONTree
        do throws(JSONError) { tree = try JSONTree.parse(json) } catch {
            throw Unreadable(description: error.description)
        }
        guard tree["version"]?.int == 1 else { throw Unreadable(description: "it is no state of this version") }
        guard let pass = tree["pass"]?.int, (0...Int(Int32.max)).contains(pass), let row = tree["next_row"]?.int,
            row >= 0,
            let input = tree["input"]?.string, let labels = tree["labels"]?.array
        else { throw Unreadable(description: "pass, row, input or labels are missing") }
        self.init(pass: pass, nextRow: Int64(row), input: input)
        span = ReplaySpan(
            oldestMillis: tree["oldest"]?.int.map(Int64.init), newestMillis: tree["newest"]?.int.map(Int64.init))
        newestReadMillis = tree["newest_read"]?.int.map(Int64.init)
        for time in [span.oldestMillis, span.newestMillis, newestReadMillis] {
            guard let time else { continue }
            guard PlausibleTime.range.contains(time) else { throw Unreadable(description: "\(time) is no event time") }
        }
        for label in labels {
            guard let available = label["available_at"]?.int, let key = label["key"]?.string,
                let line = label["line"]?.int, let record = label["record"]
            else { throw Unreadable(description: "a label is incomplete") }
            self.labels.append(
                PendingLabel(
                    availableAtMillis: Int64(available), key: Array(key.utf8), value: record.bytes(), eventToken: 0,
                    line: line))
        }
    }

    /// Reads a file; nil when there is none.
    package static func load(_ path: String) throws(Unreadable) -> ReplayState? {
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        guard let data = FileManager.default.contents(atPath: path) else {
            throw Unreadable(description: "it cannot be read")
        }
        return try ReplayState(json: Array(data))
    }

    /// Replaces the file, whole or not at all, and not before the bytes are on the disk. Returns how many there were.
    @discardableResult package func save(_ path: String) throws -> Int {
        let temporary = path + ".new"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
        defer { close(descriptor) }
        let bytes = json
        var written = 0
        while written < bytes.count {
            let count = bytes[written...].withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
            written += count
        }
        guard fdatasync(descriptor) == 0, rename(temporary, path) == 0 else {
            throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO)
        }
        return bytes.count
    }

    /// The hash of a file's first 64 KiB: another file under the same name is noticed, one that grew is not refused.
    package static func fingerprint(ofFile path: String) -> String {
        guard let handle = FileHandle(forReadingAtPath: path) else { return "" }
        defer { try? handle.close() }
        var bytes: [UInt8] = []
        while bytes.count < 65_536, let more = try? handle.read(upToCount: 65_536 - bytes.count), !more.isEmpty {
            bytes += more
        }
        return String(FNV1a64.hash(bytes), radix: 16)
    }
}
