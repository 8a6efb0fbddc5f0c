internal import Compression
internal import Glibc

/// A file, or memory, read at any place.
final class ParquetFile {
    let name: String
    let size: Int
    private let descriptor: Int32
    private let memory: [UInt8]

    init(path: String) throws(ParquetError) {
        name = path
        memory = []
        var info = stat()
        // Looked at before it is opened: whoever writes into a pipe would take the open end for its reader.
        let isPlain = stat(path, &info) == 0 && info.st_mode & S_IFMT == S_IFREG
        descriptor = isPlain ? open(path, O_RDONLY | O_CLOEXEC) : -1
        size = Int(info.st_size)
        guard descriptor >= 0 else {
            let code = errno
            if isPlain || info.st_mode == 0 {
                throw .file(code == ENOENT ? .notFound(path: path) : .notOpened(path: path, reason: Self.reason(code)))
            }
            let reason = "a Parquet file is read from its end, so it must be a plain file"
            throw .file(.notOpened(path: path, reason: reason))
        }
    }

    init(bytes: [UInt8], name: String) {
        (self.name, size, descriptor, memory) = (name, bytes.count, -1, bytes)
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// The bytes of a range, which lies in the file.
    func read(_ range: Range<Int>) throws(ParquetError) -> [UInt8] {
        guard descriptor >= 0 else { return Array(memory[range]) }
        var failure: ParquetError?
        let bytes = [UInt8](unsafeUninitializedCapacity: range.count) { target, count in
            while count < range.count {
                let step = pread(
                    descriptor, target.baseAddress.map { $0 + count }, range.count - count,
                    off_t(range.lowerBound + count))
                if step > 0 {
                    count += step
                } else if step == 0 {
                    failure = .damaged(file: name, place: "its end", reason: "it became shorter while it was read")
                    return
                } else if errno != EINTR {
                    failure = .file(.failed(path: name, reason: Self.reason(errno)))
                    return
                }
            }
        }
        if let failure { throw failure }
        return bytes
    }

    private static func reason(_ code: Int32) -> String { String(cString: strerror(code)) }
}
