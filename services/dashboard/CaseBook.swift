import FeatureEngine
package import FeatureStore
import Observability
import Pipeline
package import PostgresClient

/// Carries out what an analyst orders, each order in one transaction of Postgres: the case, the journal, and for a verdict the label
/// that is to be sent. Confined to the thread of its connection.
package struct CaseBook {
    /// How long a verdict may still be taken back without a trace on the topic, and how long a claim and a snooze last.
    static let waitSeconds = 5, claimMinutes = 15, snoozeMinutes = 60

    private let connection: PostgresConnection
    private let reviewer: String
    private let topics: [String: String]
    private let newID: () -> String

    /// `newID` makes feedback ids.
    package init(
        _ connection: PostgresConnection, reviewer: String, repository: FeatureRepository,
        newID: @escaping () -> String
    ) {
        self.connection = connection
        self.reviewer = reviewer
        topics = Dictionary(
            repository.services.compactMap { service in service.source.label.map { (service.name, $0.topic) } },
            uniquingKeysWith: { first, _ in first })
        self.newID = newID
    }

    /// What a case's answer says that a verdict needs.
    private struct Subject {
        let entity: String, eventID: String, eventMillis: Int64, service: String, modelVersion: String, score: Double
        let isAlert: Bool, newestMillis: Int64
    }

    /// Carries out an order and says what became of it. Throws when Postgres does not answer; nothing is done then.
    package func carryOut(_ order: Order) throws -> Outcome {
        do {
            return try connection.transaction {
                switch order.action {
                case .note(let text): try note(order, text)
                case .claim: try claim(order)
                case .snooze: try snooze(order)
                case .fraud: try judge(order, isFraud: true)
                case .legitimate: try judge(order, isFraud: false)
                case .undo: try undo(order)
                }
            }
        } catch let error as PostgresError where error.sqlState == "55P03" || error.sqlState == "57014" {
            return Outcome(isDone: false, "somebody else is at this case just now; press the key again")
        } catch let error as PostgresError where error.sqlState == "42501" {
            return Outcome(isDone: false, "the database's role may not do that")
        }
    }

    private func write(_ order: Order, _ action: String, note: String = "", feedback: String? = nil) throws {
        try connection.query(
            """
            INSERT INTO case_journal (action, prediction_id, reviewer, note, feedback_id) VALUES ($1, $2, $3, $4, $5)
            """,
            [
                .text(action), .text(order.predictionID), .text(reviewer), .text(note),
                feedback.map { .text($0) } ?? .null,
            ])
    }

    private func note(_ order: Order, _ text: String) throws -> Outcome {
        try write(order, "note", note: String(text.unicodeScalars.prefix(Prompt.longest).filter { $0.value != 0 }))
        return Outcome(isDone: true, "noted")
    }

    /// Takes the case into a state, unless another analyst has it or it is judged. Returns what is in the way.
    private func take(_ order: Order, _ status: String, minutes: Int?, feedback: String? = nil) throws -> String? {
        let until = minutes.map { "now() + interval '\($0) minutes'" } ?? "NULL"
        let taken = try connection.query(
            """
            INSERT INTO cases (prediction_id, status, owner, until, feedback_id, score)
            SELECT prediction_id, $2, $3, \(until), $4, probability FROM predictions WHERE prediction_id = $1
            ON CONFLICT (prediction_id) DO UPDATE SET status = excluded.status, owner = excluded.owner,
                until = excluded.until, feedback_id = excluded.feedback_id, changed_at = now()
            WHERE cases.status = 'open'
                OR (cases.status IN ('claimed', 'snoozed') AND (cases.until <= now() OR cases.owner = $3))
            RETURNING status
            """,
            [.text(order.predictionID), .text(status), .text(reviewer), feedback.map { .text($0) } ?? .null])
        if taken.count == 1 { return nil }
        let rows = try connection.query(
            """
            SELECT status, owner, to_char(until, 'HH24:MI') FROM cases WHERE prediction_id = $1
            """, [.text(order.predictionID)])
        guard rows.count == 1 else { return "the case is not in the tables" }
        let end = rows.text(0, 2).map { " until \($0)" } ?? ""
        return "\(rows.text(0, 0) ?? "taken") by \(rows.text(0, 1) ?? "somebody")\(end)"
    }

    private func claim(_ order: Order) throws -> Outcome {
        if let refusal = try take(order, "claimed", minutes: Self.claimMinutes) {
            return Outcome(isDone: false, refusal)
        }
        try write(order, "claim")
        return Outcome(isDone: true, "claimed for \(Self.claimMinutes) min")
    }

    private func snooze(_ order: Order) throws -> Outcome {
        if let refusal = try take(order, "snoozed", minutes: Self.snoozeMinutes) {
            return Outcome(isDone: false, refusal)
        }
        try write(order, "snooze")
        return Outcome(isDone: true, "snoozed for \(Self.snoozeMinutes) min")
    }

    private func judge(_ order: Order, isFraud: Bool) throws -> Outcome {
        guard let subject = try subject(order) else { return Outcome(isDone: false, "the case is not in the tables") }
        guard let topic = topics[subject.service] else {
            return Outcome(isDone: false, "the definitions name no topic of labels for \(subject.service)")
        }
        let (word, feedback) = (isFraud ? "fraud" : "legitimate", newID())
        if let refusal = try take(order, word, minutes: nil, feedback: feedback) {
            return Outcome(isDone: false, refusal)
        }
        try write(order, word, feedback: feedback)
        let label = label(subject, order, isFraud: isFraud, feedback: feedback, retracts: nil)
        try send(feedback, label, subject, topic, afterSeconds: Self.waitSeconds)
        return Outcome(isDone: true, "\(word), sent in \(Self.waitSeconds) s; u takes it back")
    }

    /// Takes one's verdict, claim or snooze back. A verdict that is sent is retracted by one more record.
    private func undo(_ order: Order) throws -> Outcome {
        let rows = try connection.query(
            "SELECT status, owner, feedback_id FROM cases WHERE prediction_id = $1 FOR UPDATE",
            [.text(order.predictionID)])
        guard rows.count == 1, let status = rows.text(0, 0), status != "open" else {
            return Outcome(isDone: false, "there is nothing to take back")
        }
        guard rows.text(0, 1)?.utf8.elementsEqual(reviewer.utf8) == true else {
            return Outcome(isDone: false, "\(status) by \(rows.text(0, 1) ?? "somebody"), who alone takes it back")
        }
        var isRetracted = false
        if let feedback = rows.text(0, 2) {
            let cancelled = try connection.query(
                """
                UPDATE label_outbox SET cancelled_at = now()
                WHERE feedback_id = $1 AND sent_at IS NULL AND cancelled_at IS NULL
                """, [.text(feedback)])
            if cancelled.affected == 0 {
                guard let subject = try subject(order), let topic = topics[subject.service] else {
                    return Outcome(isDone: false, "the case is not in the tables")
                }
                isRetracted = true
                let id = newID()
                let label = label(subject, order, isFraud: status == "fraud", feedback: id, retracts: feedback)
                try send(id, label, subject, topic, afterSeconds: 0)
            }
            try write(order, isRetracted ? "retract" : "undo", feedback: feedback)
        } else {
            try write(order, "undo")
        }
        try connection.query(
            """
            UPDATE cases SET status = 'open', owner = '', until = NULL, feedback_id = NULL, changed_at = now()
            WHERE prediction_id = $1
            """, [.text(order.predictionID)])
        return Outcome(isDone: true, isRetracted ? "taken back; the label that was sent is retracted" : "taken back")
    }

    private func subject(_ order: Order) throws -> Subject? {
        let rows = try connection.query(
            """
            SELECT entity, transaction_id, (extract(epoch FROM event_timestamp) * 1000)::bigint, service,
            model_version, probability, is_alert, (SELECT (extract(epoch FROM max(n.event_timestamp)) * 1000)::bigint
                FROM (SELECT event_timestamp FROM predictions ORDER BY created_at DESC LIMIT 100) n)
            FROM predictions WHERE prediction_id = $1
            """, [.text(order.predictionID)])
        guard rows.count == 1, let entity = rows.text(0, 0), let event = rows.text(0, 1), !event.isEmpty,
            let millis = rows.integer(0, 2), let score = rows.double(0, 5)
        else { return nil }
        return Subject(
            entity: entity, eventID: event, eventMillis: millis, service: rows.text(0, 3) ?? "",
            modelVersion: rows.text(0, 4) ?? "", score: score, isAlert: rows.boolean(0, 6) ?? false,
            newestMillis: rows.integer(0, 7) ?? millis)
    }

    /// The record of a verdict. It counts from the newest event time that was seen on, so that a replay's labels count in its time.
    private func label(
        _ subject: Subject, _ order: Order, isFraud: Bool, feedback: String, retracts: String?
    ) -> [UInt8] {
        let available = max(subject.eventMillis, subject.newestMillis, order.newestEventMillis ?? .min)
        var verdict = LabelRecord.Feedback(id: ByteString(feedback))
        verdict.retracts = retracts.map { ByteString($0) }
        (verdict.source, verdict.queue) = ("analyst", subject.isAlert ? "alerts" : "audit")
        (verdict.reviewer, verdict.modelVersion) = (reviewer, subject.modelVersion)
        (verdict.score, verdict.judgedMillis) = (subject.score, WallClock.nowMillis())
        return LabelRecord(
            eventID: ByteString(subject.eventID), isFraud: isFraud, eventMillis: subject.eventMillis,
            availableMillis: available, feedback: verdict
        ).encoded()
    }

    private func send(
        _ feedback: String, _ label: [UInt8], _ subject: Subject, _ topic: String, afterSeconds: Int
    ) throws {
        try connection.query(
            """
            INSERT INTO label_outbox (feedback_id, topic, key, value, due_at)
            VALUES ($1, $2, $3, $4, now() + interval '\(afterSeconds) seconds')
            """,
            [.text(feedback), .text(topic), .bytes(Array(subject.entity.utf8)), .bytes(label)])
    }
}
