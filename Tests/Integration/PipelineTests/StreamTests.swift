import FeatureEngine
import FeatureStore
import Foundation
import JSON
import Pipeline
import PostgresClient
import PostgresOfflineStore
import TestSupport
import Testing

@Suite(.enabled(if: PipelineHarness.isPossible, Comment(rawValue: PipelineHarness.absence)), .serialized)
struct StreamTests {
    @Test(.timeLimit(.minutes(5)))
    func `a stream of 20,000 events is in both stores once, bit for bit`() throws {
        let harness = try PipelineHarness("stream")
        try harness.send(harness.troubledRecords(rows: 20_000, seed: 7))
        // A dead letter is its record and a reason: it must fit where the record did.
        try harness.send([(nil, Array(repeating: UInt8(ascii: "{"), count: 900_000), 2)])
        let run = try harness.transformToEnd()
        #expect(run.exitCode == 0, "\(run.output)")
        let oracle = try LogOracle(harness)
        #expect(oracle.accepted.count == 20_000 + 1)
        #expect(oracle.duplicates > 100)
        #expect(oracle.refused.count > 300)
        try oracle.check(harness)
        // Nothing is left to do, and doing it again changes nothing.
        let again = try harness.transformToEnd()
        #expect(again.exitCode == 0, "\(again.output)")
        try oracle.check(harness)
    }
    @Test(.timeLimit(.minutes(5)))
    func `backfill of the stored events gives the stream's rows, bit for bit`() throws {
        let harness = try PipelineHarness("backfill")
        try harness.send(harness.troubledRecords(rows: 5_000, seed: 8))
        #expect(try harness.transformToEnd().exitCode == 0)
        let file = harness.folder + "/features.csv"
        let run = try harness.run(["backfill", "--from-store", "--view", harness.view.name, "--output", file])
        #expect(run.exitCode == 0, "\(run.output)")
        var streamed: [String: FeatureVector] = [:]
        try harness.store().scanFeatures(harness.view) { id, _, vector in streamed[id] = vector }
        let lines = try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n")
        #expect(lines.count == streamed.count + 1)
        let names = lines[0].split(separator: ",").suffix(harness.view.features.count)
        #expect(names.map(String.init) == harness.view.features.map(\.name))
        var wrong = 0
        for line in lines.dropFirst() {
            let cells = line.split(separator: ",", omittingEmptySubsequences: false)
            var vector = FeatureVector(count: harness.view.features.count)
            for (index, cell) in cells.suffix(vector.count).enumerated() {
                vector.numbers[index] = Double(cell) ?? .nan
            }
            if streamed[String(cells[0])]?.isIdentical(to: vector) != true { wrong += 1 }
        }
        #expect(wrong == 0)
    }

    @Test func `a server that is away is named, after the wait`() throws {
        let port = try TestEnvironment.freePort()
        let harness = try PipelineHarness("away")
        for (name, url) in [
            ("DATABASE_URL", "postgresql://needletail@127.0.0.1:\(port)/x"),
            ("REDIS_URL", "redis://:secret@127.0.0.1:\(port)"),
            ("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:\(port)"),
        ] {
            guard let needletail = PipelineHarness.needletail else { throw TestServerError(PipelineHarness.absence) }
            let run = try TestCommand.run(
                [needletail, "transform", "--server-wait-seconds", "1"],
                environment: harness.environment.merging([name: url]) { $1 }, seconds: 60)
            #expect(run.exitCode == 69)
            #expect(run.output.contains("\(port)"), "\(run.output)")
            #expect(!run.output.contains("secret"))
        }
    }
    /// Sends JSON texts to a topic under one key, so that they stay in order.
    private func send(_ texts: [String], to topic: String, _ harness: PipelineHarness) throws {
        try harness.send(texts.map { (Array("4000".utf8), Array($0.utf8), nil) }, topic: topic)
    }

    private func dead(_ topic: String, _ harness: PipelineHarness) throws -> [String] {
        let result = try harness.store().connection.query(
            "SELECT reason FROM dead_letters WHERE _topic = $1 ORDER BY _offset", [.text(topic)])
        return (0..<result.count).map { result.text($0, 0) ?? "" }
    }

    @Test(.timeLimit(.minutes(2)))
    func `labels are kept once, and one that contradicts another is refused`() throws {
        let harness = try PipelineHarness("labels")
        guard let topic = harness.source.label?.topic else { throw TestServerError("no labels") }
        func label(_ id: String, _ value: Int, at available: Int) -> String {
            "{\"event_id\": \"\(id)\", \"label\": \(value), \"event_timestamp\": 1000, \"available_at\": \(available)}"
        }
        try send(
            [
                label("a", 0, at: 2_000), label("a", 0, at: 2_000), label("a", 1, at: 2_000), label("a", 1, at: 3_000),
                label("b", 2, at: 2_000), label("b", 1, at: 2_000),
            ], to: topic, harness)
        #expect(try harness.transformToEnd().exitCode == 0)
        try send([label("b", 0, at: 2_000), label("b", 1, at: 2_000), label("c", 0, at: 2_000)], to: topic, harness)
        #expect(try harness.transformToEnd().exitCode == 0)
        let stored = try harness.store().connection.execute(
            "SELECT event_id || label || extract(epoch FROM available_at)::int FROM labels ORDER BY _offset")
        #expect((0..<stored.count).map { stored.text($0, 0) } == ["a02", "a13", "b12", "c02"])
        let reasons = try dead(topic, harness)
        #expect(reasons.count == 3)
        #expect(
            reasons[0].contains("contradicts") && reasons[1].contains("neither 0 nor 1")
                && reasons[2].contains("contradicts"))
    }

    @Test(.timeLimit(.minutes(2)))
    func `a prediction with a value Postgres never takes is one dead letter, and the others are stored`() throws {
        let harness = try PipelineHarness("predictions", ownBroker: true)
        let texts = (0..<60).map { index in
            """
            {"prediction_id": "p\(index % 50)", "transaction_id": "t", "created_at": 1, "event_timestamp": 2, "service": "s",
            "model_version": "3", "definition_hash": "h", "probability": 0.25, "threshold": 0.5, "is_fraud": \(index % 2 == 0),
            "degraded": false, "latency_micros": 7, "request": {"amt": 12.30}, "features_as_of": {},
            "vector": [\(index == 20 ? "1e400000" : "1.5"), null, "x"]}
            """
        }
        try send(texts, to: PipelineTopics.predictions, harness)
        let run = try harness.transformToEnd()
        #expect(run.exitCode == 0, "\(run.output)")
        let stored = try harness.store().connection.execute(
            "SELECT count(*), count(*) FILTER (WHERE is_alert), min(request->>'amt'), min(entity) FROM predictions")
        #expect(stored.integer(0, 0) == 49)
        #expect(stored.integer(0, 1) == 24)
        #expect(stored.text(0, 2) == "12.30" && stored.text(0, 3) == "4000")
        let reasons = try dead(PipelineTopics.predictions, harness)
        #expect(reasons.count == 1)
        #expect(reasons.first?.contains("22003") == true)
    }

    @Test(.timeLimit(.minutes(2)))
    func `late and tied events count where they belong, in the rows and asked online at the edges`() throws {
        let harness = try PipelineHarness("edges", replacing: ["yyyy-MM-dd HH:mm:ss": "iso8601"])
        let base: Int64 = 1_546_300_800_000
        let arrivals: [(millis: Int64, amount: Int64)] = [
            (3_600_000, 1), (0, 2), (0, 4), (7_200_000, 8), (3_599_999, 16),
        ]
        let template = try #require(harness.generatedRows(10, seed: 3, cards: 1).first)
        let text = String(decoding: harness.record(template).value ?? [], as: UTF8.self)
        let time = harness.source.fields[harness.source.eventTimeIndex].name
        let records = try arrivals.enumerated().map { (number, arrival) throws -> PipelineHarness.Record in
            guard case .object(var members) = try JSONTree.parse(text) else { throw TestServerError("no object") }
            for (index, member) in members.enumerated() {
                switch member.key {
                case "trans_num": members[index].value = .string("edge-\(number)")
                case "amt": members[index].value = .number("\(arrival.amount).00")
                case time: members[index].value = .string(CivilTime.iso8601(base + arrival.millis))
                default: break
                }
            }
            return (Array(template.key.utf8), JSONTree.object(members).bytes(), nil)
        }
        try harness.send(records)
        let run = try harness.transformToEnd()
        #expect(run.exitCode == 0, "\(run.output)")

        let count = try #require(harness.view.features.firstIndex { $0.name == "amt_count_1h" })
        var rows: [String: Double] = [:]
        try harness.store().scanFeatures(harness.view) { id, _, vector in rows[id] = vector.numbers[count] }
        #expect((0..<5).map { rows["edge-\($0)"] } == [0, 0, 0, 1, 2])

        // At 3600 s all three before it count; a millisecond later the two at 0 s have aged out and the one at 3600 s is in.
        for (millis, events, sum) in [(Int64(3_600_000), 3.0, 22.0), (3_600_001, 2, 17), (7_200_000, 1, 1)] {
            let answer = try TestCommand.run(
                [
                    PipelineHarness.needletail ?? "", "features", "get-online", "--entity", template.key, "--at",
                    CivilTime.iso8601(base + millis), "--json",
                ], environment: harness.environment.merging(["LOG_LEVEL": "error"]) { $1 })
            #expect(answer.exitCode == 0, "\(answer.output)")
            let features = try JSONTree.parse(answer.output)["views"]?[harness.view.name]?["features"]
            #expect(features?["amt_count_1h"]?.double == events)
            #expect(features?["amt_sum_1h"]?.double == sum)
        }
    }
}
