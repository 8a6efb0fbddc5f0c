import Glibc
package import Observability
package import ServiceRuntime

/// Runs the jobs of a crontab at their times, one run of a job at a time.
package struct ScheduleService: Service {
    let crontab: Crontab
    let environment: [String: String]
    /// How long a running job may take to stop before it is killed.
    var stopSeconds = 25

    package init(crontab: Crontab, environment: [String: String]) {
        self.crontab = crontab
        self.environment = environment
    }

    package func run(_ runtime: ServiceRuntime) async throws {
        await withDiscardingTaskGroup { group in
            for job in crontab.jobs {
                group.addTask { await follow(job, runtime) }
            }
            // Without a job it still runs: an empty crontab is no error.
            group.addTask { await runtime.untilStopped() }
        }
    }

    /// Waits for a job's times and runs it, until the program stops. What falls due during a run is left out and counted.
    private func follow(_ job: Crontab.Job, _ runtime: ServiceRuntime) async {
        let results = Results(job: job.name, metrics: runtime.metrics)
        var from = Self.nowSeconds()
        while let due = job.time.next(after: from) {
            results.next.set(Double(due))
            guard await wait(until: due, runtime) else { return }
            await runOnce(job, runtime, results)
            from = due
            let now = Self.nowSeconds()
            while let missed = job.time.next(after: from), missed <= now {
                from = missed
                results.skipped.add()
                runtime.log.warning("job left out: its last run took too long", ["job": job.name])
                // A run of days leaves out many times; the log needs one line.
                if let next = job.time.next(after: missed), next <= now { from = now }
            }
        }
        results.next.set(0)
        runtime.log.warning("job is never due", ["job": job.name, "line": job.line])
    }

    /// Runs a job now and logs how it went.
    package func runOnce(_ job: Crontab.Job, _ runtime: ServiceRuntime, _ results: Results) async {
        let process = JobProcess()
        let started = WallClock.monotonicNanos()
        runtime.log.info("job started", ["job": job.name])
        let figures = JobFigures()
        let variables = environment.merging([JobFigures.variable: figures.path]) { $1 }
            .merging(job.variables) { _, theirs in theirs }
        results.running.set(1)
        defer { results.running.set(0) }
        let onLine = Self.lineWriter(job.name, runtime.log)
        let ending = await withTaskGroup(of: JobProcess.Ending?.self) { group in
            group.addTask {
                try? await runtime.onThread("job") {
                    process.run(job.command, input: job.input, environment: variables, onLine: onLine)
                }
            }
            let reaper = Task {
                await runtime.untilStopped()
                guard runtime.isStopping else { return }
                process.signal(SIGTERM)
                try? await Task.sleep(for: .seconds(stopSeconds))
                if !Task.isCancelled { process.signal(SIGKILL) }
            }
            let ending = await group.next() ?? nil
            reaper.cancel()
            return ending ?? .notStarted("no thread")
        }
        let seconds = Double(WallClock.monotonicNanos() - started) / 1e9
        results.seconds.set(seconds)
        figures.publish(job: job.name, in: runtime.metrics)
        if ending.isSuccess {
            results.succeeded.add()
            results.lastSuccess.set(Double(Self.nowSeconds()))
            runtime.log.info("job finished", ["job": job.name, "seconds": seconds])
        } else {
            results.failed.add()
            results.lastFailure.set(Double(Self.nowSeconds()))
            runtime.log.error("job failed", ["job": job.name, "seconds": seconds, "reason": ending.text])
        }
    }

    /// In a JSON log what jobs print becomes lines of that log, so that its file holds nothing but JSON; a job's own log lines
    /// pass as they are. In a log for people, and on a terminal, jobs print for themselves.
    private static func lineWriter(_ job: String, _ log: Log) -> (@Sendable (String) -> Void)? {
        guard log.isJSON else { return nil }
        return { line in
            if line.hasPrefix("{\"ts\":"), line.hasSuffix("}") {
                log.pass(line)
            } else {
                log.info("job printed", ["job": job, "text": line])
            }
        }
    }

    /// False when the program stops first. The wall clock may step, so it is asked again at least once a minute.
    private func wait(until due: Int64, _ runtime: ServiceRuntime) async -> Bool {
        while true {
            let left = due * 1000 - WallClock.nowMillis()
            if left <= 0 { return !runtime.isStopping }
            guard await runtime.sleep(millis: Int(min(left, 60_000))) else { return false }
        }
    }

    static func nowSeconds() -> Int64 { WallClock.nowMillis() / 1000 }
}

/// The metrics of one job.
package struct Results: Sendable {
    package let succeeded: Counter
    package let failed: Counter
    let skipped: Counter
    let seconds: Gauge
    let lastSuccess: Gauge
    let lastFailure: Gauge
    /// 1 while it runs.
    let running: Gauge
    /// When it is due next, Unix time; 0 for never.
    let next: Gauge

    package init(job: String, metrics: MetricsRegistry) {
        func runs(_ result: String) -> Counter {
            metrics.counter(
                "needletail_schedule_runs_total", help: "Runs of scheduled jobs.",
                labels: ["job": job, "result": result])
        }
        succeeded = runs("success")
        failed = runs("failure")
        skipped = runs("skipped")
        seconds = metrics.gauge(
            "needletail_schedule_run_seconds", help: "How long the last run took.", labels: ["job": job])
        lastSuccess = metrics.gauge(
            "needletail_schedule_last_success_timestamp_seconds", help: "When a run last succeeded, Unix time.",
            labels: ["job": job])
        lastFailure = metrics.gauge(
            "needletail_schedule_last_failure_timestamp_seconds", help: "When a run last failed, Unix time.",
            labels: ["job": job])
        running = metrics.gauge(
            "needletail_schedule_running", help: "1 while the job runs.", labels: ["job": job])
        next = metrics.gauge(
            "needletail_schedule_next_timestamp_seconds", help: "When the job is due next, Unix time; 0 for never.",
            labels: ["job": job])
    }
}
