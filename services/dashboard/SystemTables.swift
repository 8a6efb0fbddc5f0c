import FeatureEngine
import TerminalUI

/// The tables of the model, the pipeline and the logs.
extension DashboardModel {
    package var modelTables: [Table] {
        var file = ModelFile()
        if let known = answers[.model], case .model(let model) = known.answer { file = model }
        let stale = isStale(.model)
        let names = ["AP", "ROC", "P", "R"]
        let versions = Table(
            .models, "models",
            [TableColumn("version", 7), TableColumn("role", 10), TableColumn("service", 10, grows: true, rank: 1)]
                + names.map { TableColumn($0, 6, right: true) } + [TableColumn.time("registered", rank: 2)],
            differenceRow(file, names)
                + file.versions.map { version in
                    let metrics = names.map { name in version.metrics.first { $0.name == name }?.value ?? .nan }
                    return TableRow(
                        ByteString(version.version),
                        [version.version, role(version), version.service] + metrics.map { decimal($0, 3) }
                            + [clock(version.registeredMillis)],
                        numbers: [0: Double(version.version) ?? .nan, 3: metrics[0], 4: metrics[1]],
                        style: version.aliases.isEmpty ? .plain : Style(bold: true))
                }, remark: remark(.model, "none is registered"), isStale: stale)
        let drift = Table(
            .drift, "drift\(file.driftMillis.map { " of \(clock($0, characters: 16))" } ?? "")",
            [
                TableColumn("feature", 16, grows: true), TableColumn("PSI", 7, right: true),
                TableColumn("KS", 6, right: true), TableColumn("missing", 8, right: true, rank: 1), TableColumn("", 7),
            ],
            file.drift.map { line in
                TableRow(
                    ByteString(line.name),
                    [
                        line.name, decimal(line.stability ?? .nan, 3), decimal(line.distance ?? .nan, 3),
                        line.missing.map { "\(decimal($0 * 100, 1)) %" } ?? unknownFigure,
                        line.isDrifted ? "drifted" : "",
                    ], numbers: [1: line.stability ?? .nan, 2: line.distance ?? .nan, 3: line.missing ?? .nan],
                    style: line.isDrifted ? Style(.yellow, bold: true) : .plain)
            }, remark: remark(.model, "no report yet"), isStale: stale)
        let promotions = Table(
            .promotions, "promotions",
            [
                TableColumn.time("when"), TableColumn("to", 6), TableColumn("from", 6),
                TableColumn("why", 12, grows: true),
            ],
            file.promotions.enumerated().map { index, line in
                TableRow(
                    ByteString("\(index)"), [clock(line.timeMillis), line.version, line.previous, line.reason],
                    numbers: [0: Double(line.timeMillis)])
            }, remark: remark(.model, "none yet"), isStale: stale)
        return [versions, drift, scoresTable(file), promotions]
    }

    /// How much the challenger's metrics are above the champion's, each on its own holdout: for every service that has both.
    private func differenceRow(_ file: ModelFile, _ names: [String]) -> [TableRow] {
        let services = Set(file.versions.map(\.service)).sorted { ByteString($0) < ByteString($1) }
        return services.compactMap { service in
            func model(_ alias: String) -> ModelVersion? {
                file.versions.first { $0.service == service && $0.aliases.contains(alias) }
            }
            guard let champion = model("champion"), let challenger = model("challenger") else { return nil }
            let differences = names.map { name -> Double in
                func value(_ version: ModelVersion) -> Double {
                    version.metrics.first { $0.name == name }?.value ?? .nan
                }
                return value(challenger) - value(champion)
            }
            return TableRow(
                ByteString("difference of \(service)"),
                ["\(challenger.version)-\(champion.version)", "difference", service]
                    + differences.map { ($0 > 0 ? "+" : "") + decimal($0, 3) } + [""],
                numbers: [3: differences[0], 4: differences[1]], style: Style(.cyan))
        }
    }

    private func role(_ version: ModelVersion) -> String {
        if case .value(let served)? = newest?.served, served.version == version.version {
            return version.aliases.isEmpty ? "answers" : "\(version.aliases.joined(separator: ", ")) *"
        }
        return version.aliases.joined(separator: ", ")
    }

    private func scoresTable(_ file: ModelFile) -> Table {
        let largest = Double(max(1, scoreCounts.max() ?? 1))
        return Table(
            .scores, "scores since start, verdicts",
            [
                TableColumn("score", 9), TableColumn("answers", 9, right: true), TableColumn("", 12, rank: 1),
                TableColumn("fraud", 7, right: true), TableColumn("legitimate", 10, right: true),
            ],
            (0..<10).map { tenth in
                let verdicts = file.verdicts[tenth]
                return TableRow(
                    ByteString("\(tenth)"),
                    [
                        "\(decimal(Double(tenth) / 10, 1)) – \(decimal(Double(tenth + 1) / 10, 1))",
                        count(Double(scoreCounts[tenth])), bar(Double(scoreCounts[tenth]) / largest, 12),
                        verdicts.map { count(Double($0.frauds)) } ?? "",
                        verdicts.map { count(Double($0.legitimates)) } ?? "",
                    ], numbers: [1: Double(scoreCounts[tenth])])
            })
    }

    package var pipelineTables: [Table] {
        var file = PipelineFile()
        if let known = answers[.pipeline], case .pipeline(let pipeline) = known.answer { file = pipeline }
        let stale = isStale(.pipeline)
        var lags: [String: Int64] = [:]
        if case .value(let known)? = newest?.lags {
            for lag in known { if let records = lag.records { lags["\(lag.topic)/\(lag.partition)"] = records } }
        }
        let now = newest?.timeMillis ?? 0
        let partitions = Table(
            .partitions, "partitions",
            [
                TableColumn("partition", 16, grows: true), TableColumn("log end", 11, right: true, rank: 2),
                TableColumn("stored", 11, right: true), TableColumn("lag", 8, right: true),
                TableColumn("rate", 8, right: true), TableColumn("dup", 6, right: true, rank: 3),
                TableColumn("gaps", 5, right: true, rank: 4), TableColumn("age", 6, right: true, rank: 1),
                TableColumn("owner", 14, least: 8, rank: 1), TableColumn("epoch", 5, right: true, rank: 5),
            ],
            file.partitions.map { line in
                let name = "\(line.topic)/\(line.partition)"
                let lag = lags[name]
                let end = lag.flatMap { lag in
                    let (end, overflow) = line.next.addingReportingOverflow(lag)
                    return overflow ? nil : end
                }
                let age = Double(max(0, now &- line.updatedMillis)) / 1_000
                return TableRow(
                    ByteString(name),
                    [
                        name, end.map { count(Double($0)) } ?? "?", count(Double(line.next)),
                        lag.map { count(Double($0)) } ?? "?", rate(partitionRates.rate(name)),
                        count(Double(line.duplicates)), count(Double(line.gaps)), duration(age), line.owner,
                        "\(line.epoch)",
                    ],
                    numbers: [
                        1: end.map(Double.init) ?? .nan, 2: Double(line.next), 3: lag.map(Double.init) ?? .nan,
                        4: partitionRates.rate(name) ?? .nan, 5: Double(line.duplicates), 6: Double(line.gaps), 7: age,
                    ], style: (lag ?? 0) > 1_000 ? Style(.yellow) : .plain)
            }, remark: remark(.pipeline, "nothing was ever stored"), isStale: stale)
        let letters = Table(
            .letters, "dead letters, newest first",
            [
                TableColumn.time("refused"), TableColumn("place", 20, least: 12, rank: 1),
                TableColumn("reason", 16, grows: true), TableColumn("record", 16, grows: true, rank: 2),
            ],
            file.letters.map { line in
                let place = "\(line.topic)/\(line.partition)@\(line.offset)"
                return TableRow(
                    ByteString(place),
                    [clock(line.createdMillis), place, columns.shown(line.reason), columns.shownRecord(line.value)],
                    numbers: [0: Double(line.createdMillis)])
            }, remark: remark(.pipeline, "none"), isStale: stale)
        return [partitions, letters, partsTable(file)]
    }

    private func partsTable(_ file: PipelineFile) -> Table {
        let parts = (newest?.parts ?? []).map { part -> TableRow in
            let (state, style): (String, Style) =
                switch part.state {
                case .up: ("up", .plain)
                case .unknown: ("not asked", label)
                case .down(let reason): ("down: \(reason)", Style(.red))
                }
            let last = lastUp[part.name].map { clock($0) } ?? "never"
            return TableRow(ByteString(part.name), [part.name, last, state], style: style)
        }
        return Table(
            .parts, "servers and schedule\(file.waitingVerdicts > 0 ? ", \(file.waitingVerdicts) verdicts wait" : "")",
            [
                TableColumn("part", 12), TableColumn.time("last answer"), TableColumn("state", 10, grows: true),
            ], parts + jobRows, remark: "asking every part …")
    }

    /// The schedule's jobs: when the last run was, and how they stand.
    private var jobRows: [TableRow] {
        let now = newest?.timeMillis ?? 0
        switch newest?.jobs ?? .unknown {
        case .unknown:
            guard newest != nil else { return [] }
            return [TableRow("schedule", ["schedule", "", "does not answer; cron may run its jobs"], style: label)]
        case .none: return [TableRow("schedule", ["schedule", "", "its crontab has no job"], style: label)]
        case .value(let jobs):
            return jobs.map { job in
                let last = [job.successMillis, job.failureMillis].compactMap { $0 }.max()
                var words = [job.isRunning ? "runs" : last == nil ? "waits" : job.hasFailed ? "failed" : "done"]
                if let seconds = job.seconds, last != nil { words.append("took \(duration(seconds))") }
                if let next = job.nextMillis {
                    words.append("next in \(duration((Double(max(0, next &- now)) / 1_000).rounded()))")
                }
                for (name, figure) in [("done", job.succeeded), ("failed", job.failed), ("skipped", job.skipped)] {
                    if let figure, figure > 0 { words.append("\(count(figure)) \(name)") }
                }
                return TableRow(
                    ByteString("job \(job.name)"),
                    [job.name, last.map { clock($0) } ?? "never", words.joined(separator: ", ")],
                    style: job.isRunning ? Style(.cyan) : job.hasFailed ? Style(.red) : .plain)
            }
        }
    }

    package var logTable: Table {
        var lines: [LogLine] = []
        if let known = answers[.logs], case .logs(let read) = known.answer { lines = read }
        return Table(
            .logs, "logs, newest first",
            [
                TableColumn.time("time"), TableColumn("level", 7), TableColumn("service", 12, least: 9),
                TableColumn("message", 18, grows: true), TableColumn("fields", 12, grows: true, rank: 1),
            ],
            lines.map { line in
                let style: Style =
                    line.level == "error" ? Style(.red) : line.level == "warning" ? Style(.yellow) : .plain
                let time = String(line.time.prefix(19)).replacing("T", with: " ")
                return TableRow(
                    ByteString(line.id),
                    [time, line.level, line.service, columns.shown(line.message), columns.shown(line.fields)],
                    style: style)
            }, remark: remark(.logs, "no line in the logs"), isStale: isStale(.logs))
    }
}
