import Foundation
import Observability
import ServiceRuntime
import Synchronization

/// Other commands of this program, run to their end: a rollout is made of them.
struct ChildCommand: Sendable {
    /// Its variables: those of this command, with what its flags said.
    let environment: [String: String]
    let runtime: ServiceRuntime

    init(_ settings: Settings, _ runtime: ServiceRuntime) {
        environment = settings.environment.merging(["NEEDLETAIL_ENV_FILE": ""]) { $1 }
        self.runtime = runtime
    }

    /// Whether a child may still be told to stop: its number may be another process's afterwards.
    private final class Running: Sendable {
        let flag = Mutex(true)
    }

    /// Runs a command; what it logs goes on to standard error, what it prints is returned. Throws when it does not end with one of
    /// `codes`.
    func run(_ words: [String], codes: Set<Int32> = [0]) throws -> (output: String, code: Int32) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/proc/\(ProcessInfo.processInfo.processIdentifier)/exe")
            .resolvingSymlinksInPath()
        process.arguments = words
        process.environment = environment
        let output = Pipe()
        process.standardOutput = output
        process.standardInput = FileHandle.nullDevice
        guard !runtime.isStopping else { throw runtime.stopped("`needletail \(words[0])` was not begun") }
        try process.run()
        let id = process.processIdentifier
        let running = Running()
        runtime.onStop { running.flag.withLock { if $0 { kill(id, SIGTERM) } } }
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        running.flag.withLock { $0 = false }
        let code = process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus
        guard codes.contains(code) else {
            let name = words.prefix { !$0.hasPrefix("-") }.joined(separator: " ")
            if runtime.isInterrupted {
                throw runtime.stopped("`needletail \(name)` was cut off; the same command begins anew")
            }
            throw CommandError(
                ExitCode(rawValue: code) ?? .software,
                "`needletail \(name)` ended with \(code); mend what it says, and the same command begins anew."
            )
        }
        return (String(decoding: data, as: UTF8.self), code)
    }
}
