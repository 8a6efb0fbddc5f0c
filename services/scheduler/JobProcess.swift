import Glibc
import Synchronization

/// One run of a job: a shell in a process group of its own, so that stopping reaches everything it started.
final class JobProcess: Sendable {
    /// How a run ended.
    enum Ending: Equatable {
        case exit(Int32)
        case signal(Int32)
        case notStarted(String)

        var isSuccess: Bool { self == .exit(0) }
        var text: String {
            switch self {
            case .exit(let code): "exit code \(code)"
            case .signal(let number): "signal \(number)"
            case .notStarted(let reason): "not started: \(reason)"
            }
        }
    }

    /// The shell's group while it runs, and the signal that was asked for before it did.
    private let group = Mutex<(id: pid_t, asked: Int32)>((0, 0))

    /// Runs `command` with `sh` and waits for its end. Blocks: it is for a thread of its own. With `onLine` what the job prints
    /// comes there line by line instead of going where this process prints.
    func run(
        _ command: String, input: String, environment: [String: String], onLine: ((String) -> Void)? = nil
    ) -> Ending {
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK))
        posix_spawnattr_setpgroup(&attributes, 0)
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)

        // The input goes through a pipe of 64 kB; a crontab line is far shorter.
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { return .notStarted(String(cString: strerror(errno))) }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO)
        var bytes = Array(input.utf8)
        _ = write(ends[1], &bytes, min(bytes.count, 60_000))
        close(ends[1])
        defer { close(ends[0]) }

        var printed: [Int32] = [-1, -1]
        if onLine != nil {
            guard pipe(&printed) == 0 else { return .notStarted(String(cString: strerror(errno))) }
            for end in printed { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
            posix_spawn_file_actions_adddup2(&actions, printed[1], STDOUT_FILENO)
            posix_spawn_file_actions_adddup2(&actions, printed[1], STDERR_FILENO)
        }
        defer { if printed[0] >= 0 { close(printed[0]) } }

        let shell = environment["SHELL"] ?? "/bin/sh"
        var arguments = ([shell, "-c", command] as [String]).map { strdup($0) } + [nil]
        var variables = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for pointer in arguments + variables { free(pointer) } }
        var child = pid_t()
        let failure = posix_spawn(&child, shell, &actions, &attributes, &arguments, &variables)
        if printed[1] >= 0 { close(printed[1]) }
        guard failure == 0 else { return .notStarted("\(shell): " + String(cString: strerror(failure))) }
        group.withLock { group in
            group.id = child
            if group.asked > 0 { kill(-child, group.asked) }
        }
        if let onLine { Self.readLines(printed[0], of: child, onLine) }
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0, errno == EINTR {}
        group.withLock { $0.id = 0 }
        return status & 0x7F == 0 ? .exit(status >> 8 & 0xFF) : .signal(status & 0x7F)
    }

    /// Gives each line to `onLine`, until the pipe ends or the shell has: what it left in the background may hold the pipe.
    private static func readLines(_ descriptor: Int32, of child: pid_t, _ onLine: (String) -> Void) {
        var line: [UInt8] = []
        func finish() {
            if !line.isEmpty { onLine(String(decoding: line, as: UTF8.self)) }
            line.removeAll(keepingCapacity: true)
        }
        var buffer = [UInt8](repeating: 0, count: 16_384)
        var hasEnded = false
        while true {
            var ready = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let count = poll(&ready, 1, hasEnded ? 0 : 200)
            if count < 0, errno == EINTR { continue }
            if count == 0 {
                if hasEnded { break }
                var information = siginfo_t()
                // Looks without taking the end away from whoever waits for it; then once more for its last words.
                waitid(P_PID, id_t(child), &information, WEXITED | WNOHANG | WNOWAIT)
                hasEnded = information.si_signo != 0
                continue
            }
            let got = read(descriptor, &buffer, buffer.count)
            if got < 0, errno == EINTR { continue }
            guard got > 0 else { break }
            for byte in buffer[..<got] {
                // A line without an end must not fill the memory.
                if byte == 0x0A || line.count >= longestLine { finish() }
                if byte != 0x0A { line.append(byte) }
            }
        }
        finish()
    }

    private static let longestLine = 65_536

    /// Sends a signal to everything the run started, or as soon as it has: a stop may come while the shell is on its way.
    func signal(_ number: Int32) {
        group.withLock { group in
            if group.id > 0 { kill(-group.id, number) } else { group.asked = number }
        }
    }
}
