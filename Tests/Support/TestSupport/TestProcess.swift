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
        try process.start()
        let line = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
        guard let pid = pid_t(line.trimmingCharacters(in: .whitespacesAndNewlines)) else {
            throw TestServerError("\(arguments[0]) did not start")
        }
        self.pid = pid
        self.logPath = logPath
        guardian = Mutex((process, control))
    }

    /// Whether it still runs.
    public var isRunning: Bool { Self.isRunning(pid) }

    /// Whether a process is there and has not ended.
    public static func isRunning(_ pid: pid_t) -> Bool {
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

    /// Has the folder removed when the test process is gone.
    static func removeAtExit(_ folder: String) {
        remover.withLock { remover in
            if remover == nil { remover = startRemover() }
            try? remover?.1.fileHandleForWriting.write(contentsOf: Data("\(folder)\n".utf8))
        }
    }

    /// A shell that reads folders, one a line, until the pipe only we hold ends, and then removes them.
    private static func startRemover() -> (Process, Pipe)? {
        // What still writes there is killed at the same moment: try a little longer.
        let script = """
            while IFS= read -r folder; do set -- "$@" "$folder"; done
            for i in 1 2 3 4 5; do rm -rf "$@" && exit; sleep 1; done
            """
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", script, "remover"]
        let control = makePipe()
        process.standardInput = control
        guard (try? process.start()) != nil else { return nil }
        return (process, control)
    }

    /// A pipe no child inherits: a forgotten write end somewhere would keep the guardians waiting for ever.
    static func makePipe() -> Pipe {
        let pipe = Pipe()
        for end in [pipe.fileHandleForReading, pipe.fileHandleForWriting] {
            _ = fcntl(end.fileDescriptor, F_SETFD, FD_CLOEXEC)
        }
        return pipe
    }

    private static let remover = Mutex<(Process, Pipe)?>(nil)
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
        try process.start()
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
    /// Runs it with no signal blocked. A child inherits the mask of the thread that starts it, and the threads on which tests run
    /// block nearly all signals: a program that sets no mask of its own would never hear TERM.
    public func start() throws {
        var none = sigset_t()
        var before = sigset_t()
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        try run()
    }

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
