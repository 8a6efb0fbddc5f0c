import Foundation
import ServiceRuntime

/// A file without a name in the folder for temporary files (TMPDIR): for what does not fit into memory. It is gone when the
/// process is. Bytes are appended, then read and written anywhere; what was never written reads as 0.
final class ScratchFile {
    private let descriptor: Int32
    private var buffer: [UInt8] = []
    private var written: Int64 = 0

    /// The bytes appended so far.
    var count: Int64 { written + Int64(buffer.count) }

    init() throws(CommandError) {
        let folder = FileManager.default.temporaryDirectory.path
        var path = Array("\(folder)/needletail.XXXXXX".utf8CString)
        descriptor = path.withUnsafeMutableBufferPointer { text in text.baseAddress.map { mkstemp($0) } ?? -1 }
        guard descriptor >= 0 else {
            throw CommandError(
                .cannotCreate, "no temporary file in \(folder): \(String(cString: strerror(errno))); TMPDIR says where."
            )
        }
        path.withUnsafeBufferPointer { text in _ = text.baseAddress.map { unlink($0) } }
    }

    deinit { close(descriptor) }

    /// Appends bytes.
    func append(_ bytes: [UInt8]) throws(CommandError) {
        buffer += bytes
        if buffer.count >= 1 << 18 { try flush() }
    }

    /// Puts what was appended where `read` finds it.
    func flush() throws(CommandError) {
        try write(buffer, at: written)
        written += Int64(buffer.count)
        buffer.removeAll(keepingCapacity: true)
    }

    /// Writes over what is there.
    func write(_ bytes: [UInt8], at offset: Int64) throws(CommandError) {
        try bytes.withUnsafeBufferPointer { (bytes) throws(CommandError) in
            var done = 0
            while done < bytes.count {
                let rest = UnsafeBufferPointer(rebasing: bytes[done...])
                let count = pwrite(descriptor, rest.baseAddress, rest.count, off_t(offset) + off_t(done))
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { throw Self.failure() }
                done += count
            }
        }
    }

    /// Fills `bytes` from a place; what lies behind the end reads as 0.
    func read(into bytes: inout [UInt8], at offset: Int64) throws(CommandError) {
        try bytes.withUnsafeMutableBufferPointer { (bytes) throws(CommandError) in
            var done = 0
            while done < bytes.count {
                let rest = UnsafeMutableBufferPointer(rebasing: bytes[done...])
                let count = pread(descriptor, rest.baseAddress, rest.count, off_t(offset) + off_t(done))
                if count < 0, errno == EINTR { continue }
                guard count >= 0 else { throw Self.failure() }
                if count == 0 {
                    for index in done..<bytes.count { bytes[index] = 0 }
                    return
                }
                done += count
            }
        }
    }

    private static func failure() -> CommandError {
        CommandError(
            .inputOutput, "the temporary file: \(String(cString: strerror(errno))); TMPDIR names another folder.")
    }
}

/// Reads a scratch file from its beginning on, in large pieces.
struct ScratchReader {
    private let file: ScratchFile
    private var buffer: [UInt8] = []
    private var start = 0
    private var next: Int64 = 0

    init(_ file: ScratchFile) { self.file = file }

    /// The next bytes; they are all there.
    mutating func bytes(_ count: Int) throws(CommandError) -> ArraySlice<UInt8> {
        if buffer.count - start < count {
            buffer.removeFirst(start)
            start = 0
            var more = [UInt8](repeating: 0, count: max(1 << 18, count - buffer.count))
            try file.read(into: &more, at: next)
            next += Int64(more.count)
            buffer += more
        }
        start += count
        return buffer[start - count..<start]
    }
}
