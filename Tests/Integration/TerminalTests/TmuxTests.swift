import Foundation
import Glibc
import TestSupport
import Testing

/// The real program in tmux, which knows what state a terminal is in.
@Suite(
    .enabled(if: TestEnvironment.needletail != nil, "the needletail executable is not built"),
    .enabled(if: Tmux.path != nil, "tmux is not installed"), .serialized, .timeLimit(.minutes(3)))
struct TmuxTests {
    @Test(arguments: [SIGKILL, SIGTERM, SIGHUP, SIGTRAP, SIGSEGV])
    func `after any end the shell has its terminal back`(signal: Int32) throws {
        let tmux = try Tmux()
        try tmux.startDashboard()
        #expect(tmux.state == "1 0 0")
        tmux.type("m")
        #expect(tmux.waits { tmux.state == "1 1 0" }, "the mouse is not on: \(tmux.state)")
        let pid = try #require(tmux.dashboard)
        kill(pid, signal)
        #expect(tmux.waits { tmux.state == "0 0 1" }, "left as it was: \(tmux.state)")
        #expect(tmux.waits { tmux.dashboard == nil })
        tmux.type("echo \"echoes=$(stty -a | grep -c -- ' echo ')\"", "Enter")
        #expect(tmux.waits { tmux.text.contains("echoes=1") }, "\(tmux.text)")
    }

    @Test func `ESC and a key that tmux sends in one piece are two keys`() throws {
        let tmux = try Tmux()
        try tmux.startDashboard()
        tmux.type("?")
        #expect(tmux.waits { tmux.text.contains("keys and figures") })
        tmux.type("Escape", "7")
        #expect(tmux.waits { tmux.text.contains("logs, newest first") }, "\(tmux.text)")
    }

    @Test func `a hundred sizes in a second, none of them too small to survive`() throws {
        let tmux = try Tmux()
        try tmux.startDashboard()
        for round in 0..<100 {
            tmux.run(
                "resize-window", "-x", "\([2, 60, 61, 120, 199][round % 5])", "-y", "\([2, 16, 24, 59][round % 4])")
        }
        tmux.run("resize-window", "-x", "120", "-y", "40")
        #expect(tmux.waits { tmux.text.contains("not yet stored, by partition") && tmux.text.contains("1 overview") })
        tmux.type("q")
        #expect(tmux.waits { tmux.state == "0 0 1" })
    }

    @Test func `Ctrl-Z gives the shell its terminal, fg brings the dashboard back`() throws {
        let tmux = try Tmux()
        try tmux.startDashboard()
        tmux.type("C-z")
        #expect(tmux.waits { tmux.state == "0 0 1" })
        tmux.type("fg", "Enter")
        #expect(tmux.waits { tmux.state == "1 0 0" && tmux.text.contains("1 overview") })
        tmux.type("q")
        #expect(tmux.waits { tmux.state == "0 0 1" })
    }
}

/// A tmux server of our own.
private final class Tmux {
    static let path: String? = ["/usr/bin/tmux", "/usr/local/bin/tmux", "/bin/tmux"]
        .first { FileManager.default.isExecutableFile(atPath: $0) }
    private let socket: String
    private let server: pid_t

    init() throws {
        // A folder of our own: a server that ends leaves its socket behind.
        socket = try TestEnvironment.temporaryFolder("tmux") + "/socket"
        let shell =
            "env -i PATH=\(ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin") PS1='$ ' LC_ALL=C.UTF-8"
        Self.run(
            socket, "-f", "/dev/null", "new-session", "-d", "-x", "120", "-y", "40", "-c", TestEnvironment.packageRoot,
            shell + " TERM=tmux-256color sh -i")
        let answer = Self.run(socket, "display", "-p", "#{pid}").trimmingCharacters(in: .whitespacesAndNewlines)
        guard let server = pid_t(answer) else { throw TestServerError("tmux does not start: \(answer)") }
        self.server = server
        guard waits(until: { !self.text.isEmpty }) else { throw TestServerError("tmux shows no prompt") }
    }

    deinit {
        run("kill-server")
        let server = server
        let hasEnded = TestEnvironment.waits(seconds: 5) { !TestProcess.isRunning(server) }
        #expect(hasEnded, "a tmux server is left")
        if !hasEnded { kill(server, SIGKILL) }
    }

    @discardableResult func run(_ arguments: String...) -> String { Self.run(socket, arguments) }

    @discardableResult private static func run(_ socket: String, _ arguments: String...) -> String {
        run(socket, arguments)
    }

    private static func run(_ socket: String, _ arguments: [String]) -> String {
        let command = ["/usr/bin/env", "LC_ALL=C.UTF-8", path ?? "tmux", "-S", socket] + arguments
        return (try? TestCommand.run(command))?.output ?? ""
    }

    /// Types keys by tmux's names, or text as it is.
    func type(_ keys: String...) { for key in keys { run("send-keys", key) } }

    var text: String { run("capture-pane", "-p") }

    /// Alternate screen, mouse, cursor.
    var state: String {
        run("display", "-p", "#{alternate_on} #{mouse_any_flag} #{cursor_flag}")
            .trimmingCharacters(in: .whitespacesAndNewlines)
    }

    func startDashboard() throws {
        let nowhere = "127.0.0.1:1"
        let program = TestEnvironment.needletail ?? ""
        run(
            "send-keys", "-l",
            "KAFKA_BOOTSTRAP_SERVERS=\(nowhere) REDIS_URL=redis://\(nowhere) DATABASE_URL=postgresql://n@\(nowhere)/n "
                + "\(program) dashboard --api-url http://\(nowhere)")
        type("Enter")
        guard waits(until: { self.state.hasPrefix("1") && self.text.contains("1 overview") }) else {
            throw TestServerError("the dashboard does not draw: \(text)")
        }
    }

    /// The process that draws, below the pane's shell.
    var dashboard: pid_t? {
        guard let shell = Int(run("display", "-p", "#{pane_pid}").trimmingCharacters(in: .whitespacesAndNewlines))
        else { return nil }
        let path = "/proc/\(shell)/task/\(shell)/children"
        let children = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
        return children.split(separator: " ").compactMap { pid_t($0) }.first { child in
            let line = (try? String(contentsOfFile: "/proc/\(child)/cmdline", encoding: .utf8)) ?? ""
            return line.contains("dashboard")
        }
    }

    func waits(until condition: () -> Bool) -> Bool { TestEnvironment.waits(seconds: 10, until: condition) }
}
