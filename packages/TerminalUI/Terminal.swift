import Glibc

/// The user's terminal in raw mode on its alternate screen. `restore` puts it back and is safe twice; so do the signals that
/// end or stop a process (TERM, HUP, INT, QUIT, TSTP, and the traps of a crash), each of which then does what it always did.
/// After a SIGKILL, which nobody sees coming, `TerminalGuard` does it.
///
/// One at a time per process: signal handlers reach it through the file's one global.
public final class Terminal {
    /// What happened at the terminal.
    public enum Event: Hashable, Sendable {
        /// Keys were pressed.
        case keys([Key])
        /// The window has another size, or the process was continued: paint everything.
        case repaint
        /// Nothing happened before the time was up.
        case timeout
        /// A signal asks to end (TERM, HUP, INT, QUIT), or the terminal is gone.
        case end
    }

    /// Why there is no terminal to draw on, as one sentence.
    public struct Unavailable: Error, CustomStringConvertible {
        /// The sentence.
        public let description: String
    }

    private static let escapeMillis: Int32 = 25
    private var decoder = KeyDecoder()
    private var shown: Screen?
    private let usesColour: Bool

    /// Whether a terminal of this kind gets colours under this value of `NO_COLOR`: any value but an empty one forbids them
    /// (no-color.org), and the terminals of before 1990 have none.
    public static func usesColour(noColor: String?, kind: String) -> Bool {
        (noColor ?? "").isEmpty && !kind.hasPrefix("vt1") && !kind.hasPrefix("vt2") && !kind.hasSuffix("-mono")
            && !kind.hasSuffix("-m")
    }

    /// Takes the terminal over. Throws when stdin or stdout is none, or it cannot move its cursor.
    public init() throws {
        guard isatty(STDIN_FILENO) == 1, isatty(STDOUT_FILENO) == 1 else {
            throw Unavailable(description: "this is not a terminal; --once prints one frame as text")
        }
        let kind = unsafe getenv("TERM").map { unsafe String(cString: $0) } ?? ""
        guard !kind.isEmpty, kind != "dumb" else {
            throw Unavailable(
                description: "the terminal (TERM=\(kind)) cannot move its cursor; --once prints one frame as text")
        }
        usesColour = Self.usesColour(noColor: unsafe getenv("NO_COLOR").map { unsafe String(cString: $0) }, kind: kind)
        guard TerminalState.enter() else {
            throw Unavailable(description: "the terminal refuses raw mode; --once prints one frame as text")
        }
    }

    deinit { restore() }

    /// Puts the terminal back as it was found.
    public func restore() { TerminalState.restore() }

    /// The window's size now; 80 × 24 where the terminal does not say.
    public var size: Size {
        var window = winsize()
        guard unsafe ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &window) == 0 else { return Size(80, 24) }
        return Size(Int(window.ws_col), Int(window.ws_row))
    }

    /// Shows a frame, writing only what changed.
    public func show(_ screen: Screen) {
        let output = screen.escapes(after: shown, usesColour: usesColour)
        shown = screen
        guard !output.isEmpty, TerminalState.isTaken else { return }
        // Synchronised update, so that a frame is not seen half drawn; terminals without it ignore it.
        TerminalState.write(Array("\u{1B}[?2026h\(output)\u{1B}[?2026l".utf8))
    }

    /// Waits for keys, a signal or the time.
    public func wait(timeoutMillis: Int) -> Event {
        if let event = pendingSignal() { return event }
        var descriptors = [
            pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0),
            pollfd(fd: TerminalState.wakeDescriptor, events: Int16(POLLIN), revents: 0),
        ]
        // An ESC that nothing follows at once is the key; a longer wait would be felt.
        let millis = decoder.isPending ? Self.escapeMillis : Int32(clamping: timeoutMillis)
        let ready = unsafe poll(&descriptors, 2, millis)
        if descriptors[1].revents != 0 { TerminalState.drainWake() }
        if let event = pendingSignal() { return event }
        if ready <= 0 {
            let keys = decoder.flush()
            return keys.isEmpty ? .timeout : .keys(keys)
        }
        if descriptors[0].revents != 0 {
            var buffer = [UInt8](repeating: 0, count: 256)
            let count = unsafe read(STDIN_FILENO, &buffer, buffer.count)
            if count == 0 || (count < 0 && errno != EINTR && errno != EAGAIN) { return .end }
            let keys = decoder.decode(buffer.prefix(max(0, count)))
            if keys.contains(.control("z")) {
                suspend()
                return .repaint
            }
            if keys.contains(.control("c")) || keys.contains(.control("\\")) { return .end }
            if !keys.isEmpty { return .keys(keys) }
        }
        return .timeout
    }

    private func pendingSignal() -> Event? {
        if TerminalState.takeEnd() { return .end }
        if TerminalState.takeRepaint() {
            shown = nil
            return .repaint
        }
        return nil
    }

    /// Ctrl-Z: puts the terminal back, stops, and takes it over again when continued.
    private func suspend() {
        TerminalState.stop()
        shown = nil
    }
}
