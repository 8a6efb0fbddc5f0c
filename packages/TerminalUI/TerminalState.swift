import Glibc
import Synchronization

/// What the signal handlers may touch: plain memory set up before they are installed, `tcsetattr`, `write` and `send`.
enum TerminalState {
    nonisolated(unsafe) private static var original = termios()  // Written once before any handler is installed.
    nonisolated(unsafe) private static var pipeEnds: (read: Int32, write: Int32) = (-1, -1)  // likewise
    nonisolated(unsafe) private static var output: Int32 = STDOUT_FILENO  // likewise
    nonisolated(unsafe) private static var guardian = TerminalGuard()  // likewise
    private static let isRaw = Atomic(false)
    private static let wantsEnd = Atomic(false)
    private static let wantsRepaint = Atomic(false)

    // Alternate screen, cursor hidden, no wrapping.
    // Bracketed paste; a wheel that sends arrows; and back, the mouse off.
    private static let enterSequence: [UInt8] = Array(
        "\u{1B}[?1049h\u{1B}[?25l\u{1B}[?7l\u{1B}[?2004h\u{1B}[?1007h\u{1B}[2J".utf8)
    private static let leaveSequence: [UInt8] = Array(
        "\u{1B}[?2026l\u{1B}[0m\u{1B}[?1006l\u{1B}[?1000l\u{1B}[?1007l\u{1B}[?2004l\u{1B}[?7h\u{1B}[?25h\u{1B}[?1049l"
            .utf8)
    // The handler must not run a lazy initialiser or touch a Swift array: a copy in plain memory.
    nonisolated(unsafe) private static var leave: UnsafeMutablePointer<UInt8> = .allocate(capacity: 128)
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
            // A description of our own: not to block on one that we share with the shell would be the shell's problem later.
            let own = unsafe open("/dev/tty", O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY)
            if own >= 0 { unsafe output = own }
            unsafe guardian = TerminalGuard(modes: original, leave: leaveSequence)
            ErrorCapture.prepare()
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
        unsafe guardian.watch(true)
        guard unsafe tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0 else { return false }
        isRaw.store(true, ordering: .sequentiallyConsistent)
        ErrorCapture.begin()
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
        // Not TCSADRAIN, which waits forever where nobody reads the terminal any more.
        _ = unsafe tcsetattr(STDIN_FILENO, TCSANOW, &original)
        writeLeave()
        unsafe guardian.watch(false)
        ErrorCapture.end()
    }

    /// Waits a moment for a terminal that has not taken a frame yet: what it never gets, nobody can take back. `write` and `poll` are
    /// what a handler may call.
    private static func writeLeave() {
        var done = 0
        for _ in 0..<10 {
            let count = unsafe Glibc.write(output, leave + done, leaveCount - done)
            if count > 0 { done += count }
            guard unsafe done < leaveCount, count > 0 || errno == EAGAIN || errno == EINTR else { return }
            var descriptor = pollfd(fd: unsafe output, events: Int16(POLLOUT), revents: 0)
            _ = unsafe poll(&descriptor, 1, 50)
        }
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

    /// Writes what the terminal takes now; the count, negative when it is gone.
    static func writeSome(_ bytes: ArraySlice<UInt8>) -> Int {
        var done = 0
        while done < bytes.count {
            let count = unsafe bytes.withUnsafeBytes { buffer in
                unsafe Glibc.write(output, buffer.baseAddress.map { unsafe $0 + done }, bytes.count - done)
            }
            if count > 0 { done += count } else if errno != EINTR { return errno == EAGAIN ? done : -1 }
        }
        return done
    }

    static var outputDescriptor: Int32 { unsafe output }

    /// Writes a short sequence, waiting a moment for a terminal that is slow; one that nobody reads loses it.
    static func write(_ bytes: [UInt8]) {
        var rest = bytes[...]
        for _ in 0..<10 where !rest.isEmpty {
            let count = writeSome(rest)
            guard count >= 0, !takeEnd() else { return }
            rest = rest.dropFirst(count)
            if rest.isEmpty { return }
            var descriptor = pollfd(fd: unsafe output, events: Int16(POLLOUT), revents: 0)
            _ = unsafe poll(&descriptor, 1, 50)
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
