import Glibc

/// Keeps standard error off the screen while the terminal is ours, and prints its end when it is given back: what a crash says would
/// otherwise be lost with the screen it was written over.
///
/// Standard error becomes a file without a name. `end` is called from signal handlers, too: nothing in it allocates or locks.
enum ErrorCapture {
    private static let mostBytes: off_t = 262_144
    private static let tailBytes = 4_096
    nonisolated(unsafe) private static var file: Int32 = -1  // Written once, before any handler is installed.
    nonisolated(unsafe) private static var original: Int32 = -1  // likewise
    nonisolated(unsafe) private static var buffer: UnsafeMutablePointer<UInt8> = .allocate(capacity: tailBytes)

    /// Gets ready; only where standard error is a terminal: a file that the user chose gets what is written.
    static func prepare() {
        guard isatty(STDERR_FILENO) == 1 else { return }
        let folder = unsafe getenv("TMPDIR").map { unsafe String(cString: $0) } ?? "/tmp"
        var name = (folder + "/needletail-errors-XXXXXX").utf8CString.map { $0 }
        // Nobody else can open a file without a name; it is gone with us.
        unsafe file = mkstemp(&name)
        guard unsafe file >= 0 else { return }
        _ = unsafe unlink(name)
        _ = unsafe fcntl(file, F_SETFD, FD_CLOEXEC)
        unsafe original = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)
        // The handler must not be the first to touch a lazily made value.
        unsafe buffer[0] = 0
    }

    static func begin() {
        guard unsafe file >= 0, unsafe original >= 0 else { return }
        _ = unsafe ftruncate(file, 0)
        _ = unsafe lseek(file, 0, SEEK_SET)
        _ = unsafe dup2(file, STDERR_FILENO)
    }

    static func end() {
        guard unsafe file >= 0, unsafe original >= 0 else { return }
        _ = unsafe dup2(original, STDERR_FILENO)
        let size = unsafe lseek(file, 0, SEEK_END)
        guard size > 0 else { return }
        let count = unsafe pread(file, buffer, tailBytes, max(0, size - off_t(tailBytes)))
        if count > 0 { _ = unsafe Glibc.write(STDERR_FILENO, buffer, count) }
    }

    /// The end of what was written, and where it begins. Begins anew when there is very much of it.
    static var tail: (bytes: [UInt8], offset: Int64) {
        guard unsafe file >= 0 else { return ([], 0) }
        let size = unsafe lseek(file, 0, SEEK_CUR)
        guard size > 0 else { return ([], 0) }
        var bytes = [UInt8](repeating: 0, count: 16_384)
        let start = max(0, size - off_t(bytes.count))
        let count = unsafe pread(file, &bytes, bytes.count, start)
        if size > mostBytes {
            _ = unsafe ftruncate(file, 0)
            _ = unsafe lseek(file, 0, SEEK_SET)
        }
        return (Array(bytes.prefix(max(0, count))), Int64(start))
    }
}
