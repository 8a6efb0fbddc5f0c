import FraudModel
import JSON
import PostgresClient
import PostgresOfflineStore

/// What the dashboard asks Postgres about models and partitions.
enum SystemQueries {
    static func model(_ connection: PostgresConnection) throws -> ModelFile {
        var file = ModelFile()
        let registry = ModelRegistry(connection, modelsFolder: "")
        let aliases = try connection.query("SELECT service, alias, version FROM model_aliases LIMIT 100")
        var names: [Int64: [String]] = [:]
        for row in 0..<aliases.count {
            guard let version = aliases.integer(row, 2) else { continue }
            names[version, default: []].append(aliases.text(row, 1) ?? "")
        }
        // Who has a role stands first, however many came after it.
        let all = try registry.models()
        let models = (all.filter { names[$0.version] != nil } + all.filter { names[$0.version] == nil }).prefix(50)
        file.versions = try models.map { model in
            let metrics = ModelMetrics(try JSONTree.parse(model.metrics))
            return ModelVersion(
                version: model.name, service: model.service,
                aliases: (names[model.version] ?? []).sorted(), registeredMillis: model.registeredMillis,
                metrics: DashboardQueries.figures(metrics))
        }
        for service in Set(models.map(\.service)).sorted() {
            file.promotions += try registry.history(of: service).suffix(50).map { change in
                PromotionLine(
                    timeMillis: change.changedMillis, version: change.version.map(String.init) ?? "",
                    previous: change.previous.map(String.init) ?? "",
                    reason: "\(change.action.rawValue): \(change.note.reason)")
            }
        }
        file.promotions.sort { $0.timeMillis > $1.timeMillis }
        let reports = try connection.query(
            """
            SELECT (extract(epoch FROM created_at) * 1000)::bigint, report::text FROM drift_reports
            ORDER BY created_at DESC LIMIT 1
            """)
        if reports.count == 1, let report = try? JSONTree.parse(reports.text(0, 1) ?? "") {
            file.driftMillis = reports.integer(0, 0)
            file.drift = drift(report)
        }
        file.verdicts = (try? CaseQueries.verdicts(connection)) ?? [:]
        return file
    }

    /// The entries of a report, the largest stability index first.
    static func drift(_ report: JSONTree) -> [DriftLine] {
        (report["entries"]?.array ?? []).prefix(500).compactMap { entry in
            guard let name = entry["name"]?.string else { return nil }
            return DriftLine(
                name: name, stability: entry["psi"]?.double, distance: entry["ks"]?.double,
                missing: entry["missing"]?.double, isDrifted: entry["drifted"]?.bool ?? false)
        }.sorted { ($0.stability ?? -1) > ($1.stability ?? -1) }
    }

    static func pipeline(_ connection: PostgresConnection) throws -> PipelineFile {
        var file = PipelineFile()
        let rows = try connection.query(
            """
            SELECT topic, partition, next_offset - base, owner, epoch, duplicates, gaps,
            (extract(epoch FROM updated_at) * 1000)::bigint FROM partition_state ORDER BY topic, partition LIMIT 1000
            """)
        file.partitions = (0..<rows.count).compactMap { row in
            guard
                let position = DashboardQueries.position(
                    topic: rows.text(row, 0), partition: rows.integer(row, 1), next: rows.integer(row, 2))
            else { return nil }
            return PartitionLine(
                topic: position.topic, partition: Int(position.partition), next: position.next,
                owner: rows.text(row, 3) ?? "", epoch: rows.integer(row, 4) ?? 0, duplicates: rows.integer(row, 5) ?? 0,
                gaps: rows.integer(row, 6) ?? 0, updatedMillis: rows.integer(row, 7) ?? 0)
        }
        let letters = try connection.query(
            """
            SELECT _topic, _partition, _offset, (extract(epoch FROM created) * 1000)::bigint, reason,
            encode(substr(value, 1, 200), 'hex') FROM dead_letters ORDER BY created DESC LIMIT 100
            """)
        file.letters = (0..<letters.count).map { row in
            LetterLine(
                topic: letters.text(row, 0) ?? "", partition: Int(letters.integer(row, 1) ?? 0),
                offset: letters.integer(row, 2) ?? 0, createdMillis: letters.integer(row, 3) ?? 0,
                reason: letters.text(row, 4) ?? "",
                value: String(decoding: Hexadecimal.bytes(letters.text(row, 5)) ?? [], as: UTF8.self))
        }
        let waiting = try? connection.query(
            """
            SELECT count(*) FROM (SELECT FROM label_outbox
            WHERE sent_at IS NULL AND cancelled_at IS NULL AND due_at <= now() LIMIT 1000) w
            """)
        file.waitingVerdicts = Int(waiting?.integer(0, 0) ?? 0)
        return file
    }
}
