import Glibc
import Synchronization

/// The user's terminal in raw mode on its alternate screen. `restore` puts it back and is safe twice; so do the signals that
/// end or stop a process (TERM, HUP, INT, QUIT, TSTP, and the traps of a crash), each of which then does what it always did.
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

    private var decoder = KeyDecoder()
    private var shown: Screen?

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
        let output = screen.escapes(after: shown)
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
        let ready = unsafe poll(&descriptors, 2, Int32(timeoutMillis))
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

/// What the signal handlers may touch: plain memory set up before they are installed, `tcsetattr` and `write`.
private enum TerminalState {
    nonisolated(unsafe) private static var original = termios()  // Written once before any handler is installed.
    nonisolated(unsafe) private static var pipeEnds: (read: Int32, write: Int32) = (-1, -1)  // likewise
    private static let isRaw = Atomic(false)
    private static let wantsEnd = Atomic(false)
    private static let wantsRepaint = Atomic(false)

    // Alternate screen, cursor hidden, no wrapping; and back.
    private static let enterSequence: [UInt8] = Array("\u{1B}[?1049h\u{1B}[?25l\u{1B}[?7l\u{1B}[2J".utf8)
    private static let leaveSequence: [UInt8] = Array("\u{1B}[0m\u{1B}[?7h\u{1B}[?25h\u{1B}[?1049l".utf8)
    // The handler must not run a lazy initialiser or touch a Swift array: a copy in plain memory.
    nonisolated(unsafe) private static var leave: UnsafeMutablePointer<UInt8> = .allocate(capacity: 64)
    nonisolated(unsafe) private static var leaveCount = 0

    static var wakeDescriptor: Int32 { unsafe pipeEnds.read }

    static func enter() -> Bool {
        guard unsafe tcgetattr(STDIN_FILENO, &original) == 0 else { return false }
        if unsafe pipeEnds.read < 0 {
            var ends: [Int32] = [-1, -1]
            guard unsafe pipe(&ends) == 0 else { return false }
            for end in ends {
                _ = fcntl(end, F_SETFL, O_NONBLOCK)
                _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            }
            unsafe pipeEnds = (ends[0], ends[1])
            for (index, byte) in leaveSequence.enumerated() { unsafe leave[index] = byte }
            unsafe leaveCount = leaveSequence.count
        }
        guard enterRaw() else { return false }
        for signal in [SIGTERM, SIGHUP, SIGINT, SIGQUIT] { install(signal) { _ in TerminalState.signalled(end: true) } }
        install(SIGWINCH) { _ in TerminalState.signalled(end: false) }
        install(SIGCONT) { _ in
            // Also reached after SIGSTOP, which no handler sees coming: the shell may have changed the modes.
            TerminalState.reenter()
        }
        install(SIGTSTP) { _ in TerminalState.stop() }
        for signal in [SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV] {
            install(signal, oneShot: true) { signal in
                TerminalState.restore()
                raise(signal)  // The handler is gone after one shot: this ends the process as it would have.
            }
        }
        return true
    }

    private static func enterRaw() -> Bool {
        var raw = unsafe original
        makeRaw(&raw)
        guard unsafe tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0 else { return false }
        isRaw.store(true, ordering: .sequentiallyConsistent)
        write(enterSequence)
        return true
    }

    private static func makeRaw(_ modes: inout termios) {
        unsafe cfmakeraw(&modes)
        modes.c_cc.5 = 0  // VTIME: reads return at once
        modes.c_cc.6 = 1  // VMIN
    }

    static func restore() {
        guard isRaw.exchange(false, ordering: .sequentiallyConsistent) else { return }
        _ = unsafe Glibc.write(STDOUT_FILENO, leave, leaveCount)
        _ = unsafe tcsetattr(STDIN_FILENO, TCSADRAIN, &original)
    }

    private static func reenter() {
        _ = enterRaw()
        signalled(end: false)
    }

    /// Puts the terminal back and stops the process. SIGSTOP cannot be caught or blocked; SIGCONT's handler takes the terminal
    /// over again. Called from the handler of SIGTSTP and, because other threads than the first may block that signal, directly.
    static func stop() {
        restore()
        kill(getpid(), SIGSTOP)
    }

    static var isTaken: Bool { isRaw.load(ordering: .sequentiallyConsistent) }

    private static func signalled(end: Bool) {
        if end {
            wantsEnd.store(true, ordering: .sequentiallyConsistent)
        } else {
            wantsRepaint.store(true, ordering: .sequentiallyConsistent)
        }
        var byte: UInt8 = 0
        _ = unsafe Glibc.write(pipeEnds.write, &byte, 1)
    }

    static func takeEnd() -> Bool { wantsEnd.load(ordering: .sequentiallyConsistent) }
    static func takeRepaint() -> Bool { wantsRepaint.exchange(false, ordering: .sequentiallyConsistent) }

    static func drainWake() {
        var buffer = [UInt8](repeating: 0, count: 64)
        while unsafe read(pipeEnds.read, &buffer, buffer.count) > 0 {}
    }

    /// Writes everything, or gives up when the terminal is gone.
    static func write(_ bytes: [UInt8]) {
        var start = 0
        while start < bytes.count {
            let count = unsafe bytes.withUnsafeBytes { buffer in
                unsafe Glibc.write(STDOUT_FILENO, buffer.baseAddress.map { unsafe $0 + start }, bytes.count - start)
            }
            if count > 0 {
                start += count
            } else if errno != EINTR && errno != EAGAIN {
                return
            }
        }
    }

    private static func install(
        _ signal: Int32, oneShot: Bool = false, _ handler: @escaping @convention(c) (Int32) -> Void
    ) {
        var action = sigaction()
        unsafe action.__sigaction_handler.sa_handler = handler
        action.sa_flags =
            Int32(SA_RESTART) | (oneShot ? Int32(bitPattern: UInt32(SA_RESETHAND)) | Int32(SA_NODEFER) : 0)
        _ = unsafe sigaction(signal, &action, nil)
    }
}
