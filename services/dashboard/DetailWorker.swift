import FeatureStore
import Observability
import PostgresClient
import Text

/// Answers what a screen asks and carries out what the user orders: the second connection to Postgres. Confined to one thread.
final class DetailWorker {
    /// What it needs to begin.
    struct Settings: Sendable {
        let repository: FeatureRepository
        let columns: PredictionColumns
        let database: String, redis: String, kafka: String
        let models: String, logs: String
        let auditShare: Double
        /// The name given for who judges; empty for none.
        let reviewer: String
        let isReadOnly: Bool
    }

    private let settings: Settings
    private let reasons: Reasons
    private let entities: EntityReader
    private let session: PostgresSession
    private let noteFeedback: (String) -> Void
    /// What the user may, once that is something.
    private var rights: Rights?

    /// `noteFeedback` is told the id of every verdict before it is written.
    init(_ settings: Settings, noteFeedback: @escaping (String) -> Void = { _ in }) {
        self.settings = settings
        self.noteFeedback = noteFeedback
        session = PostgresSession(url: settings.database)
        reasons = Reasons(settings.repository, modelsFolder: settings.models)
        entities = EntityReader(settings.repository, OnlineSource(url: settings.redis), settings.columns)
    }

    func answer(_ question: Question) -> Answer {
        do {
            switch question {
            case .logs: return .logs(LogReader.read(folder: settings.logs))
            case .cases(let limit):
                return .cases(
                    try session.run {
                        try CaseQueries.cases($0, settings.columns, limit: limit, auditShare: settings.auditShare)
                    })
            case .file(let key):
                return .file(
                    try session.run { connection in
                        try CaseQueries.file(connection, key, settings.columns).map {
                            reasons.explain($0, connection, settings.columns)
                        }
                    })
            case .entity(let key, let millis):
                return .entity(
                    try session.run {
                        try entities.read(key, atMillis: millis, nowMillis: WallClock.nowMillis(), $0)
                    })
            case .model: return .model(try session.run(SystemQueries.model))
            case .pipeline: return .pipeline(try session.run(SystemQueries.pipeline))
            }
        } catch let error as PostgresError where error.sqlState == "42P01" {
            return .failed("the tables are not made yet: needletail features apply makes them")
        } catch let error as PostgresError where error.sqlState == "57014" {
            return .failed("Postgres took longer than half a second")
        } catch {
            return .failed(Masking.digits(in: String("\(error)".unicodeScalars.prefix(300))))
        }
    }

    /// What the user may do: nothing with `--read-only`, and what the database's role may otherwise. A refusal is asked again, because a
    /// role may be granted meanwhile.
    func askRights() -> Rights {
        if let rights { return rights }
        if settings.isReadOnly { return Rights(refusal: "read only: --read-only was given") }
        do {
            let found = try session.run { try Self.rights($0, given: settings.reviewer) }
            if found.refusal == nil { rights = found }
            return found
        } catch let error as PostgresError where error.sqlState == "42P01" {
            return Rights(refusal: "the tables of cases are not made yet")
        } catch {
            return Rights(refusal: "Postgres does not answer, so nothing can be judged")
        }
    }

    private static func rights(_ connection: PostgresConnection, given: String) throws -> Rights {
        let rows = try connection.query(
            """
            SELECT session_user::text, pg_get_userbyid(relowner)::text, has_table_privilege('case_journal', 'INSERT')
                AND has_table_privilege('label_outbox', 'INSERT') AND has_table_privilege('cases', 'UPDATE')
            FROM pg_class WHERE oid = 'case_journal'::regclass
            """)
        guard rows.count == 1, let role = rows.text(0, 0), rows.boolean(0, 2) == true else {
            return Rights(refusal: "the database's role may only read: GRANT needletail_analyst lets it judge")
        }
        // The role that owns the tables is the pipeline's own: it says nothing about who sits here.
        let isPerson = rows.text(0, 1).map { !$0.utf8.elementsEqual(role.utf8) } ?? false
        let name = isPerson ? role : given
        return name.isEmpty ? Rights(refusal: "say who judges: --reviewer NAME") : Rights(reviewer: name, refusal: nil)
    }

    func carryOut(_ order: Order) -> Outcome {
        let rights = askRights()
        if let refusal = rights.refusal { return Outcome(isDone: false, refusal) }
        do {
            return try session.run { connection in
                try CaseBook(connection, reviewer: rights.reviewer, repository: settings.repository) {
                    let id = Self.newID()
                    self.noteFeedback(id)
                    return id
                }.carryOut(order)
            }
        } catch {
            let reason = Masking.digits(in: String("\(error)".unicodeScalars.prefix(200)))
            return Outcome(isDone: false, "not done: \(reason)")
        }
    }

    /// Notes that keys are shown whole. Throws when that cannot be noted.
    func noteReveal() throws {
        try session.run { connection in
            _ = try connection.query(
                "INSERT INTO case_journal (action, reviewer) VALUES ('reveal', coalesce(nullif($1, ''), session_user))",
                [.text(settings.reviewer)])
        }
    }

    /// 128 random bits.
    private static func newID() -> String {
        let (high, low) = (UInt64.random(in: .min ... .max), UInt64.random(in: .min ... .max))
        return Padding.hexadecimal(high, 16) + Padding.hexadecimal(low, 16)
    }
}
