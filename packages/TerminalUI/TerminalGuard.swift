import Glibc

/// Puts the terminal back when this process is gone without having done so: after a SIGKILL nobody else can.
///
/// A shell in a session of its own reads a socket whose other end only we hold. What we last said on it, `on` or `off`, is
/// whether the terminal is ours; when the socket ends while it is, the shell restores modes and screen, and then it is gone
/// too. Where no shell can be started, there is no guard and everything else works.
struct TerminalGuard {
    private static let setSession: Int16 = 0x80  // POSIX_SPAWN_SETSID, which the Glibc module leaves out
    private var descriptor: Int32 = -1

    /// No guard: `watch` does nothing.
    init() {}

    /// Starts the shell. `modes` are the terminal's as they were found, `leave` is what to write once they are set: a
    /// terminal that nobody reads must not keep a shell from its own modes.
    init(modes: termios, leave: [UInt8]) {
        var ends: [Int32] = [-1, -1]
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        guard unsafe socketpair(AF_UNIX, type, 0, &ends) == 0 else { return }
        let script = """
            while read -r said; do state=$said; done
            if [ "$state" = on ]; then stty "$1" <&1; printf '%s' "$2"; fi
            """
        let arguments = [
            "/bin/sh", "-c", script, "needletail-terminal-guard", Self.text(modes),
            String(decoding: leave, as: UTF8.self),
        ]
        if Self.spawn(arguments, input: ends[1]) { descriptor = ends[0] } else { close(ends[0]) }
        close(ends[1])
    }

    /// Says whether the terminal is ours from now on. Called from signal handlers, too: nothing here allocates or locks.
    func watch(_ isOurs: Bool) {
        guard descriptor >= 0 else { return }
        var (on, off): ((UInt8, UInt8, UInt8), (UInt8, UInt8, UInt8, UInt8)) = (
            (0x6F, 0x6E, 0x0A), (0x6F, 0x66, 0x66, 0x0A)
        )
        if isOurs {
            _ = unsafe send(descriptor, &on, 3, Int32(MSG_NOSIGNAL))
        } else {
            _ = unsafe send(descriptor, &off, 4, Int32(MSG_NOSIGNAL))
        }
    }

    /// Modes as `stty -g` writes them and `stty` reads them: four flags and every control character, hexadecimal.
    static func text(_ modes: termios) -> String {
        var numbers = [modes.c_iflag, modes.c_oflag, modes.c_cflag, modes.c_lflag].map { String($0, radix: 16) }
        unsafe withUnsafeBytes(of: modes.c_cc) { characters in
            numbers += unsafe characters.map { String($0, radix: 16) }
        }
        return numbers.joined(separator: ":")
    }

    private static func spawn(_ arguments: [String], input: Int32) -> Bool {
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO)
        unsafe posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0)
        var attributes = posix_spawnattr_t()
        unsafe posix_spawnattr_init(&attributes)
        defer { unsafe posix_spawnattr_destroy(&attributes) }
        // Its own session: neither Ctrl-C nor a hang-up nor a kill of our process group reaches it before it has done its work.
        unsafe posix_spawnattr_setflags(&attributes, setSession)
        var pointers: [UnsafeMutablePointer<CChar>?] = unsafe arguments.map { unsafe strdup($0) } + [nil]
        defer { for index in unsafe pointers.indices { unsafe free(pointers[index]) } }
        var child: pid_t = 0
        return unsafe posix_spawn(&child, "/bin/sh", &actions, &attributes, &pointers, environ) == 0
    }
}
