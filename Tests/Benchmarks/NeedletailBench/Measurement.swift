import Foundation
import Glibc

/// What a piece of work cost: wall clock, and processor time of the process that did it.
struct Cost {
    var wallSeconds: Double
    var cpuSeconds: Double
    var peakMebibytes: Double = 0
}

/// Figures of several rounds.
struct Rounds {
    let values: [Double]

    var median: Double {
        let sorted = values.sorted()
        guard !sorted.isEmpty else { return .nan }
        return sorted.count % 2 == 1
            ? sorted[sorted.count / 2] : (sorted[sorted.count / 2 - 1] + sorted[sorted.count / 2]) / 2
    }

    /// Largest over smallest: how noisy the machine was.
    var spread: Double { (values.max() ?? .nan) / (values.min() ?? .nan) }
}

enum Measurement {
    /// Runs a program to its end; throws unless it leaves with 0.
    static func run(_ arguments: [String], environment: [String: String]) throws -> Cost {
        let log = FileManager.default.temporaryDirectory.appendingPathComponent("needletail-bench-\(getpid()).log")
        try Data().write(to: log)
        let output = try FileHandle(forWritingTo: log)
        defer { try? output.close() }
        let merged = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        var words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        var variables: [UnsafeMutablePointer<CChar>?] = merged.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for pointer in words + variables { free(pointer) } }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, output.fileDescriptor, STDOUT_FILENO)
        posix_spawn_file_actions_adddup2(&actions, output.fileDescriptor, STDERR_FILENO)
        var pid: pid_t = 0
        let started = now()
        guard posix_spawnp(&pid, arguments[0], &actions, nil, &words, &variables) == 0 else {
            throw BenchError("\(arguments[0]) cannot be started")
        }
        var status: Int32 = 0
        var usage = rusage()
        wait4(pid, &status, 0, &usage)
        let wall = now() - started
        guard status == 0 else {
            let text = (try? String(contentsOf: log, encoding: .utf8)) ?? ""
            throw BenchError("\(arguments.joined(separator: " ")) failed:\n\(text.suffix(2_000))")
        }
        return Cost(
            wallSeconds: wall, cpuSeconds: seconds(usage.ru_utime) + seconds(usage.ru_stime),
            peakMebibytes: Double(usage.ru_maxrss) / 1_024)
    }

    /// Runs work on this thread.
    static func here(_ body: () throws -> Void) rethrows -> Cost {
        let (wall, cpu) = (now(), now(CLOCK_THREAD_CPUTIME_ID))
        try body()
        return Cost(wallSeconds: now() - wall, cpuSeconds: now(CLOCK_THREAD_CPUTIME_ID) - cpu)
    }

    /// The text a program prints.
    static func output(_ arguments: [String]) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = arguments
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let data = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw BenchError("\(arguments.joined(separator: " ")) failed") }
        return String(decoding: data, as: UTF8.self)
    }

    /// Processor time that a running process has used, all its threads together.
    static func cpuSeconds(ofProcess pid: pid_t) -> Double {
        guard let text = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
            let end = text.lastIndex(of: ")")
        else { return .nan }
        let fields = text[end...].split(separator: " ")
        guard fields.count > 13, let user = Double(fields[12]), let system = Double(fields[13]) else { return .nan }
        return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    private static func now(_ clock: clockid_t = CLOCK_MONOTONIC) -> Double {
        var time = timespec()
        clock_gettime(clock, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    private static func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
}

struct BenchError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
