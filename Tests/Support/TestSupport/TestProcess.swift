public import Foundation
import Synchronization

/// A child process with its output in a file. It dies with the test process, however that ends: a small shell beside it waits
/// for the end of a pipe only we hold.
public final class TestProcess: Sendable {
    /// The process id, which is also its group's.
    public let pid: pid_t
    /// Its standard output and error.
    public let logPath: String
    private let guardian: Mutex<(Process, Pipe)>

    /// Starts a program.
    public init(_ arguments: [String], environment: [String: String] = [:], logPath: String, input: String? = nil)
        throws
    {
        let script = """
            exec 3<&0
            input=$1 log=$2; shift 2
            setsid "$@" <"$input" >>"$log" 2>&1 3<&- &
            child=$!
            echo $child
            read -r line <&3
            kill -KILL -$child 2>/dev/null
            """
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", script, "guardian", input ?? "/dev/null", logPath] + arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.currentDirectoryURL = URL(fileURLWithPath: TestEnvironment.packageRoot)
        let (control, output) = (Self.makePipe(), Self.makePipe())
        process.standardInput = control
        process.standardOutput = output
        try process.run()
        let line = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
        guard let pid = pid_t(line.trimmingCharacters(in: .whitespacesAndNewlines)) else {
            throw TestServerError("\(arguments[0]) did not start")
        }
        self.pid = pid
        self.logPath = logPath
        guardian = Mutex((process, control))
    }

    /// Whether it still runs.
    public var isRunning: Bool {
        guard let status = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
            let end = status.lastIndex(of: ")")
        else { return false }
        return !status[end...].hasPrefix(") Z")
    }

    /// Sends a signal to the process alone.
    public func signal(_ number: Int32) { _ = Glibc.kill(pid, number) }

    /// kill -9 of the process and what it started.
    public func killNow() {
        _ = Glibc.kill(-pid, SIGKILL)
        _ = TestEnvironment.waits(seconds: 10) { !isRunning }
    }

    /// TERM, and whether it ended in time.
    @discardableResult public func terminate(seconds: Double = 20, with number: Int32 = SIGTERM) -> Bool {
        signal(number)
        return waitUntilExit(seconds: seconds)
    }

    /// Waits for its end.
    public func waitUntilExit(seconds: Double) -> Bool { TestEnvironment.waits(seconds: seconds) { !isRunning } }

    /// What it has printed so far.
    public var log: String { (try? String(contentsOfFile: logPath, encoding: .utf8)) ?? "" }

    /// Keeps a shell that removes the folder when the test process is gone.
    static func removeAtExit(_ folder: String) -> Bool {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        // What still writes there is killed at the same moment: try a little longer.
        process.arguments = [
            "-c", "read -r line; for i in 1 2 3 4 5; do rm -rf \"$1\" && exit; sleep 1; done", "remover", folder,
        ]
        let control = makePipe()
        process.standardInput = control
        guard (try? process.run()) != nil else { return false }
        removers.withLock { $0.append((process, control)) }
        return true
    }

    /// A pipe no child inherits: a forgotten write end somewhere would keep the guardians waiting for ever.
    static func makePipe() -> Pipe {
        let pipe = Pipe()
        for end in [pipe.fileHandleForReading, pipe.fileHandleForWriting] {
            _ = fcntl(end.fileDescriptor, F_SETFD, FD_CLOEXEC)
        }
        return pipe
    }

    private static let removers = Mutex<[(Process, Pipe)]>([])
}

/// A command that runs and ends.
public enum TestCommand {
    /// Runs a program to its end; standard output and error together, and the exit code.
    public static func run(
        _ arguments: [String], environment: [String: String] = [:], input: Data? = nil, seconds: Double = 300
    ) throws -> (output: String, exitCode: Int32) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: arguments[0])
        process.arguments = Array(arguments.dropFirst())
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.currentDirectoryURL = URL(fileURLWithPath: TestEnvironment.packageRoot)
        let (output, stdin) = (TestProcess.makePipe(), TestProcess.makePipe())
        process.standardOutput = output
        process.standardError = output
        process.standardInput = input == nil ? FileHandle.nullDevice : stdin
        try process.run()
        let deadline = DispatchWorkItem { process.terminate() }
        DispatchQueue.global().asyncAfter(deadline: .now() + seconds, execute: deadline)
        if let input {
            DispatchQueue.global().async {
                try? stdin.fileHandleForWriting.write(contentsOf: input)
                try? stdin.fileHandleForWriting.close()
            }
        }
        let data = output.fileHandleForReading.readDataToEndOfFile()
        let exitCode = process.exitCode()
        deadline.cancel()
        return (String(decoding: data, as: UTF8.self), exitCode)
    }
}

extension Process {
    /// Waits for the end: the exit code, or the signal's number. Foundation waits for a socket to close, which a server that was
    /// started at the same moment may have inherited and holds as long as it runs; the kernel knows better.
    public func exitCode() -> Int32 {
        var info = siginfo_t()
        while waitid(P_PID, id_t(processIdentifier), &info, WEXITED | WNOWAIT) != 0 {
            if errno == EINTR { continue }
            waitUntilExit()  // Foundation was quicker, and knows the status.
            return terminationStatus
        }
        return info._sifields._sigchld.si_status
    }
}
