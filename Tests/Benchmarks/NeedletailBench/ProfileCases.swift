import Foundation
import Glibc
import TestSupport

/// Where a command's processor time goes: `needletail-bench --profile CASE...`.
///
/// Samples come from perf. Where the kernel does not let it, callgrind counts instructions instead: slower, of the program and
/// its libraries alone, and said so.
enum ProfileCases {
    static let names = ["serve", "serve-explain", "transform", "backfill"]

    /// How a run is watched.
    private enum Recorder {
        case perf, callgrind
    }

    /// What was recorded, and what it is to be divided by.
    private struct Recording {
        let path: String
        let recorder: Recorder
        let cpuSeconds: Double
        let count: Double
        let unit: String
    }

    static func run(_ names: [String], rows: Int) throws {
        let folder = try TestEnvironment.temporaryFolder("bench-profile")
        let recorder = try recorder(folder)
        if recorder == .callgrind {
            print(
                "perf may not sample here (kernel.perf_event_paranoid, or no linux-perf): callgrind counts instructions"
            )
        }
        let pipeline = try Pipeline(rows: recorder == .perf ? rows : min(rows, 20_000))
        if names.contains(where: { $0.hasPrefix("serve") }) { try ServingCases.prepare(pipeline) }
        for name in names {
            let path = folder + "/\(name).data"
            let recording =
                switch name {
                case "transform":
                    try command(
                        ["transform", "--exit-at-end"], pipeline.emptyStores(), pipeline, recorder, path, "event")
                case "backfill":
                    try command(
                        ["backfill", "--input", pipeline.csv, "--output", "/dev/null"], [:], pipeline, recorder, path,
                        "row")
                default: try serve(explains: name == "serve-explain", pipeline, recorder, folder, path)
                }
            try report(name, recording)
        }
    }

    /// perf if it is there and may sample a process of ours.
    private static func recorder(_ folder: String) throws -> Recorder {
        let trial = try? Measurement.run(
            ["perf", "record", "-q", "-e", "cpu-clock", "-o", folder + "/trial.data", "true"], environment: [:])
        return trial == nil ? .callgrind : .perf
    }

    private static func words(_ recorder: Recorder, _ path: String) -> [String] {
        switch recorder {
        case .perf: ["perf", "record", "-q", "-e", "cpu-clock", "-F", "2500", "-g", "-o", path]
        case .callgrind: ["valgrind", "--tool=callgrind", "--callgrind-out-file=\(path)"]
        }
    }

    private static func command(
        _ arguments: [String], _ environment: [String: String], _ pipeline: Pipeline, _ recorder: Recorder,
        _ path: String, _ unit: String
    ) throws -> Recording {
        let cost = try Measurement.run(
            words(recorder, path) + (recorder == .perf ? ["--"] : []) + [pipeline.needletail] + arguments,
            environment: pipeline.environment.merging(environment) { $1 })
        return Recording(
            path: path, recorder: recorder, cpuSeconds: cost.cpuSeconds, count: Double(pipeline.rows), unit: unit)
    }

    /// One loop under 16 connections of wrk, watched after a second of warming up.
    private static func serve(
        explains: Bool, _ pipeline: Pipeline, _ recorder: Recorder, _ folder: String, _ path: String
    ) throws -> Recording {
        let port = try TestEnvironment.freePort()
        let command = [pipeline.needletail, "serve", "--port", "\(port)", "--loops", "1"]
        let server = try TestProcess(
            (recorder == .perf ? [] : words(recorder, path)) + command, environment: pipeline.environment,
            logPath: folder + "/serve.log")
        defer { server.killNow() }
        let api = "http://127.0.0.1:\(port)"
        guard
            TestEnvironment.waits(
                seconds: 120, until: { (try? Measurement.output(["curl", "-fsS", api + "/health/ready"])) != nil })
        else { throw BenchError("the API is not ready:\n\(server.log.suffix(2_000))") }
        let script = try ServingCases.writeScript(pipeline, folder)
        let url = api + "/api/v1/predict" + (explains ? "" : "?explain=false")
        _ = try ServingCases.wrk(url, 16, 1, script)
        let watcher =
            recorder == .perf
            ? try TestProcess(words(recorder, path) + ["-p", "\(server.pid)"], logPath: folder + "/perf.log") : nil
        let before = Measurement.cpuSeconds(ofProcess: server.pid)
        let answered = try ServingCases.wrk(url, 16, 5, script).count
        let cpu = Measurement.cpuSeconds(ofProcess: server.pid) - before
        if let watcher {
            guard watcher.terminate(seconds: 60, with: SIGINT) else { throw BenchError("perf does not end") }
        } else if !server.terminate(seconds: 120) {
            throw BenchError("the API does not end")
        }
        return Recording(path: path, recorder: recorder, cpuSeconds: cpu, count: Double(answered), unit: "request")
    }

    private static func report(_ name: String, _ recording: Recording) throws {
        let micros = recording.cpuSeconds * 1e6 / max(1, recording.count)
        print(String(format: "\n%@: %.2f µs of processor time a %@", name, micros, recording.unit))
        guard recording.recorder == .perf else {
            let text = try Measurement.output(["callgrind_annotate", recording.path])
            return print(try demangled(text.split(separator: "\n").prefix(60).joined(separator: "\n")))
        }
        let tables = [
            ("by thread and library", "comm,dso", false, 14), ("by function", "sym", false, 40),
            ("by function, with what it calls", "sym", true, 70),
        ]
        for (title, keys, withCallees, count) in tables {
            print("  \(title)")
            let text = try Measurement.output(
                [
                    "perf", "report", "-i", recording.path, "--stdio", "-g", "none", "-s", keys, "-t", ";",
                    withCallees ? "--children" : "--no-children",
                ])
            let lines = try demangled(text).split(separator: "\n").filter { !$0.hasPrefix("#") }
            for line in lines.prefix(count) {
                let cells = line.split(separator: ";").map { $0.trimmingCharacters(in: .whitespaces) }
                guard let share = cells.first.flatMap({ Double($0.dropLast()) }) else { continue }
                let what = cells.dropFirst(withCallees ? 2 : 1).joined(separator: "  ").prefix(110)
                print(String(format: "    %6.2f %%  %7.3f µs  ", share, share / 100 * micros) + what)
            }
        }
    }

    /// Swift's symbols as they are written.
    private static func demangled(_ text: String) throws -> String {
        let path = try TestEnvironment.temporaryFolder("bench-symbols") + "/symbols"
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        return try Measurement.output(["sh", "-c", "swift demangle --simplified <\"$0\"", path])
    }
}
