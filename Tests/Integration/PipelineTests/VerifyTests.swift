import FeatureEngine
import FeatureStore
import Foundation
import Pipeline
import PostgresClient
import PostgresOfflineStore
import RedisClient
import RedisOnlineStore
import TestSupport
import Testing

/// `features verify`: whatever was changed behind the pipeline's back is found and named.
@Suite(.enabled(if: PipelineHarness.isPossible, "\(PipelineHarness.absence)"), .serialized, .timeLimit(.minutes(5)))
struct VerifyTests {
    private static let closed = [
        "bounds: left_closed": "bounds: right_closed", "current_event: exclude": "current_event: include",
    ]

    /// A pipeline at rest with answers in its store, and what is in it.
    private struct Fixture {
        let harness: PipelineHarness
        let connection: PostgresConnection
        let events: [(row: SourceRow, position: LogPosition)]
        let service: FeatureService

        init(_ name: String, seed: UInt64, replacing: [String: String] = [:]) throws {
            harness = try PipelineHarness(name, replacing: replacing)
            try harness.send(harness.troubledRecords(rows: 1_500, seed: seed))
            let run = try harness.transformToEnd()
            guard run.exitCode == 0 else { throw TestServerError(run.output) }
            let store = try harness.store()
            connection = store.connection
            service = try #require(harness.repository.services.first)
            var events: [(row: SourceRow, position: LogPosition)] = []
            try store.scanEvents(harness.source) { events.append(($0, $1)) }
            self.events = events
            try serve(seed: seed)
        }

        /// Answers to requests for stored events, each at some position of its partition.
        private func serve(seed: UInt64) throws {
            var random = SeededRandom(seed: seed)
            var naive = NaiveFeatures(harness.view)
            for event in events { naive.insert(event.row, position: event.position.offset) }
            let writer = PredictionRecordWriter(service, modelVersion: "1", threshold: 0.5)
            let rows = PostgresCopyBuffer()
            let store = try harness.store()
            let reader = RecordReader()
            var kinds = PredictionKinds()
            for number in 0..<200 {
                let event = events[Int.random(in: events.indices, using: &random)]
                let v = max(-1, event.position.offset + Int64.random(in: -20...20, using: &random))
                let views = [
                    naive.evaluate(
                        entity: event.row.key, atMillis: event.row.eventTimeMillis, upTo: v, current: event.row)
                ]
                var vector = service.makeVector()
                service.assemble(row: event.row, viewVectors: views, into: &vector)
                var bytes: [UInt8] = []
                writer.append(
                    PredictionOutcome(
                        probability: 0.25, isFraud: false, isDegraded: false, createdMillis: 1_600_000_000_000,
                        latencyMicros: 1), predictionID: Array("answer-\(number)".utf8), of: event.row, vector,
                    [ViewPosition(generation: 1, offset: v, partition: event.position.partition)], to: &bytes)
                let record = try PredictionRecord(key: event.row.keyBytes.bytes, value: bytes.span, reader)
                // Every second one in the long form that older answers have.
                let compact = number % 2 == 0 ? CompactPrediction(record, reader.parser) : nil
                if let compact { try kinds.learn(compact, in: store) }
                PredictionTable.add(
                    record, compact, kinds,
                    at: LogPosition(topic: "of this test", partition: 0, offset: Int64(number)), to: rows)
            }
            try connection.copyIn(table: PredictionTable.name, columns: PredictionTable.columns, rows: rows)
        }

        /// Runs `features verify` with everything, and expects its exit code.
        func verify(_ exitCode: Int32, _ more: [String] = [], _ place: SourceLocation = #_sourceLocation) throws
            -> String
        {
            let run = try harness.run(["features", "verify", "--served"] + more)
            #expect(run.exitCode == exitCode, "\(run.output)", sourceLocation: place)
            return run.output
        }
    }

    @Test(arguments: [[:], closed])
    func `a stream with all its troubles has no mismatch`(definitions: [String: String]) throws {
        let fixture = try Fixture("verify", seed: 61, replacing: definitions)
        let whole = try fixture.verify(0)
        let count = fixture.events.count
        #expect(
            count > 1_300 && whole.contains("\"rows\":\(count)") && whole.contains("\"predictions\":200"), "\(whole)")
        let cards = Set(fixture.events.map(\.row.keyBytes)).count
        #expect(whole.contains("\"blobs\":\(cards)"), "\(whole)")
        // A sample is a part, and the same again.
        let sample = try fixture.verify(0, ["--sample", "0.3", "--seed", "5"])
        let again = try fixture.verify(0, ["--sample", "0.3", "--seed", "5"])
        func rows(_ text: String) -> Int? {
            text.firstMatch(of: /"rows":(\d+)/).flatMap { Int($0.1) }
        }
        #expect(rows(sample) == rows(again))
        #expect((1..<count).contains(rows(sample) ?? 0))
        let recent = try fixture.verify(0, ["--since-days", "1"])
        #expect((1..<count).contains(rows(recent) ?? 0), "\(recent)")
    }

    @Test func `one bit of a row, of an answer, of a state is found and named, and what can be is built anew`() throws {
        let fixture = try Fixture("verify-bits", seed: 62)
        let (connection, harness) = (fixture.connection, fixture.harness)
        // A row.
        let row = try connection.execute(
            "SELECT event_id, amt_sum_24h FROM card_activity WHERE amt_sum_24h > 0 ORDER BY event_id LIMIT 1")
        let (id, sum) = (try #require(row.text(0, 0)), try #require(row.double(0, 1)))
        try connection.query(
            "UPDATE card_activity SET amt_sum_24h = $2 WHERE event_id = $1", [.text(id), .double(sum.nextUp)])
        let one = try fixture.verify(65)
        #expect(one.contains("row card_activity of \(id), "), "\(one)")
        #expect(one.contains("amt_sum_24h: \(sum.nextUp) (") && one.contains("the log gives \(sum) ("), "\(one)")
        #expect(one.contains("1 mismatches (1 of row)"))
        #expect(try fixture.verify(65, ["--repair"]).contains("1 were built anew"))
        _ = try fixture.verify(0)

        // A row that is gone.
        try connection.query("DELETE FROM card_activity WHERE event_id = $1", [.text(id)])
        #expect(try fixture.verify(65, ["--repair"]).contains("row card_activity of \(id), "))
        _ = try fixture.verify(0)

        // A state: bytes that do not decode, then another event's absence under a checksum that is right.
        let event = try #require(fixture.events.last)
        let key = OnlineKeys.blob(
            project: harness.repository.project, view: harness.view.name, hash8: harness.repository.hash8,
            entity: event.row.key)
        let redis = try RedisConnection(RedisAddress(url: harness.redis.url))
        try redis.command("SETRANGE", key, "40", "Z")
        let damaged = try fixture.verify(65)
        #expect(
            damaged.contains("blob card_activity of card \(event.row.key), ") && damaged.contains("does not decode"))
        #expect(try fixture.verify(65, ["--repair"]).contains("1 were built anew"))
        _ = try fixture.verify(0)
        try redis.command("DEL", key)
        #expect(try fixture.verify(65, ["--repair"]).contains("is not there"))
        _ = try fixture.verify(0)
        try forget(event, key, fixture)
        #expect(try fixture.verify(65, ["--repair"]).contains("events, the log gives "))
        _ = try fixture.verify(0)

        // An answer.
        try connection.execute(
            """
            UPDATE prediction_rows SET vector = jsonb_set(vector, '{0}', to_jsonb((vector->>0)::float8 + 1))
            WHERE prediction_id = 'answer-17'
            """)
        let answer = try fixture.verify(65, ["--repair"])
        #expect(answer.contains("prediction answer-17 of fraud_v1: \(fixture.service.featureNames[0]): "), "\(answer)")
        #expect(answer.contains("1 mismatches (1 of prediction)") && !answer.contains("built anew"))

        // One bit of an answer in the short form.
        let flipped = try connection.query(
            """
            UPDATE prediction_rows SET features = set_byte(features, 0, get_byte(features, 0) # 1)
            WHERE prediction_id = 'answer-18' RETURNING 1
            """, [])
        #expect(flipped.count == 1)
        let first = fixture.service.featureNames[0]
        #expect(try fixture.verify(65).contains("prediction answer-18 of fraud_v1: \(first): "))
    }

    /// Writes an entity's state without the event before its last, under a checksum that is right.
    private func forget(
        _ last: (row: SourceRow, position: LogPosition), _ key: String, _ fixture: Fixture
    ) throws {
        let harness = fixture.harness
        let events = fixture.events.filter {
            $0.row.keyBytes == last.row.keyBytes && $0.position.partition == last.position.partition
        }
        let store = try RedisOnlineStore(url: harness.redis.url)
        let mark = OnlineKeys.watermark(
            hash8: harness.repository.hash8, topic: harness.topic, partition: Int(last.position.partition))
        let (watermark, blobs) = try store.read(watermarkKey: mark, blobKeys: [key])
        var state = EntityState(harness.view)
        let left = events.dropLast(2) + events.suffix(1)
        for event in left { _ = state.insert(event.row, offset: event.position.offset) }
        state.move(to: state.offset, generation: try #require(watermark).generation)
        var bytes: [UInt8] = []
        state.encode(into: &bytes)
        let before = try #require(blobs.first ?? nil)
        #expect(bytes != before)
        try store.discard([(key: key, bytes: before)])
        #expect(try store.write([(key: key, blob: bytes)]) == .accepted)
    }

    @Test func `rows and states of a second entity are held against its own topic`() throws {
        let harness = try MerchantTests.harness("verify-merchants")
        try harness.send(harness.troubledRecords(rows: 1_500, seed: 64))
        let run = try harness.transformToEnd()
        #expect(run.exitCode == 0, "\(run.output)")
        let connection = try harness.store().connection
        let counts = try connection.execute(
            "SELECT (SELECT count(*) FROM transactions), (SELECT count(DISTINCT cc_num) FROM transactions), "
                + "(SELECT count(DISTINCT merchant) FROM transactions)")
        let (events, cards) = (try #require(counts.integer(0, 0)), try #require(counts.integer(0, 1)))
        let merchants = try #require(counts.integer(0, 2))
        #expect(events > 1_300 && merchants > 1)
        let whole = try harness.run(["features", "verify"])
        #expect(whole.exitCode == 0, "\(whole.output)")
        #expect(
            whole.output.contains("\"rows\":\(2 * events)") && whole.output.contains("\"blobs\":\(cards + merchants)"),
            "\(whole.output)")
        try connection.execute(
            """
            UPDATE merchant_activity SET v = v + 1
            WHERE event_id = (SELECT min(event_id) FROM merchant_activity)
            """)
        let changed = try harness.run(["features", "verify"])
        #expect(changed.exitCode == 65 && changed.output.contains("row merchant_activity of "), "\(changed.output)")
        #expect(changed.output.contains("1 mismatches (1 of row)"))

        // A place that is gone is a record that is not accounted for.
        try connection.execute(
            "DELETE FROM rekeyed_events WHERE event_id = (SELECT min(event_id) FROM rekeyed_events)")
        let gone = try harness.run(["features", "verify"])
        let topic = try MerchantTests.merchants(harness).topic
        #expect(gone.exitCode == 65 && gone.output.contains("total \(topic)/"), "\(gone.output)")
    }

    @Test func `an event that is gone is named, and nothing is built anew without it`() throws {
        let fixture = try Fixture("verify-gone", seed: 63)
        let connection = fixture.connection
        let gone = try #require(fixture.events.first { $0.position.offset > 40 })
        try connection.query("DELETE FROM transactions WHERE trans_num = $1", [.text(gone.row.eventID)])
        let found = try fixture.verify(65, ["--repair"])
        #expect(found.contains("total transactions \(gone.row.eventID), "), "\(found)")
        #expect(found.contains("the event is not stored, its row of card_activity is"))
        #expect(found.contains("total \(fixture.harness.topic)/\(gone.position.partition): "))
        #expect(!found.contains("built anew"))
        let rows = try connection.query(
            "SELECT count(*) FROM card_activity WHERE event_id = $1", [.text(gone.row.eventID)])
        #expect(rows.integer(0, 0) == 1)
    }
}
