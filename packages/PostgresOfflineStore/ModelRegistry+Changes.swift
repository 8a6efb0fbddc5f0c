internal import PostgresClient

/// Every change of a model: one transaction with its line of history, one after the other for a service.
extension ModelRegistry {
    /// Makes a version the champion of its service. With `replacing` only if the champion is still that one (nil: none), the one it
    /// was compared with. A model that was the challenger is none any more.
    public func promote(_ model: RegisteredModel, _ note: ChangeNote, replacing expected: Int64?? = nil) throws {
        try moveChampion(to: model, .promote, note, replacing: expected)
    }

    /// Makes a former champion the champion again, if the champion still is `replacing`.
    public func rollBack(to model: RegisteredModel, _ note: ChangeNote, replacing expected: Int64) throws {
        try moveChampion(to: model, .rollback, note, replacing: expected)
    }

    private func moveChampion(
        to model: RegisteredModel, _ action: ModelChange.Action, _ note: ChangeNote, replacing expected: Int64??
    ) throws {
        try changing(model.service) {
            let previous = try version(of: Self.champion, model.service)
            if let expected, expected != previous { throw ChampionChanged(champion: previous) }
            try requireUsable(model)
            try set(Self.champion, to: model)
            try record(action, Self.champion, model.version, previous, model.service, note)
            if try version(of: Self.challenger, model.service) == model.version {
                try clear(Self.challenger, model.service)
                try record(.clear, Self.challenger, nil, model.version, model.service, note)
            }
            try connection.query("DELETE FROM model_requests WHERE service = $1", [.text(model.service)])
        }
    }

    /// Makes a version the challenger of its service, which is compared with the champion and answers nobody.
    public func challenge(_ model: RegisteredModel, _ note: ChangeNote) throws {
        try changing(model.service) {
            let previous = try version(of: Self.challenger, model.service)
            guard try version(of: Self.champion, model.service) != model.version else {
                throw ModelChangeRefused("version \(model.name) is the champion, which stands against nobody")
            }
            try requireUsable(model)
            try set(Self.challenger, to: model)
            try record(.promote, Self.challenger, model.version, previous, model.service, note)
        }
    }

    /// Puts a model out of the way, or back. The champion stays; a challenger is none any more.
    public func archive(_ model: RegisteredModel, isArchived: Bool, _ note: ChangeNote) throws {
        try changing(model.service) {
            if try self.model(version: model.version)?.isDeleted == true {
                throw ModelChangeRefused("version \(model.name) is deleted")
            }
            try requireFree(model, "archived", note)
            try connection.query(
                "UPDATE models SET archived_at = CASE WHEN $2::boolean THEN clock_timestamp() END WHERE version = $1::bigint",
                [.integer(model.version), .boolean(isArchived)])
            try record(isArchived ? .archive : .restore, nil, model.version, nil, model.service, note)
        }
    }

    /// Marks a model deleted, before its folder goes. Its row and version stay, for the history and so that no other gets its number.
    public func delete(_ model: RegisteredModel, _ note: ChangeNote) throws {
        try changing(model.service) {
            try requireFree(model, "deleted", note)
            try connection.query(
                "UPDATE models SET deleted_at = clock_timestamp() WHERE version = $1::bigint AND deleted_at IS NULL",
                [.integer(model.version)])
            try record(.delete, nil, model.version, nil, model.service, note)
        }
    }

    /// Asks for a promotion that a second person is to agree to. Another request of the service gives way.
    public func request(_ model: RegisteredModel, _ note: ChangeNote, replacing champion: Int64?) throws {
        try changing(model.service) {
            try requireUsable(model)
            try connection.query(
                """
                INSERT INTO model_requests (service, version, replacing, actor, reason, is_forced, requested_at)
                VALUES ($1, $2::bigint, $3::bigint, $4, $5, $6::boolean, clock_timestamp())
                ON CONFLICT (service) DO UPDATE SET version = excluded.version, replacing = excluded.replacing,
                    actor = excluded.actor, reason = excluded.reason, is_forced = excluded.is_forced,
                    requested_at = excluded.requested_at
                """,
                [
                    .text(model.service), .integer(model.version), champion.map { .integer($0) } ?? .null,
                    .text(note.actor), .text(note.reason), .boolean(note.isForced),
                ])
            try record(.request, Self.champion, model.version, champion, model.service, note)
        }
    }

    /// The promotion of a service that waits for a second person.
    public func pendingRequest(of service: String) throws -> PromotionRequest? {
        let found = try connection.query(
            "SELECT version, replacing, actor, reason, is_forced FROM model_requests WHERE service = $1",
            [.text(service)])
        guard found.count == 1, let version = found.integer(0, 0) else { return nil }
        let note = ChangeNote(
            actor: found.text(0, 2) ?? "", reason: found.text(0, 3) ?? "", isForced: found.boolean(0, 4) ?? false)
        return PromotionRequest(version: version, replacing: found.integer(0, 1), note: note)
    }

    // MARK: One change

    private func changing(_ service: String, _ body: () throws -> Void) throws {
        try connection.transaction {
            // Changes of a service come one after the other, the first one too, when there is no row to lock yet.
            try connection.query("SELECT pg_advisory_xact_lock(hashtext('champion ' || $1))", [.text(service)])
            try body()
        }
    }

    private func version(of alias: String, _ service: String) throws -> Int64? {
        let found = try connection.query(
            "SELECT version FROM model_aliases WHERE service = $1 AND alias = $2", [.text(service), .text(alias)])
        return found.count == 0 ? nil : found.integer(0, 0)
    }

    private func set(_ alias: String, to model: RegisteredModel) throws {
        try connection.query(
            """
            INSERT INTO model_aliases (service, alias, version, changed_at)
            VALUES ($1, $2, $3::bigint, clock_timestamp())
            ON CONFLICT (service, alias) DO UPDATE SET version = excluded.version, changed_at = excluded.changed_at
            """, [.text(model.service), .text(alias), .integer(model.version)])
    }

    private func clear(_ alias: String, _ service: String) throws {
        try connection.query(
            "DELETE FROM model_aliases WHERE service = $1 AND alias = $2", [.text(service), .text(alias)])
    }

    /// A model that takes an alias is neither archived nor deleted; asked inside of the transaction.
    private func requireUsable(_ model: RegisteredModel) throws {
        guard let now = try self.model(version: model.version) else {
            throw ModelChangeRefused("there is no version \(model.name)")
        }
        guard !now.isDeleted, !now.isArchived else {
            throw ModelChangeRefused("version \(model.name) is \(now.isDeleted ? "deleted" : "archived")")
        }
    }

    private func requireFree(_ model: RegisteredModel, _ what: String, _ note: ChangeNote) throws {
        guard try version(of: Self.champion, model.service) != model.version else {
            throw ModelChangeRefused("version \(model.name) is the champion: it serves, and is not \(what)")
        }
        if try version(of: Self.challenger, model.service) == model.version {
            try clear(Self.challenger, model.service)
            try record(.clear, Self.challenger, nil, model.version, model.service, note)
        }
        try connection.query(
            "DELETE FROM model_requests WHERE service = $1 AND version = $2::bigint",
            [.text(model.service), .integer(model.version)])
    }

    private func record(
        _ action: ModelChange.Action, _ alias: String?, _ version: Int64?, _ previous: Int64?, _ service: String,
        _ note: ChangeNote
    ) throws {
        func value(_ number: Int64?) -> PostgresValue { number.map { .integer($0) } ?? .null }
        try connection.query(
            """
            INSERT INTO model_history
                (service, alias, version, previous, reason, action, actor, approved_by, is_forced, changed_at)
            VALUES ($1, $2, $3::bigint, $4::bigint, $5, $6, $7, $8, $9::boolean, clock_timestamp())
            """,
            [
                .text(service), alias.map { .text($0) } ?? .null, value(version), value(previous), .text(note.reason),
                .text(action.rawValue), .text(note.actor), note.approver.map { .text($0) } ?? .null,
                .boolean(note.isForced),
            ])
    }
}
