import Foundation
import Glibc
import TestSupport
import Testing

/// The real program on a real terminal, with no server running: what it draws is mostly "down", and that is enough here.
@Suite(
    .enabled(if: TestEnvironment.needletail != nil, "the needletail executable is not built"), .serialized,
    .timeLimit(.minutes(2)))
struct DashboardProcessTests {
    static let leave = "\u{1B}[?25h\u{1B}[?1049l"

    static func start(columns: UInt16 = 100, rows: UInt16 = 30) throws -> PseudoTerminal {
        let nowhere = "127.0.0.1:1"
        let terminal = try PseudoTerminal(
            [TestEnvironment.needletail ?? "", "dashboard", "--api-url", "http://\(nowhere)"], columns: columns,
            rows: rows,
            environment: [
                "KAFKA_BOOTSTRAP_SERVERS": nowhere, "REDIS_URL": "redis://\(nowhere)",
                "DATABASE_URL": "postgresql://needletail@\(nowhere)/needletail",
            ])
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

    @Test(arguments: ["q", "\u{3}", "\u{1B}"])
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
                return after.contains("consumer lag by partition") && after.contains("alerts")
            })
        terminal.type("q")
        #expect(terminal.waits { !terminal.isRunning })
    }

    @Test func `without a terminal, or on a dumb one, it points to --once`() throws {
        let dumb = try PseudoTerminal([TestEnvironment.needletail ?? "", "dashboard"], environment: ["TERM": "dumb"])
        #expect(dumb.waits { !dumb.isRunning })
        dumb.drain()
        #expect(dumb.text.contains("--once"))
        #expect(dumb.isCooked)
    }
}
