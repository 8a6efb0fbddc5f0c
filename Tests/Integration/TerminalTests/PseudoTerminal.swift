import Foundation
import Glibc
import TestSupport

/// A program on a terminal of its own: we hold the other end.
final class PseudoTerminal {
    private(set) var master: Int32
    private let slave: Int32
    private let process = Process()
    private(set) var output: [UInt8] = []

    init(_ arguments: [String], columns: UInt16 = 100, rows: UInt16 = 30, environment: [String: String] = [:]) throws {
        // What grantpt, unlockpt and ptsname do; the Glibc module leaves them out.
        master = open("/dev/ptmx", O_RDWR | O_NOCTTY)
        var (isLocked, number): (Int32, Int32) = (0, 0)
        guard master >= 0, ioctl(master, 0x4004_5431 /* TIOCSPTLCK */, &isLocked) == 0,
            ioctl(master, 0x8004_5430 /* TIOCGPTN */, &number) == 0
        else { throw TestServerError("no pseudo terminal can be opened") }
        slave = open("/dev/pts/\(number)", O_RDWR | O_NOCTTY)
        _ = fcntl(master, F_SETFL, O_NONBLOCK)
        resize(columns, rows)
        process.executableURL = URL(fileURLWithPath: "/usr/bin/setsid")
        process.arguments = ["--ctty", "--wait"] + arguments
        process.environment = ProcessInfo.processInfo.environment
            .merging(["TERM": "xterm-256color", "LC_ALL": "C.UTF-8"]) { $1 }.merging(environment) { $1 }
        process.currentDirectoryURL = URL(fileURLWithPath: TestEnvironment.packageRoot)
        let handle = FileHandle(fileDescriptor: slave)
        process.standardInput = handle
        process.standardOutput = handle
        process.standardError = handle
        try process.start()
    }

    deinit {
        if process.isRunning { process.terminate() }
        closeMaster()
        close(slave)
    }

    /// The process that draws: setsid's child, or setsid itself where it did not fork.
    var pid: pid_t {
        let children =
            (try? String(
                contentsOfFile: "/proc/\(process.processIdentifier)/task/\(process.processIdentifier)/children",
                encoding: .utf8)) ?? ""
        return children.split(separator: " ").first.flatMap { pid_t($0) } ?? process.processIdentifier
    }

    var isRunning: Bool { process.isRunning }

    /// The letter of the process's state: R, S, T (stopped) …
    var state: Character? {
        guard let text = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
            let end = text.lastIndex(of: ")")
        else { return nil }
        return text[text.index(end, offsetBy: 2)]
    }

    /// Whether the terminal echoes and reads by line, as a shell leaves it.
    var isCooked: Bool {
        var modes = termios()
        tcgetattr(slave, &modes)
        return modes.c_lflag & UInt32(ECHO) != 0 && modes.c_lflag & UInt32(ICANON) != 0
    }

    func resize(_ columns: UInt16, _ rows: UInt16) {
        var size = winsize(ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
        _ = ioctl(master, UInt(TIOCSWINSZ), &size)
    }

    func type(_ text: String) { _ = Array(text.utf8).withUnsafeBytes { write(master, $0.baseAddress, $0.count) } }

    /// Types a long text at the pace at which it is read; false when it is not read any more.
    func typeAll(_ text: String) -> Bool {
        var rest = Array(text.utf8)[...]
        let deadline = Date(timeIntervalSinceNow: 20)
        while !rest.isEmpty, Date() < deadline {
            drain()
            let count = rest.withUnsafeBytes { write(master, $0.baseAddress, min($0.count, 2_048)) }
            if count > 0 { rest = rest.dropFirst(count) } else { usleep(500) }
        }
        return rest.isEmpty
    }

    func signal(_ number: Int32) { _ = kill(pid, number) }

    func closeMaster() {
        if master >= 0 { close(master) }
        master = -1
    }

    /// Takes what was written to the terminal since the call before.
    @discardableResult func drain() -> String {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        var new: [UInt8] = []
        while master >= 0 {
            let count = read(master, &buffer, buffer.count)
            guard count > 0 else { break }
            new += buffer[..<count]
        }
        output += new
        return String(decoding: new, as: UTF8.self)
    }

    /// Waits, draining, until the condition holds.
    func waits(seconds: Double = 5, until condition: () -> Bool) -> Bool {
        TestEnvironment.waits(seconds: seconds) {
            drain()
            return condition()
        }
    }

    var text: String { String(decoding: output, as: UTF8.self) }
}
