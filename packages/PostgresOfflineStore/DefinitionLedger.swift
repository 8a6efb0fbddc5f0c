public import PostgresClient

/// Definitions as they were applied once.
public struct StoredDefinitions: Hashable, Sendable {
    /// Its number; larger is later.
    public let id: Int64
    /// The hash over its sources and stream views.
    public let streamHash: String
    /// Its files.
    public let files: [DefinitionText]
    /// Who applied it, as user@host.
    public let appliedBy: String
    /// When, ms UTC.
    public let appliedMillis: Int64
}

/// One file of definitions.
public struct DefinitionText: Hashable, Sendable {
    /// Its name within the folder.
    public let name: String
    /// What is in it.
    public let text: String

    /// Describes a file.
    public init(name: String, text: String) { (self.name, self.text) = (name, text) }
}

/// Definitions that were put to work.
public struct DefinitionRollout: Hashable, Sendable {
    /// Its number; larger is later.
    public let id: Int64
    /// The set that was put to work.
    public let setID: Int64
    /// The set's hash over sources and stream views.
    public let streamHash: String
    /// The versions of the models that served with it, by service.
    public let champions: [String: Int64]
}

/// What became of a project's definitions: which were applied, and which were put to work, in order.
public struct DefinitionLedger {
    private let connection: PostgresConnection
    private let project: String

    /// Works on a connection. The tables are there after `migrate`.
    public init(_ connection: PostgresConnection, project: String) {
        (self.connection, self.project) = (connection, project)
    }

    /// The numbers of the sets that were applied before one, newest first.
    public func sets(before id: Int64, limit: Int = 50) throws -> [Int64] {
        let found = try connection.query(
            "SELECT id FROM definition_sets WHERE project = $1 AND id < $2::bigint ORDER BY id DESC LIMIT \(limit)",
            [.text(project), .integer(id)])
        return (0..<found.count).compactMap { found.integer($0, 0) }
    }

    /// The set that was applied last, or the one of a number; nil when there is none.
    public func set(_ id: Int64? = nil) throws -> StoredDefinitions? {
        let found = try connection.query(
            """
            SELECT id, stream_hash, applied_by, (extract(epoch FROM applied_at) * 1000)::bigint FROM definition_sets
            WHERE project = $1 AND id = coalesce($2::bigint, id) ORDER BY id DESC LIMIT 1
            """, [.text(project), id.map { .integer($0) } ?? .null])
        guard found.count == 1, let id = found.integer(0, 0) else { return nil }
        let files = try connection.query(
            "SELECT name, text FROM definition_files WHERE set_id = $1::bigint ORDER BY name", [.integer(id)])
        return StoredDefinitions(
            id: id, streamHash: found.text(0, 1) ?? "",
            files: (0..<files.count).map {
                DefinitionText(name: files.text($0, 0) ?? "", text: files.text($0, 1) ?? "")
            }, appliedBy: found.text(0, 2) ?? "", appliedMillis: found.integer(0, 3) ?? 0)
    }

    /// Notes a set as applied; its number.
    public func apply(
        _ files: [DefinitionText], streamHash: String, changes: [String], by who: String
    ) throws -> Int64 {
        try connection.transaction {
            let made = try connection.query(
                """
                INSERT INTO definition_sets (project, stream_hash, changes, applied_by) VALUES ($1, $2, $3, $4)
                RETURNING id
                """,
                [.text(project), .text(streamHash), .text(changes.joined(separator: "\n")), .text(who)])
            guard let id = made.integer(0, 0) else { throw PostgresError.unexpectedResult("a set without a number") }
            for file in files {
                try connection.query(
                    "INSERT INTO definition_files (set_id, name, text) VALUES ($1::bigint, $2, $3)",
                    [.integer(id), .text(file.name), .text(file.text)])
            }
            return id
        }
    }

    /// What was put to work last, newest first.
    public func rollouts(limit: Int = 20) throws -> [DefinitionRollout] {
        let found = try connection.query(
            """
            SELECT r.id, r.set_id, s.stream_hash, r.champions FROM definition_rollouts r
            JOIN definition_sets s ON s.id = r.set_id WHERE s.project = $1 ORDER BY r.id DESC LIMIT \(limit)
            """, [.text(project)])
        return (0..<found.count).map { row in
            let words = (found.text(row, 3) ?? "").split(separator: " ").map { $0.split(separator: "=") }
            return DefinitionRollout(
                id: found.integer(row, 0) ?? 0, setID: found.integer(row, 1) ?? 0,
                streamHash: found.text(row, 2) ?? "",
                champions: Dictionary(
                    words.compactMap { word in
                        word.count == 2 ? Int64(word[1]).map { (String(word[0]), $0) } : nil
                    }
                ) { first, _ in first })
        }
    }

    /// Puts a set to work.
    public func rollOut(_ setID: Int64, by who: String) throws {
        try connection.query(
            "INSERT INTO definition_rollouts (set_id, champions, rolled_out_by) VALUES ($1::bigint, '', $2)",
            [.integer(setID), .text(who)])
    }

    /// Notes which models serve with what was put to work last.
    public func note(champions: [String: Int64], of rollout: DefinitionRollout) throws {
        let words = champions.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
        try connection.query(
            "UPDATE definition_rollouts SET champions = $2 WHERE id = $1::bigint",
            [.integer(rollout.id), .text(words)])
    }
}
