import Foundation
import Glibc
import TestSupport
import Testing

/// The real program on a real terminal, with no server running: what it draws is mostly "down", and that is enough here.
@Suite(
    .enabled(if: TestEnvironment.needletail != nil, "the needletail executable is not built"), .serialized,
    .timeLimit(.minutes(2)))
struct DashboardProcessTests {
    /// The servers that the program is told of: none is there.
    private static let nowhere = "127.0.0.1:1"
    private static let servers = [
        "KAFKA_BOOTSTRAP_SERVERS": nowhere, "REDIS_URL": "redis://\(nowhere)",
        "DATABASE_URL": "postgresql://needletail@\(nowhere)/needletail", "NO_COLOR": "",
    ]
    static let leave = "\u{1B}[?25h\u{1B}[?1049l"

    static func start(
        columns: UInt16 = 100, rows: UInt16 = 30, _ variables: [String: String] = [:], once: Bool = false,
        more options: [String] = [], waits: Bool = true
    ) throws -> PseudoTerminal {
        let terminal = try PseudoTerminal(
            [TestEnvironment.needletail ?? "", "dashboard", "--api-url", "http://\(nowhere)"]
                + (once ? ["--once"] : []) + options,
            columns: columns, rows: rows,
            environment: servers.merging(variables) { $1 })
        if once || !waits { return terminal }
        #expect(terminal.waits { terminal.text.contains("[?1049h") }, "it drew nothing: \(terminal.text)")
        return terminal
    }

    @Test(arguments: [SIGTERM, SIGHUP, SIGQUIT, SIGINT, SIGSEGV, SIGABRT, SIGILL])
    func `the terminal is as it was after a signal`(signal: Int32) throws {
        let terminal = try Self.start()
        #expect(!terminal.isCooked)
        terminal.signal(signal)
        #expect(terminal.waits { !terminal.isRunning }, "still running after signal \(signal)")
        terminal.drain()
        #expect(terminal.isCooked)
        #expect(terminal.text.contains(Self.leave))
    }

    @Test func `killed without a chance to clean up, the terminal is put back nevertheless`() throws {
        let terminal = try Self.start()
        #expect(!terminal.isCooked)
        terminal.signal(SIGKILL)
        #expect(terminal.waits { terminal.isCooked && terminal.text.contains(Self.leave) }, "left as it was")
    }

    @Test func `Esc does not leave`() throws {
        let terminal = try Self.start()
        terminal.type("\u{1B}")
        terminal.type("?")
        usleep(200_000)
        // Another size draws everything anew, so that the text is in one piece.
        terminal.resize(101, 30)
        terminal.signal(SIGWINCH)
        #expect(terminal.waits { terminal.text.contains("keys and figures") })
        terminal.type("\u{1B}")
        #expect(!terminal.waits(seconds: 0.5) { !terminal.isRunning })
        terminal.type("q")
        #expect(terminal.waits { !terminal.isRunning })
    }

    @Test func `NO_COLOR is obeyed, live and once`() throws {
        let colour = /\u{1B}\[[0-9;]*;38;5;[0-9]+m/
        let coloured = try Self.start()
        #expect(coloured.waits { coloured.text.firstMatch(of: colour) != nil })
        coloured.type("q")
        let plain = try Self.start(["NO_COLOR": "1"])
        #expect(plain.waits { plain.text.contains("Kafka does not answer") })
        plain.type("q")
        #expect(plain.waits { !plain.isRunning })
        #expect(plain.text.firstMatch(of: colour) == nil)
        let once = try Self.start(once: true)
        #expect(once.waits(seconds: 20) { !once.isRunning })
        once.drain()
        #expect(once.text.contains("Kafka does not answer") && !once.text.contains("\u{1B}"))
    }

    @Test(.enabled(if: KafkaServer.isAvailable, "no broker"))
    func `stores that are empty answer, and what they say is none`() throws {
        // A broker of its own: the shared one has the predictions of other tests.
        let broker = try KafkaServer()
        try broker.start()
        defer { broker.stop() }
        let once = try Self.start(
            columns: 120,
            [
                "DATABASE_URL": try TestServers.postgres().makeDatabase("dashboard"),
                "KAFKA_BOOTSTRAP_SERVERS": broker.bootstrapServers,
            ], once: true)
        #expect(once.waits(seconds: 20) { !once.isRunning })
        once.drain()
        for part in [
            "● postgres", "● kafka", "○ api", "none is registered", "none in the newest predictions",
            "nothing was ever stored",
        ] { #expect(once.text.contains(part), "\(part) is not in\n\(once.text)") }
    }

    @Test func `a terminal that nobody reads does not hold up the end`() throws {
        let terminal = try Self.start(columns: 500, rows: 200)
        for round in 0..<40 {
            terminal.resize(round % 2 == 0 ? 499 : 500, 200)
            terminal.signal(SIGWINCH)
            usleep(10_000)
        }
        terminal.signal(SIGTERM)
        #expect(TestEnvironment.waits(seconds: 5) { !terminal.isRunning })
        #expect(terminal.isCooked)
    }

    @Test(arguments: [SIGABRT, SIGTERM])
    func `a terminal that is behind when the end comes is put back, too`(signal: Int32) throws {
        let terminal = try Self.start(columns: 500, rows: 200, waits: false)
        #expect(TestEnvironment.waits(seconds: 5) { !terminal.isCooked })
        usleep(200_000)  // Its frame does not fit into the terminal's buffer.
        terminal.signal(signal)
        usleep(100_000)
        #expect(terminal.waits { !terminal.isRunning })
        terminal.drain()
        #expect(terminal.isCooked && terminal.text.contains(Self.leave))
    }

    @Test(arguments: ["q", "\u{3}"])
    func `a key leaves`(key: String) throws {
        let terminal = try Self.start()
        terminal.type(key)
        #expect(terminal.waits { !terminal.isRunning })
        terminal.drain()
        #expect(terminal.isCooked && terminal.text.contains(Self.leave))
    }

    @Test func `stopped with Ctrl-Z the shell has its terminal, continued it draws and takes keys`() throws {
        let terminal = try Self.start()
        terminal.type("\u{1A}")
        #expect(terminal.waits { terminal.state == "T" })
        #expect(terminal.isCooked)
        terminal.drain()
        terminal.signal(SIGCONT)
        var after = ""
        #expect(
            TestEnvironment.waits(seconds: 5) {
                after += terminal.drain()
                return after.contains("\u{1B}[?1049h") && after.contains("needletail")
            }, "not drawn again: \(after)")
        #expect(!terminal.isCooked)
        terminal.type("q")
        #expect(terminal.waits { !terminal.isRunning })
        #expect(terminal.isCooked)
    }

    @Test func `stopped and continued from outside it draws again`() throws {
        let terminal = try Self.start()
        terminal.signal(SIGSTOP)
        #expect(terminal.waits { terminal.state == "T" })
        terminal.drain()
        terminal.signal(SIGCONT)
        var after = ""
        #expect(
            TestEnvironment.waits(seconds: 5) {
                after += terminal.drain()
                return after.contains("needletail")
            })
        terminal.type("q")
        #expect(terminal.waits { !terminal.isRunning })
    }

    @Test func `gone with its terminal, and not spinning`() throws {
        let terminal = try Self.start()
        terminal.closeMaster()
        #expect(TestEnvironment.waits(seconds: 1.5) { !terminal.isRunning })
    }

    @Test func `any window is survived, and the full picture is back when it grows`() throws {
        let terminal = try Self.start(columns: 1, rows: 1)
        for round in 0..<100 {
            let sizes: [(UInt16, UInt16)] = [(80, 24), (20, 5), (2, 1), (1, 1), (0, 0), (500, 200)]
            let (columns, rows) = sizes[round % sizes.count]
            terminal.resize(columns, rows)
            terminal.signal(SIGWINCH)
            usleep(20_000)
            terminal.drain()
        }
        #expect(terminal.isRunning)
        terminal.resize(100, 30)
        terminal.signal(SIGWINCH)
        var after = ""
        #expect(
            TestEnvironment.waits(seconds: 5) {
                after += terminal.drain()
                return after.contains("not yet stored, by partition") && after.contains("alerts")
            })
        terminal.type("q")
        #expect(terminal.waits { !terminal.isRunning })
    }

    @Test func `on a dumb terminal it says what changes, in lines, and a pipe gets one frame`() throws {
        let dumb = try Self.start(["TERM": "dumb"], waits: false)
        #expect(dumb.waits(seconds: 20) { dumb.text.contains("kafka is down") })
        #expect(dumb.isCooked && !dumb.text.contains("\u{1B}"))
        dumb.signal(SIGTERM)
        #expect(dumb.waits { !dumb.isRunning })
        for name in ["dumb", "xterm-256color"] {
            let piped = try TestCommand.run(
                [TestEnvironment.needletail ?? "", "dashboard", "--api-url", "http://\(Self.nowhere)"],
                environment: Self.servers.merging(["TERM": name, "LC_ALL": "C.UTF-8"]) { $1 }, seconds: 60)
            #expect(piped.exitCode == 0)
            #expect(piped.output.contains("Kafka does not answer") && !piped.output.contains("\u{1B}"))
            let frames = piped.output.components(separatedBy: "not yet stored, by partition").count - 1
            #expect(frames == 1, "\(piped.output)")
        }
    }

    @Test func `without UTF-8 every character is ASCII`() throws {
        let terminal = try Self.start(["LC_ALL": "C"])
        #expect(terminal.waits { terminal.text.contains("+") && terminal.text.contains("Kafka does not answer") })
        terminal.type("q")
        #expect(terminal.waits { !terminal.isRunning })
        #expect(terminal.output.allSatisfy { $0 < 0x80 })
    }

    @Test func `a paste of a megabyte with an end inside opens and judges nothing, and keys work after it`() throws {
        let terminal = try Self.start()
        let paste = "abc\u{1B}[201~q\rq" + String(repeating: "qF\r", count: 340_000)
        #expect(terminal.typeAll("/\u{1B}[200~\(paste)\u{1B}[201~"))
        usleep(300_000)
        #expect(terminal.isRunning)
        terminal.type("\u{1B}")
        usleep(100_000)
        terminal.type("7")
        terminal.resize(101, 30)
        terminal.signal(SIGWINCH)
        #expect(terminal.waits { terminal.text.contains("logs, newest first") })
        terminal.type("q")
        #expect(terminal.waits { !terminal.isRunning })
        #expect(terminal.isCooked && terminal.text.contains("\u{1B}[?2004l"))
    }

    @Test(arguments: [
        "overview", "stream", "alerts", "entity", "model", "pipeline", "logs",
    ]) func `every screen is drawn with all servers down, and says so`(screen: String) throws {
        let terminal = try Self.start(more: ["--screen", screen])
        #expect(terminal.waits(seconds: 10) { terminal.text.contains("○") || screen == "logs" })
        terminal.type("q")
        #expect(terminal.waits { !terminal.isRunning })
        #expect(terminal.isCooked)
    }
}
