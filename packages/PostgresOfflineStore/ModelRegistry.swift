public import PostgresClient

/// One registered model.
public struct RegisteredModel: Hashable, Sendable {
    /// Its version.
    public let version: Int64
    /// The service it scores.
    public let service: String
    /// The definitions it was trained on.
    public let definitionHash: String
    /// Its folder, below the models folder.
    public let folder: String
    /// A hash of the rows it was made from.
    public let fingerprint: String
    /// What was measured on its holdout, as JSON.
    public let metrics: String
    /// When it was registered, ms UTC.
    public let registeredMillis: Int64

    /// The name predictions carry.
    public var name: String { String(version) }

    /// Describes a registered model.
    public init(
        version: Int64, service: String, definitionHash: String, folder: String, fingerprint: String, metrics: String,
        registeredMillis: Int64
    ) {
        self.version = version
        self.service = service
        self.definitionHash = definitionHash
        self.folder = folder
        self.fingerprint = fingerprint
        self.metrics = metrics
        self.registeredMillis = registeredMillis
    }
}

/// What is written about a model when it is registered.
public struct ModelEntry: Hashable, Sendable {
    /// Its version, from `newVersion`.
    public var version: Int64
    /// The service it scores.
    public var service: String
    /// The definitions it was trained on.
    public var definitionHash: String
    /// Its folder, below the models folder.
    public var folder: String
    /// A hash of the rows it was made from.
    public var fingerprint: String
    /// What was measured on its holdout, as JSON.
    public var metrics: String
    /// Its `needletail.json` without the reference distributions, as JSON.
    public var card: String

    /// Describes a model.
    public init(
        version: Int64, service: String, definitionHash: String, folder: String, fingerprint: String, metrics: String,
        card: String
    ) {
        self.version = version
        self.service = service
        self.definitionHash = definitionHash
        self.folder = folder
        self.fingerprint = fingerprint
        self.metrics = metrics
        self.card = card
    }
}

/// One comparison of recent rows with a model's reference.
public struct DriftEntry: Hashable, Sendable {
    /// Event times of the recent rows, ms UTC.
    public var fromMillis: Int64, toMillis: Int64
    /// How many they are.
    public var rows: Int
    /// What was decided.
    public var isDrifted: Bool
    /// All figures, as JSON.
    public var report: String

    /// Describes a comparison.
    public init(fromMillis: Int64, toMillis: Int64, rows: Int, isDrifted: Bool, report: String) {
        self.fromMillis = fromMillis
        self.toMillis = toMillis
        self.rows = rows
        self.isDrifted = isDrifted
        self.report = report
    }
}

/// One change of the champion.
public struct Promotion: Hashable, Sendable {
    /// The version that became champion, and the one before it.
    public let version: Int64, previous: Int64?
    /// Why.
    public let reason: String
    /// When, ms UTC.
    public let changedMillis: Int64
}

/// Another model became champion in the meantime, so the comparison that was made does not count.
public struct ChampionChanged: Error, Hashable, Sendable, CustomStringConvertible {
    /// The champion now.
    public let champion: Int64?

    /// Names the champion now.
    public init(champion: Int64?) { self.champion = champion }

    public var description: String { "another model became champion meanwhile: \(champion.map(String.init) ?? "none")" }
}

/// Models in Postgres; their files are in a folder, one folder a version. One connection, one thread. Every change of an alias is one transaction that also
/// writes history, so readers see the champion before or after it and never two or none.
public final class ModelRegistry {
    /// The alias of the model that serves.
    public static let champion = "champion"

    private let connection: PostgresConnection
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
    public func insert(_ entry: ModelEntry) throws -> Bool {
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
        try models("WHERE m.version = $1::bigint", [.integer(version)]).first
    }

    /// Every model, newest first; of one service, or of all.
    public func models(of service: String? = nil) throws -> [RegisteredModel] {
        guard let service else { return try models("ORDER BY m.version DESC", []) }
        return try models("WHERE m.service = $1 ORDER BY m.version DESC", [.text(service)])
    }

    /// The model that serves, or nil; without a service the one that changed last.
    public func champion(of service: String? = nil) throws -> RegisteredModel? {
        let joined = "JOIN model_aliases a ON a.version = m.version AND a.alias = '\(Self.champion)'"
        guard let service else { return try models("\(joined) ORDER BY a.changed_at DESC LIMIT 1", []).first }
        return try models("\(joined) WHERE a.service = $1", [.text(service)]).first
    }

    private func models(_ rest: String, _ parameters: [PostgresValue]) throws -> [RegisteredModel] {
        let result = try connection.query(
            """
            SELECT m.version, m.service, m.definition_hash, m.folder, m.metrics::text,
                   (extract(epoch FROM m.registered_at) * 1000)::bigint, m.fingerprint FROM models m \(rest)
            """, parameters)
        return (0..<result.count).map { row in
            RegisteredModel(
                version: result.integer(row, 0) ?? 0, service: result.text(row, 1) ?? "",
                definitionHash: result.text(row, 2) ?? "", folder: result.text(row, 3) ?? "",
                fingerprint: result.text(row, 6) ?? "", metrics: result.text(row, 4) ?? "null",
                registeredMillis: result.integer(row, 5) ?? 0)
        }
    }

    /// Makes a version the champion of its service. With `replacing` only if the champion is still that one (nil: none), the one it
    /// was compared with.
    public func promote(_ model: RegisteredModel, reason: String, replacing expected: Int64?? = nil) throws {
        try connection.transaction {
            // Promotions of a service come one after the other, the first one too, when there is no row to lock yet.
            try connection.query("SELECT pg_advisory_xact_lock(hashtext('champion ' || $1))", [.text(model.service)])
            let before = try connection.query(
                "SELECT version FROM model_aliases WHERE service = $1 AND alias = $2",
                [.text(model.service), .text(Self.champion)])
            let previous = before.count == 0 ? nil : before.integer(0, 0)
            if let expected, expected != previous { throw ChampionChanged(champion: previous) }
            try connection.query(
                """
                INSERT INTO model_aliases (service, alias, version, changed_at)
                VALUES ($1, $2, $3::bigint, clock_timestamp())
                ON CONFLICT (service, alias) DO UPDATE SET version = excluded.version, changed_at = excluded.changed_at
                """, [.text(model.service), .text(Self.champion), .integer(model.version)])
            try connection.query(
                """
                INSERT INTO model_history (service, alias, version, previous, reason, changed_at)
                VALUES ($1, $2, $3::bigint, $4::bigint, $5, clock_timestamp())
                """,
                [
                    .text(model.service), .text(Self.champion), .integer(model.version),
                    previous.map { .integer($0) } ?? .null, .text(reason),
                ])
        }
    }

    /// The changes of a service's champion, oldest first.
    public func history(of service: String) throws -> [Promotion] {
        let result = try connection.query(
            """
            SELECT version, previous, reason, (extract(epoch FROM changed_at) * 1000)::bigint FROM model_history
            WHERE service = $1 AND alias = $2 ORDER BY id
            """, [.text(service), .text(Self.champion)])
        return (0..<result.count).map { row in
            Promotion(
                version: result.integer(row, 0) ?? 0, previous: result.integer(row, 1),
                reason: result.text(row, 2) ?? "", changedMillis: result.integer(row, 3) ?? 0)
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
