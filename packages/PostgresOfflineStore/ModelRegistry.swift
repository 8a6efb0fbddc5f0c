public import PostgresClient

/// Models in Postgres; their files are in a folder, one folder a version. One connection, one thread. Every change of
/// an alias is one transaction that also writes history, so readers see the champion before or after it and never two
/// or none.
public final class ModelRegistry {
    /// The alias of the model that serves.
    public static let champion = "champion"
    /// The alias of the model that is compared with it and answers nobody.
    public static let challenger = "challenger"

    let connection: PostgresConnection
    /// The folder that models are kept in.
    public let modelsFolder: String

    /// Works on a connection. The tables are there after `features apply`.
    public init(_ connection: PostgresConnection, modelsFolder: String) {
        self.connection = connection
        self.modelsFolder = modelsFolder
    }

    /// The path of a registered model's directory.
    public func directory(of model: RegisteredModel) -> String { modelsFolder + "/" + model.folder }

    /// The next version of the sequence. A database that was lost begins at 1 again, so its folder may be taken already.
    public func nextVersion() throws -> Int64 {
        let result = try connection.execute("SELECT nextval('model_versions')")
        guard let version = result.integer(0, 0) else { throw PostgresError.unexpectedResult("nextval gave no number") }
        return version
    }

    /// Registers a model whose folder is written. A version that is registered already stays as it is, and false is returned.
    public func insert(_ entry: RegisteredModel) throws -> Bool {
        let result = try connection.query(
            """
            INSERT INTO models (version, service, definition_hash, folder, fingerprint, metrics, card)
            VALUES ($1::bigint, $2, $3, $4, $5, $6::jsonb, $7::jsonb) ON CONFLICT (version) DO NOTHING RETURNING version
            """,
            [
                .integer(entry.version), .text(entry.service), .text(entry.definitionHash), .text(entry.folder),
                .text(entry.fingerprint), .text(entry.metrics), .text(entry.card),
            ])
        return result.count == 1
    }

    /// The model of a version, or nil.
    public func model(version: Int64) throws -> RegisteredModel? {
        try models("WHERE m.version = $1::bigint", [.integer(version)], withCard: true).first
    }

    /// Every model without its card, newest first; of one service, or of all.
    public func models(of service: String? = nil) throws -> [RegisteredModel] {
        guard let service else { return try models("ORDER BY m.version DESC", []) }
        return try models("WHERE m.service = $1 ORDER BY m.version DESC", [.text(service)])
    }

    /// The model that serves, without its card, or nil; without a service the one that changed last.
    public func champion(of service: String? = nil) throws -> RegisteredModel? {
        try model(Self.champion, of: service, withCard: false)
    }

    /// The model of an alias, or nil; without a service the one that changed last.
    public func model(_ alias: String, of service: String?) throws -> RegisteredModel? {
        try model(alias, of: service, withCard: true)
    }

    private func model(_ alias: String, of service: String?, withCard: Bool) throws -> RegisteredModel? {
        let joined = "JOIN model_aliases a ON a.version = m.version AND a.alias = $1"
        guard let service else {
            let last = "\(joined) ORDER BY a.changed_at DESC LIMIT 1"
            return try models(last, [.text(alias)], withCard: withCard).first
        }
        return try models("\(joined) WHERE a.service = $2", [.text(alias), .text(service)], withCard: withCard).first
    }

    /// A card is the largest part of a row, and read by few.
    private func models(
        _ rest: String, _ parameters: [PostgresValue], withCard: Bool = false
    ) throws -> [RegisteredModel] {
        let card = withCard ? "m.card::text" : "NULL"
        let result = try connection.query(
            """
            SELECT m.version, m.service, m.definition_hash, m.folder, m.fingerprint, m.metrics::text, \(card),
                   (extract(epoch FROM m.registered_at) * 1000)::bigint, m.archived_at IS NOT NULL,
                   m.deleted_at IS NOT NULL FROM models m \(rest)
            """, parameters)
        return (0..<result.count).map { row in
            var model = RegisteredModel(
                version: result.integer(row, 0) ?? 0, service: result.text(row, 1) ?? "",
                definitionHash: result.text(row, 2) ?? "", folder: result.text(row, 3) ?? "",
                fingerprint: result.text(row, 4) ?? "", metrics: result.text(row, 5) ?? "null",
                card: result.text(row, 6) ?? "null")
            model.registeredMillis = result.integer(row, 7) ?? 0
            (model.isArchived, model.isDeleted) = (result.boolean(row, 8) ?? false, result.boolean(row, 9) ?? false)
            return model
        }
    }

    /// The models that have an alias, by it.
    public func aliases(of service: String) throws -> [String: Int64] {
        let found = try connection.query(
            "SELECT alias, version FROM model_aliases WHERE service = $1", [.text(service)])
        let pairs = (0..<found.count).map { (found.text($0, 0) ?? "", found.integer($0, 1) ?? 0) }
        return Dictionary(pairs, uniquingKeysWith: { first, _ in first })
    }

    /// The changes of a service's models, oldest first; of one alias, or all.
    public func history(of service: String, alias: String? = nil) throws -> [ModelChange] {
        let result = try connection.query(
            """
            SELECT action, alias, version, previous, actor, reason, approved_by, is_forced,
                   (extract(epoch FROM changed_at) * 1000)::bigint FROM model_history
            WHERE service = $1 AND ($2::text IS NULL OR alias = $2) ORDER BY id
            """, [.text(service), alias.map { .text($0) } ?? .null])
        return (0..<result.count).map { row in
            ModelChange(
                action: ModelChange.Action(rawValue: result.text(row, 0) ?? "") ?? .promote,
                alias: result.text(row, 1), version: result.integer(row, 2), previous: result.integer(row, 3),
                note: ChangeNote(
                    actor: result.text(row, 4) ?? "", reason: result.text(row, 5) ?? "", approver: result.text(row, 6),
                    isForced: result.boolean(row, 7) ?? false),
                changedMillis: result.integer(row, 8) ?? 0)
        }
    }

    /// Keeps a comparison of recent rows with the model's reference.
    public func store(_ drift: DriftEntry, of model: RegisteredModel) throws {
        try connection.query(
            """
            INSERT INTO drift_reports (service, version, from_timestamp, to_timestamp, row_count, is_drifted, report)
            VALUES ($1, $2::bigint, to_timestamp($3::bigint / 1000.0), to_timestamp($4::bigint / 1000.0), $5::bigint,
                    $6::boolean, $7::jsonb)
            """,
            [
                .text(model.service), .integer(model.version), .integer(drift.fromMillis), .integer(drift.toMillis),
                .integer(Int64(drift.rows)), .boolean(drift.isDrifted), .text(drift.report),
            ])
    }
}
