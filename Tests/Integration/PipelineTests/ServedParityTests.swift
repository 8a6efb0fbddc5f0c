import FeatureEngine
import FeatureStore
import Foundation
import JSON
import Pipeline
import PostgresClient
import PostgresOfflineStore
import TestSupport
import Testing
import TransactionData

/// What the model is served, against what it is trained on: the same bits.
@Suite(.enabled(if: PipelineHarness.isPossible, Comment(rawValue: PipelineHarness.absence)), .serialized)
struct ServedParityTests {
    /// One logged prediction.
    private struct Served {
        let row: SourceRow
        /// By view.
        let offsets: [String: Int64]
        let vector: FeatureVector
    }

    @Test(.timeLimit(.minutes(5)))
    func `500 requests amid the stream and 500 after it see F at their position, bit for bit`() throws {
        let harness = try PipelineHarness("served")
        let service = try #require(harness.repository.services.first)
        let rows = try harness.generatedRows(20_000, seed: 77, cards: 500)
        let api = try API(harness, csv: harness.folder + "/transactions-77.csv")
        let running = try harness.startTransform()

        // Requests come for events just sent, sent long ago, and not sent yet.
        var random = SeededRandom(seed: 77)
        let amid = Array(rows.indices.shuffled(using: &random).prefix(500))
        // Retention is part of F: a card's state reaches back R + S from its newest event, so only of the last S do all windows.
        var newest: [String: Int64] = [:]
        for row in rows { newest[row.key] = max(newest[row.key] ?? 0, row.eventTimeMillis) }
        let recent = rows.indices.filter {
            rows[$0].eventTimeMillis >= (newest[rows[$0].key] ?? 0) - StreamView.disorderMillis
        }
        let after = Array(Set(recent).subtracting(amid).sorted().prefix(500))
        #expect(after.count == 500)
        let records = rows.map(harness.record)
        var asked = 0
        try harness.feed(records, piece: 1_000) { piece in
            while asked < piece * 25 {
                try api.predict(rows[amid[asked]])
                asked += 1
            }
        }
        #expect(running.terminate(), "\(running.log.suffix(2_000))")
        var run = try harness.transformToEnd()
        #expect(run.exitCode == 0, "\(run.output.suffix(2_000))")
        for index in after { try api.predict(rows[index]) }
        try api.stop()
        run = try harness.transformToEnd()
        #expect(run.exitCode == 0, "\(run.output.suffix(2_000))")

        let oracle = try LogOracle(harness)
        let served = try predictions(harness, service)
        let wrong = try differing(served, rows, amid + after, service, [harness.view.name: oracle.naive])
        #expect(wrong == 0, "the logged vector is F at the logged position")
        let seen = Set(amid.compactMap { served[rows[$0].eventID]?.offsets[harness.view.name] })
        #expect(seen.count > 100, "the stream moved meanwhile")

        // At rest a request for a stored transaction sees its stored row, unless an event came behind it and is older.
        var stored: [String: FeatureVector] = [:]
        try harness.store().scanFeatures(harness.view) { id, _, vector in stored[id] = vector }
        let positions = Dictionary(
            uniqueKeysWithValues: oracle.accepted.map { ($0.value.row.eventID, $0.key.offset) })
        var compared = 0
        for index in after {
            let row = rows[index]
            let overtaken = oracle.accepted.values.contains {
                $0.row.key == row.key && $0.position.offset > (positions[row.eventID] ?? 0)
                    && $0.row.eventTimeMillis < row.eventTimeMillis
            }
            guard !overtaken, let prediction = served[row.eventID], let features = stored[row.eventID] else { continue }
            var expected = service.makeVector()
            service.assemble(row: row, viewVectors: [features], into: &expected)
            #expect(prediction.vector.isIdentical(to: expected), "transaction \(row.eventID)")
            compared += 1
        }
        #expect(compared > 450)
    }

    @Test(.timeLimit(.minutes(5)))
    func `requests see F of their card and of their merchant, each at its own position, bit for bit`() throws {
        let harness = try MerchantTests.harness("served-merchants")
        let service = try #require(harness.repository.services.first)
        let rows = try harness.generatedRows(6_000, seed: 78, cards: 300)
        _ = try harness.generatedRows(20_000, seed: 79, cards: 500)  // with frauds enough for a model
        let api = try API(harness, csv: harness.folder + "/transactions-79.csv")
        var running = try harness.startTransform()
        var random = SeededRandom(seed: 78)
        let chosen = Array(rows.indices.shuffled(using: &random).prefix(400))
        var asked = 0
        try harness.feed(rows.map(harness.record), piece: 500) { piece in
            while asked < piece * 25 {
                try api.predict(rows[chosen[asked]])
                asked += 1
            }
            guard piece == 5 else { return }
            running.killNow()
            running = try harness.startTransform()
        }
        #expect(running.terminate(), "\(running.log.suffix(2_000))")
        var run = try harness.transformToEnd()
        #expect(run.exitCode == 0, "\(run.output.suffix(2_000))")
        for index in chosen[asked...] { try api.predict(rows[index]) }
        try api.stop()
        run = try harness.transformToEnd()
        #expect(run.exitCode == 0, "\(run.output.suffix(2_000))")

        let cards = try LogOracle(harness)
        let merchants = try LogOracle(harness, MerchantTests.merchants(harness), own: cards)
        let served = try predictions(harness, service)
        let wrong = try differing(
            served, rows, chosen, service, [harness.view.name: cards.naive, "merchant_activity": merchants.naive])
        #expect(wrong == 0, "the logged vector is F at the logged positions")
        let seen = Set(chosen.compactMap { served[rows[$0].eventID]?.offsets["merchant_activity"] })
        #expect(seen.count > 100, "the stream moved meanwhile")
    }

    /// How many of the chosen rows were answered with another vector than F at the positions that were logged.
    private func differing(
        _ served: [String: Served], _ rows: [SourceRow], _ chosen: [Int], _ service: FeatureService,
        _ naive: [String: NaiveFeatures]
    ) throws -> Int {
        var wrong = 0
        for index in chosen {
            let prediction = try #require(served[rows[index].eventID], "a prediction was not logged")
            let row = prediction.row
            let seen = try service.views.map { view in
                try #require(naive[view.name]).evaluate(
                    entity: row.canonicalText(view.joinKeyIndex) ?? "", atMillis: row.eventTimeMillis,
                    upTo: try #require(prediction.offsets[view.name]))
            }
            var expected = service.makeVector()
            service.assemble(row: row, viewVectors: seen, into: &expected)
            if !prediction.vector.isIdentical(to: expected) { wrong += 1 }
        }
        return wrong
    }

    /// The stored predictions of this test's topic, by transaction.
    private func predictions(_ harness: PipelineHarness, _ service: FeatureService) throws -> [String: Served] {
        let result = try harness.store().connection.execute(
            "SELECT request::text, vector::text, features_as_of::text, degraded FROM predictions")
        let decoder = EventDecoder(harness.source)
        var row = SourceRow(harness.source)
        var served: [String: Served] = [:]
        for index in 0..<result.count {
            let asOf = try JSONTree.parse(result.text(index, 2) ?? "")
            guard asOf[harness.view.name]?["topic"]?.string == harness.topic else { continue }
            var offsets: [String: Int64] = [:]
            for view in service.views { offsets[view.name] = asOf[view.name]?["offset"]?.int.map { Int64($0) } }
            try decoder.decode(Array((result.text(index, 0) ?? "").utf8).span, into: &row)
            guard let values = try JSONTree.parse(result.text(index, 1) ?? "").array else { continue }
            var vector = service.makeVector()
            #expect(values.count == vector.count)
            for (slot, value) in values.enumerated() {
                if service.kinds[slot] == .category {
                    vector.texts[slot] = value.string
                } else {
                    vector.numbers[slot] = value.double ?? .nan
                }
            }
            served[row.eventID] = Served(row: row, offsets: offsets, vector: vector)
        }
        return served
    }

    /// The real API with a real model, logging to the pipeline's broker.
    private struct API {
        private let process: TestProcess
        private let client: HTTPTestClient
        private let encoder: EventEncoder

        init(_ harness: PipelineHarness, csv: String) throws {
            guard let needletail = PipelineHarness.needletail else { throw TestServerError(PipelineHarness.absence) }
            let model = harness.folder + "/model"
            let training = try TestCommand.run(
                [needletail, "train", "--input", csv, "--output", model, "--no-register", "--rounds", "15"],
                environment: harness.environment)
            guard training.exitCode == 0 else { throw TestServerError(training.output) }
            let port = try TestEnvironment.freePort()
            process = try TestProcess(
                [
                    needletail, "serve", "--model", model, "--port", "\(port)", "--partitions",
                    "\(harness.partitionCount)", "--redis-deadline-millis", "5000",
                ], environment: harness.environment, logPath: harness.folder + "/serve.log")
            let process = process
            guard
                TestEnvironment.waits(
                    seconds: 30,
                    until: { (try? HTTPTestClient(port: port))?.get("/health/ready")?.status == 200 })
            else { throw TestServerError("the API is not ready: \(process.log.suffix(2_000))") }
            client = try HTTPTestClient(port: port)
            encoder = EventEncoder(harness.source)
        }

        func predict(_ row: SourceRow) throws {
            var bytes: [UInt8] = []
            encoder.encode(row, into: &bytes)
            // A pipeline that has not stored anything yet has no watermark; the answer says so, and we ask again.
            for _ in 0..<500 {
                let answer = client.post("/api/v1/predict?explain=false", String(decoding: bytes, as: UTF8.self))
                guard let answer, answer.status == 200 else { throw TestServerError("no prediction: \(answer as Any)") }
                if answer.body.contains("\"degraded\":false") { return }
                usleep(20_000)
            }
            throw TestServerError("every answer is degraded")
        }

        func stop() throws {
            guard process.terminate() else {
                throw TestServerError("serve does not stop: \(process.log.suffix(2_000))")
            }
        }
    }
}
