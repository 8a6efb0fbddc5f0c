import Glibc
import Synchronization

/// Turns TERM and INT into a clean stop; a second one leaves at once.
enum Signals {
    private static let pipeWriteEnd = Atomic<Int32>(-1)

    /// Calls `first` on a thread of its own at the first TERM or INT.
    static func install(first: @escaping @Sendable () -> Void) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { return }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let readEnd = ends[0]
        pipeWriteEnd.store(ends[1], ordering: .sequentiallyConsistent)
        // A handler, not SIG_IGN: a program we start must get the default back.
        for number in [SIGTERM, SIGINT] {
            var action = sigaction()
            action.__sigaction_handler.sa_handler = { number in
                var byte = UInt8(truncatingIfNeeded: number)
                let keptErrno = errno
                _ = write(Signals.pipeWriteEnd.load(ordering: .relaxed), &byte, 1)
                errno = keptErrno
            }
            action.sa_flags = SA_RESTART
            sigaction(number, &action, nil)
        }
        // A reader that has gone is an error of the write, not the end of the process.
        var ignore = sigaction()
        ignore.__sigaction_handler.sa_handler = { _ in }
        ignore.sa_flags = SA_RESTART
        sigaction(SIGPIPE, &ignore, nil)

        let thread = SignalThread(readEnd: readEnd, first: first)
        thread.start()
    }
}

private final class SignalThread: Sendable {
    private let readEnd: Int32
    private let first: @Sendable () -> Void

    init(readEnd: Int32, first: @escaping @Sendable () -> Void) {
        self.readEnd = readEnd
        self.first = first
    }

    func start() {
        var thread = pthread_t()
        let body = Unmanaged.passRetained(self)
        let code = pthread_create(
            &thread, nil,
            { context in
                guard let context else { return nil }
                Unmanaged<SignalThread>.fromOpaque(context).takeRetainedValue().wait()
                return nil
            }, body.toOpaque())
        if code == 0 { pthread_detach(thread) } else { body.release() }
    }

    private func wait() {
        var count = 0
        while true {
            var byte: UInt8 = 0
            let got = read(readEnd, &byte, 1)
            if got < 0 && errno == EINTR { continue }
            guard got == 1 else { return }
            count += 1
            if count > 1 { _exit(128 + Int32(byte)) }
            first()
        }
    }
}
