import Foundation
import Observability
import Scheduler
import ServiceRuntime
import Synchronization
import TestSupport
import Testing

@Suite struct ScheduleServiceTests {
    private let environment = ["PATH": "/usr/bin:/bin", "GREETING": "hello"]

    private func run(_ line: String, _ runtime: ServiceRuntime) async throws -> Results {
        let crontab = try Crontab("NAME=world\n* * * * * " + line)
        let job = try #require(crontab.jobs.first)
        let results = Results(job: job.name, metrics: runtime.metrics)
        await ScheduleService(crontab: crontab, environment: environment).runOnce(job, runtime, results)
        return results
    }

    /// The process whose id a job writes to a file; nil when it does not in time.
    private func process(in file: String) async throws -> pid_t? {
        for _ in 0..<1_000 {
            let text = (try? String(contentsOfFile: file, encoding: .utf8)) ?? ""
            if text.hasSuffix("\n"), let id = pid_t(text.dropLast()) { return id }
            try await Task.sleep(for: .milliseconds(10))
        }
        return nil
    }

    @Test func `a job gets its input and variables, and its success is counted`() async throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "schedule-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: file) }
        let runtime = ServiceRuntime()
        let results = try await run("(cat; echo $GREETING $NAME) >\(file)%from the input", runtime)
        #expect(try String(contentsOfFile: file, encoding: .utf8) == "from the input\nhello world\n")
        #expect(results.succeeded.value == 1)
        #expect(results.failed.value == 0)
    }

    @Test func `what a job writes for it is a metric of that job, and nothing else is`() async throws {
        let runtime = ServiceRuntime()
        _ = try await run(
            #"(echo rows 12.5; echo "no number"; echo 'bad{name} 1'; echo; seq 100 | sed "s/.*/f& &/") > $JOB_METRICS; echo $JOB_METRICS > $JOB_METRICS.name; exit 65"#,
            runtime)
        let text = runtime.metrics.renderPrometheus()
        #expect(text.contains(#"figure="rows"} 12.5"#) && text.contains(#"figure="f63"} 63"#))
        #expect(!text.contains("f64\"") && !text.contains("bad"))
        #expect(text.split(separator: "\n").count { $0.hasPrefix("needletail_job_figure{job=\"") } == 64)
        let folder = FileManager.default.temporaryDirectory.path
        let notes = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".name") }
        for note in notes where note.hasPrefix("needletail-job-") {
            let file = try String(contentsOfFile: "\(folder)/\(note)", encoding: .utf8)
            #expect(!FileManager.default.fileExists(atPath: String(file.dropLast())))
            try FileManager.default.removeItem(atPath: "\(folder)/\(note)")
        }
    }

    @Test(arguments: ["exit 3", "kill -9 $$", "/no/such/program"])
    func `a job that fails is counted and named in the metrics`(line: String) async throws {
        let runtime = ServiceRuntime()
        let results = try await run(line, runtime)
        #expect(results.failed.value == 1)
        #expect(results.succeeded.value == 0)
        let page = runtime.metrics.renderPrometheus()
        #expect(page.contains("result=\"failure\"} 1"))
        func value(_ metric: String) -> Double? {
            page.split(separator: "\n").first { $0.hasPrefix("needletail_schedule_\(metric){") }
                .flatMap { $0.split(separator: " ").last }.flatMap { Double($0) }
        }
        #expect(value("last_failure_timestamp_seconds").map { $0 > 1_700_000_000 } == true)
        #expect(value("last_success_timestamp_seconds") == 0 && value("running") == 0)
    }

    @Test(.timeLimit(.minutes(1))) func `a job tells while it runs, and when it is due next`() async throws {
        let runtime = ServiceRuntime()
        let file = try TestEnvironment.temporaryFolder("schedule") + "/pid"
        async let results = run("sleep 600 & echo $! >\(file); wait", runtime)
        _ = try await process(in: file)
        #expect(runtime.metrics.renderPrometheus().contains("needletail_schedule_running{job=\"sleep\"} 1"))
        runtime.stop()
        _ = try await results
        let other = ServiceRuntime()
        let crontab = try Crontab("0 0 1 1 * true")
        async let ended: Void = ScheduleService(crontab: crontab, environment: environment).run(other)
        var next: Double?
        for _ in 0..<1_000 where next == nil {
            try await Task.sleep(for: .milliseconds(10))
            next = other.metrics.renderPrometheus().split(separator: "\n")
                .first { $0.hasPrefix("needletail_schedule_next_timestamp_seconds{") }
                .flatMap { $0.split(separator: " ").last }.flatMap { Double($0) }.flatMap { $0 > 0 ? $0 : nil }
        }
        // The next first of January at midnight, UTC.
        let date = try #require(next.map { Date(timeIntervalSince1970: $0) })
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = try #require(TimeZone(identifier: "UTC"))
        let parts = calendar.dateComponents([.month, .day, .hour, .minute], from: date)
        #expect([parts.month, parts.day, parts.hour, parts.minute] == [1, 1, 0, 0])
        other.stop()
        try await ended
    }

    @Test(.timeLimit(.minutes(1))) func `in a JSON log what a job prints are lines of that log`() async throws {
        let lines = Mutex<[String]>([])
        let log = Log(format: .json, nowMillis: { 0 }, write: { line in lines.withLock { $0.append(line) } })
        let file = try TestEnvironment.temporaryFolder("schedule") + "/pid"
        let own = #"{"ts":"2026-01-01T00:00:00.000Z","level":"info","message":"own"}"#
        _ = try await run(
            "echo plain; echo '\(own)'; printf 'last \\033[2J' >&2; sleep 300 & echo $! >\(file); exit 0",
            ServiceRuntime(log: log))
        let sleeper = try #require(try await process(in: file))
        defer { kill(sleeper, SIGKILL) }
        let printed = Array(lines.withLock { $0 }.dropFirst().dropLast())
        #expect(printed.count == 3)
        #expect(printed.first?.hasSuffix(#""text":"plain"}"#) == true)
        #expect(printed.dropFirst().first == own)
        #expect(printed.last?.hasSuffix(#""text":"last \u001b[2J"}"#) == true)
        #expect(printed.allSatisfy { $0.hasPrefix(#"{"ts":""#) })
    }

    @Test(.timeLimit(.minutes(1))) func `stopping ends a running job and all it started`() async throws {
        let runtime = ServiceRuntime()
        let file = try TestEnvironment.temporaryFolder("schedule") + "/pid"
        async let results = run("sleep 600 & echo $! >\(file); wait", runtime)
        let started = try await process(in: file)
        runtime.stop()
        #expect(try await results.failed.value == 1)
        let child = try #require(started)
        #expect(TestEnvironment.waits(seconds: 5) { !TestProcess.isRunning(child) })
    }

    @Test(.timeLimit(.minutes(1))) func `a stop that comes before the job has begun ends it, too`() async throws {
        let runtime = ServiceRuntime()
        runtime.stop()
        #expect(try await run("sleep 600 & wait", runtime).failed.value == 1)
    }
}
