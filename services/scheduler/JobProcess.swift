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

    private let group = Mutex<pid_t>(0)

    /// Runs `command` with `sh` and waits for its end. Blocks: it is for a thread of its own.
    func run(_ command: String, input: String, environment: [String: String]) -> Ending {
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

        let shell = environment["SHELL"] ?? "/bin/sh"
        var arguments = ([shell, "-c", command] as [String]).map { strdup($0) } + [nil]
        var variables = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for pointer in arguments + variables { free(pointer) } }
        var child = pid_t()
        let failure = posix_spawn(&child, shell, &actions, &attributes, &arguments, &variables)
        guard failure == 0 else { return .notStarted("\(shell): " + String(cString: strerror(failure))) }
        group.withLock { $0 = child }
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0, errno == EINTR {}
        group.withLock { $0 = 0 }
        return status & 0x7F == 0 ? .exit(status >> 8 & 0xFF) : .signal(status & 0x7F)
    }

    /// Sends a signal to everything the run started.
    func signal(_ number: Int32) {
        group.withLock { group in
            if group > 0 { kill(-group, number) }
        }
    }
}
