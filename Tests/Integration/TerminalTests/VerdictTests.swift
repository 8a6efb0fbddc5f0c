import Dashboard
import FeatureEngine
import FeatureStore
import Glibc
import KafkaClient
import Pipeline
import PostgresClient
import PostgresOfflineStore
import TestSupport
import Testing

/// What analysts do, on a Postgres and a broker of their own.
@Suite(
    .enabled(if: KafkaServer.isAvailable, "\(KafkaServer.absence)"), .serialized, .timeLimit(.minutes(2)))
struct VerdictTests {
    private let url: String
    private let connection: PostgresConnection
    private let repository: FeatureRepository

    init() throws {
        url = try TestServers.postgres().makeDatabase("verdicts")
        let store = try PostgresOfflineStore(url: url)
        try store.migrate()
        connection = store.connection
        repository = try FeatureRepository.load(
            directory: TestEnvironment.packageRoot + "/feature_repo", environment: [:])
        let rows = PostgresCopyBuffer()
        for number in Int64(0)..<5 {
            var record = PredictionRecord()
            record.predictionID = "p\(number)".bytes
            record.transactionID = "t\(number)".bytes
            record.entity = "card'\\\(number)\u{301}".bytes
            (record.createdMillis, record.eventMillis) = (
                1_700_000_000_000 + number, 1_600_000_000_000 + number * 1_000
            )
            (record.service, record.modelVersion, record.probability) = ("fraud_v1", "3", 0.9)
            record.isFraud = number != 4
            let position = LogPosition(topic: "predictions", partition: 0, offset: number)
            PredictionTable.add(record, nil, PredictionKinds(), at: position, to: rows)
        }
        try connection.copyIn(table: PredictionTable.name, columns: PredictionTable.columns, rows: rows)
    }

    private func book(_ reviewer: String, _ connection: PostgresConnection? = nil) -> CaseBook {
        CaseBook(connection ?? self.connection, reviewer: reviewer, repository: repository) {
            "\(reviewer)-\(UInt64.random(in: 0 ... .max))"
        }
    }

    private func order(_ action: Order.Action, _ id: String = "p0") -> Order {
        Order(action, predictionID: id, newestEventMillis: nil)
    }

    private func texts(_ sql: String) throws -> [String] {
        let rows = try connection.execute(sql)
        return (0..<rows.count).map { rows.text($0, 0) ?? "" }
    }

    /// The verdicts that were not sent.
    private func waiting() throws -> [String] {
        try texts("SELECT feedback_id FROM label_outbox WHERE sent_at IS NULL")
    }

    private func sender(_ broker: KafkaServer) -> LabelSender {
        LabelSender(bootstrapServers: broker.bootstrapServers, PostgresSession { try PostgresConnection(url: url) })
    }

    /// Every label on the topic, in the order of its partition.
    private func sent(_ broker: KafkaServer) throws -> [LabelRecord] {
        let consumer = try KafkaConsumer(
            KafkaConsumerConfiguration(bootstrapServers: broker.bootstrapServers, group: "verdict-test"))
        defer { consumer.close() }
        var labels: [LabelRecord] = []
        for partition in Int32(0)..<2 {
            let place = KafkaPartition("labels", partition)
            let end = try consumer.watermarks(of: place, timeoutMillis: 5_000).high
            try consumer.assign(place, offset: 0)
            var next: Int64 = 0
            for _ in 0..<100 where next < end {
                let batch = try consumer.nextBatch(max: 100, timeoutMillis: 100)
                for index in 0..<batch.count {
                    next = batch.offset(at: index) + 1
                    let label = try batch.withValue(at: index) { try LabelRecord($0) }
                    labels.append(label)
                    #expect(
                        batch.key(at: index) == Array("card'\\\(label.eventID.description.dropFirst())\u{301}".utf8))
                    #expect(EntityPlacement.partition(of: batch.key(at: index), among: 2, by: .murmur2) == partition)
                }
            }
            try consumer.unassign(place)
        }
        return labels
    }

    private func makeBroker() throws -> KafkaServer {
        let broker = try KafkaServer()
        try broker.start()
        let admin = try KafkaAdmin(bootstrapServers: broker.bootstrapServers)
        _ = try admin.createTopics([KafkaTopicDefinition("labels", partitions: 2)])
        return broker
    }

    @Test func `a verdict is a label once: sent after its time, by whoever comes, however often somebody dies`() throws
    {
        let broker = try makeBroker()
        defer { broker.stop() }
        #expect(try book("ana").carryOut(order(.fraud)).isDone)
        #expect(try book("ana").carryOut(order(.legitimate, "p4")).isDone)
        let makeSender = { self.sender(broker) }
        #expect(try makeSender().send() == 0, "not yet: it may be taken back")
        try connection.execute("UPDATE label_outbox SET due_at = now()")
        // One that dies between the broker's answer and its note: the row is as it was.
        #expect(try makeSender().send() == 2)
        try connection.execute("UPDATE label_outbox SET sent_at = NULL WHERE feedback_id LIKE 'ana%'")
        #expect(try makeSender().send() == 2)
        #expect(try makeSender().send() == 0)
        let labels = try sent(broker)
        #expect(labels.count == 4 && Set(labels.compactMap(\.feedback?.id)).count == 2)
        let fraud = try #require(labels.first { $0.isFraud })
        #expect(fraud.eventID == "t0" && fraud.eventMillis == 1_600_000_000_000)
        #expect(fraud.availableMillis == 1_600_000_004_000, "the newest event time seen")
        #expect(fraud.feedback?.reviewer == "ana" && fraud.feedback?.queue == "alerts" && fraud.feedback?.score == 0.9)
        #expect(labels.first { !$0.isFraud }?.feedback?.queue == "audit")
    }

    @Test func `what is taken back in time is never sent, and later it is retracted`() throws {
        let broker = try makeBroker()
        defer { broker.stop() }
        let sender = self.sender(broker)
        #expect(try book("ana").carryOut(order(.fraud)).isDone)
        #expect(try !book("ben").carryOut(order(.undo)).isDone, "another's verdict")
        #expect(try book("ana").carryOut(order(.undo)).isDone)
        #expect(try sender.send(atOnce: waiting()) == 0)
        #expect(try !book("ana").carryOut(order(.undo)).isDone, "there is nothing left to take back")
        #expect(try book("ana").carryOut(order(.legitimate)).isDone)
        #expect(try sender.send(atOnce: waiting()) == 1)
        #expect(try book("ana").carryOut(order(.undo)).isDone)
        #expect(try sender.send() == 1)
        let labels = try sent(broker)
        #expect(labels.count == 2 && labels.map(\.isFraud) == [false, false])
        #expect(labels[1].feedback?.retracts == labels[0].feedback?.id && labels[0].feedback?.retracts == nil)
        #expect(
            try texts("SELECT action FROM case_journal ORDER BY id") == ["fraud", "undo", "legitimate", "retract"])
        #expect(try texts("SELECT status FROM cases") == ["open"])
    }

    @Test func `who leaves sends what is his own at once, and nobody else's`() throws {
        let broker = try makeBroker()
        defer { broker.stop() }
        let sender = self.sender(broker)
        #expect(try book("ana").carryOut(order(.fraud)).isDone)
        #expect(try book("ben").carryOut(order(.fraud, "p1")).isDone)
        let own = try texts("SELECT feedback_id FROM label_outbox WHERE feedback_id LIKE 'ana-%'")
        #expect(try sender.send(atOnce: []) == 0)
        #expect(try sender.send(atOnce: own) == 1)
        #expect(try sender.send(atOnce: own) == 0)
        #expect(try texts("SELECT count(*) FROM label_outbox WHERE sent_at IS NULL") == ["1"], "ben may take it back")
    }

    /// Opens the dashboard, judges the first case and leaves by the next keys.
    private func judgeAndLeave(bootstrapServers: String) throws {
        let nowhere = "127.0.0.1:1"
        let terminal = try PseudoTerminal(
            [
                TestEnvironment.needletail ?? "", "dashboard", "--screen", "alerts", "--reviewer", "ana", "--api-url",
                "http://\(nowhere)",
            ], columns: 120, rows: 40,
            environment: [
                "DATABASE_URL": url, "KAFKA_BOOTSTRAP_SERVERS": bootstrapServers,
                "REDIS_URL": "redis://\(nowhere)", "NO_COLOR": "1",
            ])
        // Another size draws everything anew, so that the text is in one piece.
        func shows(_ parts: String...) -> Bool {
            TestEnvironment.waits(seconds: 10) {
                terminal.resize(UInt16.random(in: 120...140), 40)
                terminal.signal(SIGWINCH)
                usleep(150_000)
                let text = terminal.drain()
                return parts.allSatisfy { text.contains($0) }
            }
        }
        #expect(shows("open cases", "0.900"))
        terminal.type("\r")
        #expect(shows("case t", "L legitimate"))
        terminal.type("Fqq")
        #expect(terminal.waits(seconds: 15) { !terminal.isRunning }, "\(terminal.text.suffix(3_000))")
    }

    @Test(.enabled(if: TestEnvironment.needletail != nil, "the needletail executable is not built"))
    func `a verdict counts, also when the next key leaves, and is sent at once`() throws {
        let broker = try makeBroker()
        defer { broker.stop() }
        try judgeAndLeave(bootstrapServers: broker.bootstrapServers)
        #expect(try texts("SELECT action || ' ' || reviewer FROM case_journal") == ["fraud ana"])
        #expect(try texts("SELECT sent_at IS NOT NULL FROM label_outbox") == ["t"])
        #expect(try sent(broker).map(\.isFraud) == [true])
    }

    @Test(.enabled(if: TestEnvironment.needletail != nil, "the needletail executable is not built"))
    func `who leaves while Kafka is away does not wait for it, and the verdict stays to be sent`() throws {
        try judgeAndLeave(bootstrapServers: "127.0.0.1:1")
        #expect(try texts("SELECT action || ' ' || reviewer FROM case_journal") == ["fraud ana"])
        #expect(try waiting().count == 1)
    }

    @Test func `a session ends with what a new one cures, and with nothing else`() throws {
        struct Other: Error {}
        let session = PostgresSession { try PostgresConnection(url: url) }
        func backend() throws -> Int64? {
            try session.run { try $0.execute("SELECT pg_backend_pid()").integer(0, 0) }
        }
        let first = try backend()
        #expect(throws: Other.self) { try session.run { _ in throw Other() } }
        #expect(throws: PostgresError.self) { try session.run { _ = try $0.execute("SELECT * FROM nowhere") } }
        #expect(throws: PostgresError.self) {
            try session.run { _ = try $0.execute("SET statement_timeout = '20ms'; SELECT pg_sleep(5)") }
        }
        #expect(try backend() == first)
        try connection.execute("SELECT pg_terminate_backend(\(first ?? 0))")
        #expect(throws: PostgresError.self) { try backend() }
        // Nothing rests: the server is there.
        #expect(try backend() != first)
    }

    @Test func `of two analysts at one case one wins, and the other is told`() async throws {
        let (one, two) = (try PostgresConnection(url: url), try PostgresConnection(url: url))
        try one.execute("BEGIN")
        #expect(try one.query("SELECT 1").count == 1)
        try one.execute("COMMIT")
        #expect(try book("ana", one).carryOut(order(.claim)).isDone)
        let told = try book("ben", two).carryOut(order(.fraud))
        #expect(!told.isDone && told.text.hasPrefix("claimed by ana until"))
        #expect(try texts("SELECT count(*) FROM label_outbox") == ["0"])
        // A claim that ran out is none.
        try connection.execute("UPDATE cases SET until = now() - interval '1 second'")
        #expect(try book("ben", two).carryOut(order(.fraud)).isDone)
        #expect(try !book("ana", one).carryOut(order(.legitimate)).isDone)
        #expect(try book("ana", one).carryOut(order(.note("seen \u{0} it"))).isDone)
        #expect(try texts("SELECT note FROM case_journal ORDER BY id DESC LIMIT 1") == ["seen  it"])
        #expect(try !book("ana").carryOut(order(.claim, "nowhere")).isDone)
    }

    @Test func `the roles may do what they are for, and nobody changes the journal`() throws {
        let roles = try texts(
            "SELECT rolname FROM pg_roles WHERE rolname LIKE 'needletail_%st' OR rolname LIKE '%viewer'")
        guard roles.count >= 2 else { return }
        #expect(try book("ana").carryOut(order(.note("x"))).isDone)
        func refused(_ role: String, _ sql: String) -> Bool {
            do {
                try connection.transaction {
                    try connection.execute("SET LOCAL ROLE \(role)")
                    try connection.execute(sql)
                }
                return false
            } catch { return (error as? PostgresError)?.sqlState == "42501" }
        }
        for table in ["case_journal", "cases", "label_outbox", "labels", "prediction_rows"] {
            #expect(!refused("needletail_viewer", "SELECT * FROM \(table)"))
            #expect(refused("needletail_analyst", "DELETE FROM \(table)"))
        }
        #expect(!refused("needletail_viewer", "SELECT request, vector FROM predictions"))
        for role in ["needletail_viewer", "needletail_analyst"] {
            // Definitions may hold the stores' passwords.
            #expect(refused(role, "SELECT text FROM definition_files"))
            #expect(!refused(role, "SELECT * FROM definition_sets"))
        }
        #expect(refused("needletail_analyst", "UPDATE case_journal SET note = 'y'"))
        #expect(refused("needletail_viewer", "INSERT INTO case_journal (action, reviewer) VALUES ('a', 'b')"))
        try connection.execute("SET ROLE needletail_analyst")
        #expect(try book("ana").carryOut(order(.fraud)).isDone)
        #expect(try book("ana").carryOut(order(.undo)).isDone)
        try connection.execute("RESET ROLE")
    }
}

extension String {
    fileprivate var bytes: ByteString { ByteString(self) }
}
