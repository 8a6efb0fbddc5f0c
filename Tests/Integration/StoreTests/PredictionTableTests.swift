import FeatureEngine
import JSON
import Pipeline
import PostgresClient
import TestSupport
import Testing

@testable import PostgresOfflineStore

@Suite struct PredictionTableTests {
    private let store: PostgresOfflineStore
    private let parser = JSONParser()

    init() throws {
        store = try PostgresOfflineStore(url: TestServers.postgres().makeDatabase("predictions"))
    }

    /// An answer like the API's.
    static func record(_ number: Int, _ random: inout SplitMix64) -> PredictionRecord {
        var record = PredictionRecord()
        record.predictionID = ByteString("00c0ffee00c0ffee-\(number)")
        let id = (0..<2).map { _ in String(random.next() | 1 << 63, radix: 16) }.joined()
        record.transactionID = ByteString(id)
        record.entity = ByteString("4\(random.next() % 900_000_000_000_000 + 100_000_000_000_000)")
        record.createdMillis = 1_700_000_000_000 + Int64(number)
        record.eventMillis = 1_600_000_000_000 + Int64(number) * 977
        (record.service, record.modelVersion, record.definitionHash) = (
            "fraud_v1", "3", String(repeating: "ab", count: 32)
        )
        (record.probability, record.threshold) = (Double(random.next() >> 11) * 0x1p-53, 0.5)
        (record.isFraud, record.latencyMicros) = (number % 50 == 0, Int64(random.next() % 2_000))
        func cents() -> String { "\(random.next() % 900).\(random.next() % 90 + 10)" }
        record.asked = .object([
            .init("trans_num", .string(id)), .init("trans_date_trans_time", "2020-06-21 12:14:25"),
            .init("cc_num", .string(record.entity.description)),
            .init("merchant", .string("Bäcker & \"Söhne\" \(number % 700)")),
            .init("category", "grocery_pos"), .init("amt", .number(cents())), .init("first", "A"), .init("last", "B"),
            .init("street", .string("\(number % 1_000) Long Street Apt. 12")), .init("city", "Somewhere"),
            .init("zip", 28_611),
            .init("lat", .number("36.0788")), .init("long", .number("-81.1781")), .init("flag", true),
        ])
        var vector: [JSONTree] = ["grocery_pos", nil]
        for _ in 0..<10 { vector.append(.number(Int(random.next() % 300))) }
        for _ in 0..<10 { vector.append(.number(Double(Int64(random.next() % 90_000)) / 100)) }
        for _ in 0..<16 { vector.append(.number(Double(random.next() >> 11) * 0x1p-40)) }
        record.scored = .array(vector)
        record.places = [
            "card_activity": [
                "generation": 1, "topic": "transactions", "partition": .number(number % 4), "offset": .number(number),
                "as_of": 1_600_000_000_000,
            ]
        ]
        return record
    }

    private func insert(_ records: [PredictionRecord], kinds: PredictionKinds, from first: Int64 = 0) throws {
        let rows = PostgresCopyBuffer()
        for (offset, record) in records.enumerated() {
            let position = LogPosition(topic: "predictions", partition: 0, offset: first + Int64(offset))
            PredictionTable.add(record, CompactPrediction(record, parser), kinds, at: position, to: rows)
        }
        try store.connection.copyIn(table: PredictionTable.name, columns: PredictionTable.columns, rows: rows)
    }

    private func learn(_ records: [PredictionRecord]) throws -> PredictionKinds {
        var kinds = PredictionKinds()
        for record in records {
            if let compact = CompactPrediction(record, parser) { try kinds.learn(compact, in: store) }
        }
        return kinds
    }

    /// What the view shows, a row a line, without the columns that say where and under which id it is stored.
    private func shown(_ condition: String) throws -> [String] {
        let rows = try store.connection.execute(
            """
            SELECT (to_jsonb(p) - 'prediction_id' - '_offset')::text FROM predictions p WHERE \(condition) ORDER BY _offset
            """)
        return (0..<rows.count).map { rows.text($0, 0) ?? "" }
    }

    @Test(arguments: [UInt64(1), 2])
    func `the short form shows what the long one does, and is shorter`(seed: UInt64) throws {
        try store.migrate()
        var random = SplitMix64(seed)
        var records = (0..<400).map { Self.record($0, &random) }
        // A view that was not served, one without its time, a request without key and id, another threshold.
        records[1].places = [:]
        records[2].places = ["v": ["generation": -1, "topic": "t", "partition": 0, "offset": -1]]
        (records[3].asked, records[3].transactionID) = (["a": "", "b": "x", "c": 1.50, "d": "\u{FF}\\u0041\n"], "")
        records[4].threshold = 0.1
        records[5].scored = []
        try insert(records, kinds: learn(records))
        let short = try store.connection.execute(
            "SELECT count(*) FILTER (WHERE kind IS NOT NULL), sum(pg_column_size(r.*)) FROM prediction_rows r")
        #expect(short.integer(0, 0) == 400)
        try insert(
            records.map {
                var record = $0
                record.predictionID = ByteString("long-\($0.predictionID)")
                return record
            }, kinds: PredictionKinds(), from: 10_000)
        let long = try store.connection.execute(
            "SELECT count(*), sum(pg_column_size(r.*)) FROM prediction_rows r WHERE kind IS NULL")
        #expect(long.integer(0, 0) == 400)
        let (shorts, longs) = (try shown("_offset < 10000"), try shown("_offset >= 10000"))
        #expect(shorts.count == longs.count && zip(shorts, longs).first { $0 != $1 } == nil)
        #expect(try #require(short.integer(0, 1)) / 400 < 700, "bytes a row")
    }

    @Test func `a row and its share of the indexes stay within their budget`() throws {
        try store.migrate()
        var random = SplitMix64(7)
        let records = (0..<20_000).map { Self.record($0, &random) }
        let kinds = try learn(records)
        for first in stride(from: 0, to: records.count, by: 500) {
            try insert(Array(records[first..<first + 500]), kinds: kinds, from: Int64(first))
        }
        let size = try store.connection.execute("SELECT pg_total_relation_size('prediction_rows')")
        #expect(try #require(size.integer(0, 0)) / 20_000 < 900)
    }

    @Test func `every double keeps its bits`() throws {
        try store.migrate()
        var random = SplitMix64(3)
        var numbers: [Double] = [
            0, 1, 127, 128, 255.5, -1, -0.01, 0.01, 12.34, -12.34, 0.1 + 0.2, 1e-5, .leastNonzeroMagnitude,
            -.leastNonzeroMagnitude, 0x1p-1022,
            0x1.fp-1030,
            .greatestFiniteMagnitude, -.greatestFiniteMagnitude, 1e22, 0x1p53, 0x1p53 / 100, 90_071_992_547_409.91,
            1e300,
            1.0 / 3, 70_368_744_177_664,
        ]
        for _ in 0..<2_000 {
            let double = Double(bitPattern: random.next())
            if double.isFinite { numbers.append(double) }
            numbers.append(Double(Int64(bitPattern: random.next()) >> Int64(random.next() % 60 + 4)) / 100)
        }
        var record = Self.record(1, &random)
        record.scored = .array(numbers.map { .number($0) })
        try insert([record], kinds: learn([record]))
        let stored = try store.connection.execute("SELECT vector::text FROM predictions")
        let read = try JSONTree.parse(stored.text(0, 0) ?? "").array?.map { $0.double?.bitPattern }
        #expect(read == numbers.map(\.bitPattern))
    }

    @Test func `what does not fit the short form keeps the long one`() throws {
        try store.migrate()
        var random = SplitMix64(4)
        let requests: [JSONTree] = [
            ["a": ["b": 1]], ["a": nil], ["a": []], ["a": .number("1e-9999")], ["a": .number("0e5")],
            ["a": .number(String(repeating: "9", count: 40))],
            .object((0..<300).map { .init("f\($0)", 1) }), [String(repeating: "n", count: 20_000): 1],
        ]
        var records = requests.enumerated().map { index, request in
            var record = Self.record(index, &random)
            record.asked = request
            return record
        }
        for vector: JSONTree in [[true], [[1]], [.string(String(repeating: "x", count: 256))]] {
            var record = Self.record(records.count, &random)
            record.scored = vector
            records.append(record)
        }
        for position: JSONTree in [[:], ["generation": 1, "topic": "t", "partition": 0, "offset": 1.5], 7] {
            var record = Self.record(records.count, &random)
            record.places = ["v": position]
            records.append(record)
        }
        for record in records { #expect(CompactPrediction(record, parser) == nil) }
        try insert(records, kinds: PredictionKinds())
        let rows = try store.connection.execute("SELECT request::text FROM predictions ORDER BY _offset")
        #expect(rows.text(0, 0) == #"{"a": {"b": 1}}"# && rows.count == records.count)
    }

    @Test func `a kind has one number, whoever asks, and no more than so many are remembered`() throws {
        try store.migrate()
        var random = SplitMix64(5)
        var records = (0..<300).map { Self.record($0, &random) }
        for index in records.indices { records[index].modelVersion = "\(index)" }
        let (one, other) = (try learn(records), try learn(records))
        let numbers = records.map { CompactPrediction($0, parser).flatMap(one.number) }
        #expect(numbers == records.map { CompactPrediction($0, parser).flatMap(other.number) })
        #expect(Set(numbers.compactMap(\.self)).count == 256 && numbers[256...].allSatisfy { $0 == nil })
        #expect(try store.connection.execute("SELECT count(*) FROM prediction_kinds").integer(0, 0) == 256)
    }

    @Test func `answers that were stored before read as they did`() throws {
        try store.connection.execute(
            "CREATE TABLE schema_migrations (version integer PRIMARY KEY, name text, applied_at timestamptz DEFAULT now())"
        )
        for migration in Migration.all where migration.version < 15 {
            try store.connection.execute(String(decoding: migration.sql, as: UTF8.self))
            try store.connection.execute(
                "INSERT INTO schema_migrations (version, name) VALUES (\(migration.version), '\(migration.name)')")
        }
        try store.connection.execute(
            """
            INSERT INTO predictions VALUES ('p', 't', 'e', to_timestamp(1), to_timestamp(2), 's', '3', 'h', 0.25, 0.5, true, false,
            7, '{"amt": 12.30}', '[1.5, null, "x"]', '{}', 'predictions', 0, 5)
            """)
        let before = try shown("true")
        #expect(try store.migrate().first == "prediction_rows")
        #expect(try shown("true") == before && before.count == 1)
        #expect(try store.prune(.predictions, olderThanMillis: .max, limit: 10) == 1)
    }
}

/// The parts of a record as trees.
extension PredictionRecord {
    fileprivate var asked: JSONTree {
        get { (try? JSONTree.parse(request)) ?? .null }
        set { request = newValue.bytes() }
    }
    fileprivate var scored: JSONTree {
        get { (try? JSONTree.parse(vector)) ?? .null }
        set { vector = newValue.bytes() }
    }
    fileprivate var places: JSONTree {
        get { (try? JSONTree.parse(featuresAsOf)) ?? .null }
        set { featuresAsOf = newValue.bytes() }
    }
}
