import Glibc

/// Why a log cannot do what it was asked.
enum LogError: Error, Equatable {
    /// The offset is before the log's start or past its end.
    case outOfRange
    /// Bytes at rest are not what was written.
    case corrupt(path: String, position: Int)
    /// The disk failed.
    case storage(operation: String, path: String, errno: Int32)

    /// Whether nobody knows any more what of a log is on the disk: its own synchronisation failed. A checkpoint that could
    /// not be written only costs the next start a longer scan.
    var leavesLogUnknown: Bool {
        if case .storage("sync", let path, _) = self { path.hasSuffix(".log") } else { false }
    }

    /// One sentence for people.
    var description: String {
        switch self {
        case .outOfRange: "offset out of range"
        case .corrupt(let path, let position): "\(path) is damaged at byte \(position)"
        case .storage(let operation, let path, let code): "\(operation) \(path): \(systemMessage(code))"
        }
    }
}

/// The system's words for an errno.
func systemMessage(_ code: Int32) -> String {
    guard let text = unsafe strerror(code) else { return "error \(code)" }
    return unsafe String(cString: text)
}

/// Sole owner of one descriptor, closed with its last reference: a fetch in flight keeps a deleted segment readable.
/// Sendable because the descriptor never changes and the kernel orders what threads do with it.
final class LogFile: Sendable {
    /// Most bytes in one write. Larger writes to a fresh file can be ten times slower.
    static let maxWriteChunk = 64 << 10

    let path: String
    let descriptor: Int32

    /// Opens a file; one that is made is its owner's alone, for records are other people's data.
    init(path: String, create: Bool) throws(LogError) {
        let descriptor = unsafe open(path, (create ? O_CREAT : 0) | O_RDWR | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .storage(operation: "open", path: path, errno: errno) }
        self.path = path
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    func size() throws(LogError) -> Int {
        let end = lseek(descriptor, 0, SEEK_END)
        guard end >= 0 else { throw .storage(operation: "seek", path: path, errno: errno) }
        return Int(end)
    }

    func truncate(to size: Int) throws(LogError) {
        guard ftruncate(descriptor, off_t(size)) == 0 else {
            throw .storage(operation: "truncate", path: path, errno: errno)
        }
    }

    func synchronize() throws(LogError) {
        guard fdatasync(descriptor) == 0 else { throw .storage(operation: "sync", path: path, errno: errno) }
    }

    /// Writes `bytes` at `position`, with the first of them replaced by `prefix`.
    func write(_ bytes: ArraySlice<UInt8>, prefix: [UInt8] = [], at position: Int) throws(LogError) {
        let failure: Int32 = unsafe bytes.withUnsafeBytes { whole in
            var done = 0
            if !prefix.isEmpty {
                let first = min(whole.count, Self.maxWriteChunk)
                let code: Int32 = unsafe prefix.withUnsafeBytes { head in
                    var parts = unsafe [
                        iovec(iov_base: UnsafeMutableRawPointer(mutating: head.baseAddress), iov_len: head.count),
                        iovec(
                            iov_base: UnsafeMutableRawPointer(mutating: whole.baseAddress)?.advanced(by: head.count),
                            iov_len: first - head.count),
                    ]
                    let written = unsafe pwritev(descriptor, &parts, 2, off_t(position))
                    if written < 0 { return errno == EINTR ? 0 : errno }
                    // A short write that ends inside the prefix cannot be continued from `bytes`.
                    if written < head.count { return written == 0 ? 0 : EIO }
                    done = written
                    return 0
                }
                guard code == 0 else { return code }
                if done == 0 { return EIO }
            }
            while done < whole.count {
                let chunk = min(whole.count - done, Self.maxWriteChunk)
                let written = unsafe pwrite(
                    descriptor, whole.baseAddress?.advanced(by: done), chunk, off_t(position + done))
                if written < 0 && errno == EINTR { continue }
                guard written > 0 else { return written < 0 ? errno : ENOSPC }
                done += written
            }
            return 0
        }
        guard failure == 0 else { throw .storage(operation: "write", path: path, errno: failure) }
    }

    /// Up to `count` bytes at `position`; fewer at the file's end.
    func read(_ count: Int, at position: Int) throws(LogError) -> [UInt8] {
        var failure: Int32 = 0
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, done in
            while done < count {
                let got = unsafe pread(
                    descriptor, buffer.baseAddress?.advanced(by: done), count - done, off_t(position + done))
                if got < 0 && errno == EINTR { continue }
                if got < 0 { failure = errno }
                guard got > 0 else { break }
                done += got
            }
        }
        guard failure == 0 else { throw .storage(operation: "read", path: path, errno: failure) }
        return bytes
    }
}

/// Small files that are replaced as a whole, and folders.
enum Files {
    /// Replaces `path` so that after a crash either the old or the new content is there.
    static func replace(_ path: String, with bytes: [UInt8]) throws(LogError) {
        let temporary = path + ".tmp"
        do throws(LogError) {
            let file = try LogFile(path: temporary, create: true)
            try file.truncate(to: 0)
            try file.write(bytes[...], at: 0)
            try file.synchronize()
        } catch {
            remove(temporary)  // On a full disk its part is needed elsewhere.
            throw error
        }
        guard unsafe rename(temporary, path) == 0 else {
            throw .storage(operation: "rename", path: path, errno: errno)
        }
        try synchronizeFolder(parent(of: path))
    }

    /// The whole content; nil when there is no such file.
    static func contents(_ path: String) throws(LogError) -> [UInt8]? {
        do {
            let file = try LogFile(path: path, create: false)
            return try file.read(try file.size(), at: 0)
        } catch .storage(_, _, ENOENT) {
            return nil
        }
    }

    static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// Makes names in a folder durable.
    static func synchronizeFolder(_ path: String) throws(LogError) {
        let descriptor = unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .storage(operation: "open", path: path, errno: errno) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw .storage(operation: "sync", path: path, errno: errno) }
    }

    /// Takes a file or a folder, made by an earlier version perhaps, out of other users' sight.
    static func makePrivate(_ path: String, isFolder: Bool = false) {
        _ = unsafe chmod(path, isFolder ? 0o700 : 0o600)
    }

    /// Makes a folder and those above it, for their owner alone.
    static func makeFolder(_ path: String) throws(LogError) {
        guard unsafe mkdir(path, 0o700) != 0 else { return }
        switch errno {
        case EEXIST: return
        case ENOENT where path != parent(of: path):
            try makeFolder(parent(of: path))
            guard unsafe mkdir(path, 0o700) == 0 || errno == EEXIST else { fallthrough }
        default: throw .storage(operation: "make folder", path: path, errno: errno)
        }
    }

    /// Names in a folder, sorted.
    static func list(_ path: String) throws(LogError) -> [String] {
        guard let folder = unsafe opendir(path) else { throw .storage(operation: "list", path: path, errno: errno) }
        defer { unsafe closedir(folder) }
        var names: [String] = []
        while let entry = unsafe readdir(folder) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { tuple in
                unsafe tuple.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// Removes a file; one that is not there is fine.
    static func remove(_ path: String) { _ = unsafe unlink(path) }

    /// Removes a folder of files.
    static func removeFolder(_ path: String) {
        for name in (try? list(path)) ?? [] { remove(path + "/" + name) }
        _ = unsafe rmdir(path)
    }

    static func move(_ path: String, to other: String) throws(LogError) {
        guard unsafe rename(path, other) == 0 else { throw .storage(operation: "rename", path: path, errno: errno) }
    }

    static func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }
}
