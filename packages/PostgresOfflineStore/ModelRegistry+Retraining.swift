internal import PostgresClient

/// What was decided about training again, and by whom one at a time.
extension ModelRegistry {
    /// Takes the lock of training a service again, for as long as the connection is open; false where another process has it.
    public func lockRetraining(of service: String) throws -> Bool {
        let result = try connection.query("SELECT pg_try_advisory_lock(hashtext('retrain ' || $1))", [.text(service)])
        return result.boolean(0, 0) ?? false
    }

    /// Keeps what was decided about training again.
    public func record(_ decision: RetrainDecision) throws {
        try connection.query(
            """
            INSERT INTO retrain_decisions (service, champion, decision, version, fingerprint, reason)
            VALUES ($1, $2::bigint, $3, $4::bigint, $5, $6)
            """,
            [
                .text(decision.service), decision.champion.map { .integer($0) } ?? .null, .text(decision.decision),
                decision.version.map { .integer($0) } ?? .null, decision.fingerprint.map { .text($0) } ?? .null,
                .text(decision.reason),
            ])
    }

    /// What became of training on the rows of a fingerprint to replace this champion, last time; nil where nobody tried.
    public func lastDecision(
        on fingerprint: String, service: String, replacing champion: Int64?
    ) throws -> RetrainDecision? {
        let found = try connection.query(
            """
            SELECT decision, version, reason FROM retrain_decisions
            WHERE service = $1 AND fingerprint = $2 AND champion IS NOT DISTINCT FROM $3::bigint AND decision <> 'failed'
            ORDER BY id DESC LIMIT 1
            """, [.text(service), .text(fingerprint), champion.map { .integer($0) } ?? .null])
        guard found.count == 1 else { return nil }
        return RetrainDecision(
            service: service, champion: champion, decision: found.text(0, 0) ?? "", version: found.integer(0, 1),
            fingerprint: fingerprint, reason: found.text(0, 2) ?? "")
    }
}
