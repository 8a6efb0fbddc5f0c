import Glibc
import Synchronization

/// One output stream of the process, shared by log lines and a progress bar so that they never mix.
public final class Console: Sendable {
    /// Standard error: log lines, progress, messages.
    public static let standardError = Console(descriptor: STDERR_FILENO)
    /// Standard output: what a command was asked for.
    public static let standardOutput = Console(descriptor: STDOUT_FILENO)

    private let descriptor: Int32
    private let bar = Mutex("")
    /// Whether a person watches.
    public let isTerminal: Bool
    /// Whether colours may be used: a terminal, and neither `NO_COLOR` nor `TERM=dumb`.
    public let usesColour: Bool

    init(descriptor: Int32) {
        self.descriptor = descriptor
        isTerminal = isatty(descriptor) == 1
        func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
        let noColour = variable("NO_COLOR").map { !$0.isEmpty } ?? false
        usesColour = isTerminal && !noColour && variable("TERM") != "dumb"
    }

    /// Columns of the terminal, or 80.
    public var columns: Int {
        var size = winsize()
        return ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : 80
    }

    /// Writes one line above the progress bar.
    public func writeLine(_ line: String) {
        bar.withLock { bar in
            // A whole line in one write, so that lines of several processes in one file stay whole.
            _ = writeAll((bar.isEmpty ? "" : "\r\u{1B}[K") + line + "\n" + bar)
        }
    }

    /// Writes text as it is. False when the reader has gone.
    @discardableResult
    public func write(_ text: String) -> Bool { bar.withLock { _ in writeAll(text) } }

    /// Draws the last line again with `text`; an empty text takes it away.
    func drawBar(_ text: String) {
        bar.withLock { bar in
            bar = text
            writeAll("\r\u{1B}[K" + text)
        }
    }

    /// Leaves what the bar shows and goes on below it.
    func keepBar(_ text: String) {
        bar.withLock { bar in
            bar = ""
            writeAll("\r\u{1B}[K" + text + "\n")
        }
    }

    @discardableResult
    private func writeAll(_ text: String) -> Bool {
        var text = text
        return text.withUTF8 { bytes in
            var rest = UnsafeRawBufferPointer(bytes)
            while let start = rest.baseAddress, !rest.isEmpty {
                let count = Glibc.write(descriptor, start, rest.count)
                if count < 0 {
                    guard errno == EINTR || errno == EAGAIN else { return false }
                    if errno == EAGAIN { usleep(1000) }
                    continue
                }
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            }
            return true
        }
    }
}
