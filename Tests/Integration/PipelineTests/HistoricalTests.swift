import FeatureEngine
import FeatureStore
import Foundation
import Pipeline
import PostgresClient
import PostgresOfflineStore
import TestSupport
import Testing
import TransactionData

/// `features get-historical`: F of any entity at any moment, out of the stored events.
@Suite(.enabled(if: PipelineHarness.isPossible, "\(PipelineHarness.absence)"), .serialized, .timeLimit(.minutes(5)))
struct HistoricalTests {
    private static let closed = [
        "bounds: left_closed": "bounds: right_closed", "current_event: exclude": "current_event: include",
    ]

    private func write(_ lines: [String], _ name: String, _ harness: PipelineHarness) throws -> String {
        let file = "\(harness.folder)/\(name).csv"
        try (lines.joined(separator: "\n") + "\n").write(toFile: file, atomically: true, encoding: .utf8)
        return file
    }

    private func lines(_ file: String) throws -> [String] {
        try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n").map(String.init)
    }

    private func cells(_ row: SourceRow, _ fields: [Int]) -> String {
        fields.map { CSVText.cell(row.canonicalText($0) ?? "") }.joined(separator: ",")
    }

    @Test(arguments: [[:], closed])
    func `events named by their ids have the rows of backfill, bit for bit`(definitions: [String: String]) throws {
        try compareWithBackfill(PipelineHarness("historical", replacing: definitions))
    }

    /// Merchants' events lie in several partitions of the source's topic, and in one of their own.
    @Test func `so have those of a second entity, in the order of its own topic`() throws {
        try compareWithBackfill(MerchantTests.harness("historical-merchants"))
    }

    private func compareWithBackfill(_ harness: PipelineHarness) throws {
        try harness.send(harness.troubledRecords(rows: 3_000, seed: 51))
        #expect(try harness.transformToEnd().exitCode == 0)
        let backfilled = "\(harness.folder)/backfilled.csv"
        let backfill = try harness.run(["backfill", "--from-store", "--output", backfilled])
        #expect(backfill.exitCode == 0, "\(backfill.output)")
        var expected: [Substring: Substring] = [:]
        let wanted = try lines(backfilled)
        for line in wanted.dropFirst() {
            let parts = line.split(separator: ",", maxSplits: 3, omittingEmptySubsequences: false)
            expected[parts[0]] = parts[3]
        }

        // The events in another order than the log's, with a column that is nobody's.
        var random = SeededRandom(seed: 51)
        let source = harness.source
        let fields = source.fields.indices.filter { $0 != source.eventIDIndex && $0 != source.eventTimeIndex }
        var file = [
            "note,trans_num,event_timestamp," + fields.map { source.fields[$0].name }.joined(separator: ",")
        ]
        try harness.store().scanEvents(source) { row, _ in
            file.append("a note,\(row.eventID),\(CivilTime.iso8601(row.eventTimeMillis)),\(cells(row, fields))")
        }
        file = [file[0]] + file.dropFirst().shuffled(using: &random)
        let output = "\(harness.folder)/historical.csv"
        let run = try harness.run([
            "features", "get-historical", "--entities", try write(file, "entities", harness), "--output", output,
        ])
        #expect(run.exitCode == 0, "\(run.output)")
        let rows = try lines(output)
        #expect(rows.count == file.count && rows.count == wanted.count && rows.count > 2_500)
        var wrong = 0
        for (row, entity) in zip(rows, file).dropFirst() {
            let id = row.split(separator: ",", maxSplits: 2)[1]
            let isSame = row.hasPrefix(entity + ",") && row.dropFirst(entity.count + 1) == (expected[id] ?? "none")
            if !isSame { wrong += 1 }
        }
        #expect(wrong == 0, "of \(rows.count)")
    }

    /// v by its definition: before the first event of the very moment, else the last of those before it.
    private func position(_ events: [(millis: Int64, position: Int64)], at millis: Int64) -> Int64 {
        let here = events.filter { $0.millis == millis }.map(\.position).min()
        return here.map { $0 - 1 } ?? events.filter { $0.millis < millis }.map(\.position).max() ?? -1
    }

    @Test(arguments: [[:], closed])
    func `any entity at any moment has the features of the naive oracle`(definitions: [String: String]) throws {
        let harness = try PipelineHarness("moments", replacing: definitions)
        try harness.send(harness.troubledRecords(rows: 2_000, seed: 52))
        #expect(try harness.transformToEnd().exitCode == 0)
        let source = harness.source
        var naive = NaiveFeatures(harness.view)
        var events: [String: [(millis: Int64, position: Int64)]] = [:]
        var template: SourceRow?
        try harness.store().scanEvents(source) { row, position in
            naive.insert(row, position: position.offset)
            events[row.key, default: []].append((row.eventTimeMillis, position.offset))
            template = template ?? row
        }
        let request = try #require(template)
        let service = try #require(harness.repository.services.first)
        let fields = source.fields.indices.filter { ![source.eventTimeIndex, source.keyIndex].contains($0) }
            .filter { $0 != source.eventIDIndex }
        var random = SeededRandom(seed: 52)
        var file = ["cc_num,event_timestamp," + fields.map { source.fields[$0].name }.joined(separator: ",")]
        var expected: [String] = []
        let keys = events.keys.sorted()
        for number in 0..<1_500 {
            let known = try #require(keys.randomElement(using: &random))
            let key = number % 50 == 0 ? "a card that nobody has seen \(number)" : known
            let event = try #require(events[known]?.randomElement(using: &random))
            // At events, right before and behind them, and days away.
            let aside: Int64 = [0, -1, 1, Int64.random(in: -86_400_000...86_400_000, using: &random)][number % 4]
            let millis = event.millis + aside * (number % 8 < 4 ? 1 : 20)
            file.append("\(key),\(CivilTime.iso8601(millis)),\(cells(request, fields))")
            let vector = naive.evaluate(
                entity: key, atMillis: millis, upTo: position(events[key] ?? [], at: millis), current: request)
            var line: [UInt8] = []
            for (slot, kind) in harness.view.kinds.enumerated() {
                line.append(0x2C)
                if kind == .number {
                    CSVText.append(vector.numbers[slot], to: &line)
                } else {
                    CSVText.append(category: vector.texts[slot], to: &line)
                }
            }
            // The service's first columns are the view's.
            expected.append("\(file[file.count - 1])\(String(decoding: line, as: UTF8.self)),")
        }
        #expect(service.featureNames.prefix(harness.view.features.count).allSatisfy { $0.hasPrefix("card_activity__") })
        let output = "\(harness.folder)/moments.csv"
        let run = try harness.run([
            "features", "get-historical", "--entities", try write(file, "entities", harness), "--output", output,
        ])
        #expect(run.exitCode == 0, "\(run.output)")
        let rows = try lines(output)
        #expect(rows.count == file.count)
        let wrong = zip(rows.dropFirst(), expected).filter { !$0.hasPrefix($1) }
        #expect(wrong.isEmpty, "\(wrong.count): \(wrong.first.map { "\($0.0) is not \($0.1)" } ?? "")")
    }

    @Test func `labels come when they have arrived, deleted history is missing, JSON says null`() throws {
        let harness = try PipelineHarness("historical-labels")
        let row = try #require(try harness.generatedRows(1, seed: 53, cards: 1).first)
        let text = String(decoding: harness.record(row).value ?? [], as: UTF8.self)
        let time = try #require(row.string(row.schema.eventTimeIndex))
        let day: Int64 = 86_400_000
        func millis(_ index: Int) -> Int64 { row.eventTimeMillis + Int64(index) * day }
        func key() -> [UInt8] { Array(row.key.utf8) }
        try harness.send(
            (0..<100).map { index in
                let value = text.replacing("\"\(row.eventID)\"", with: "\"d-\(index)\"")
                    .replacing(time, with: row.schema.eventTimeFormat.text(millis(index)))
                return (key(), Array(value.utf8), nil)
            })
        let topic = try #require(harness.source.label).topic
        try harness.send(
            [10, 80, 95].map { index in
                let value =
                    "{\"event_id\":\"d-\(index)\",\"label\":\(index == 80 ? 1 : 0),\"event_timestamp\":\(millis(index)),\"available_at\":\(millis(index + 7))}"
                return (key(), Array(value.utf8), nil)
            }, topic: topic)
        #expect(try harness.transformToEnd().exitCode == 0)
        #expect(try harness.run(["prune", "--event-retention-days", "45"]).exitCode == 0)
        let ids = ["d-99", "d-95", "d-81", "d-80", "d-60", "nobody's"]
        let days = [99, 95, 81, 80, 60, 99]
        let file = try write(
            ["trans_num,cc_num,event_timestamp"]
                + zip(ids, days).map { "\($0),\(row.key),\(CivilTime.iso8601(millis($1)))" }, "entities", harness)
        let run = try harness.run([
            "features", "get-historical", "--entities", file, "--labels", "--format", "jsonl",
            "--allow-missing-columns", "--output", "\(harness.folder)/rows.jsonl",
        ])
        #expect(run.exitCode == 0, "\(run.output)")
        #expect(run.output.contains("columns are missing") && run.output.contains("history that was deleted"))
        let rows = try lines("\(harness.folder)/rows.jsonl")
        #expect(rows.count == 6 && rows[0].hasPrefix("{\"trans_num\":\"d-99\",\"cc_num\":"))
        // Day 95 is known on day 102 only; before day 97 - 45 + 30 = 82 windows are not whole.
        #expect(rows.map { $0.hasSuffix("\"is_fraud\":null}") } == [true, true, true, false, true, true])
        #expect(rows[3].hasSuffix("\"is_fraud\":1}"))
        let whole = rows.map { $0.contains("\"card_activity__amt_count_30d\":30,") }
        #expect(whole == [true, true, false, false, false, true], "\(rows)")
        #expect(rows[2].contains("\"card_activity__amt_count_30d\":null,"))
        let strict = try harness.run(["features", "get-historical", "--entities", file])
        #expect(strict.exitCode == 65 && strict.output.contains("takes from the request"), "\(strict.output)")
        #expect(strict.output.contains("amt, ") && strict.output.contains("merch_lat"))
    }

    @Test func `rows that cannot be used are told by line, and nothing is written`() throws {
        let harness = try PipelineHarness("historical-refused")
        let early = try harness.run(["features", "get-historical", "--entities", "/dev/null"])
        #expect(early.exitCode == 78 && early.output.contains("features apply"), "\(early.output)")
        #expect(try harness.run(["features", "apply"]).exitCode == 0)
        let output = "\(harness.folder)/none.csv"
        func refused(_ lines: [String]) throws -> (output: String, exitCode: Int32) {
            let file = try write(lines, "entities", harness)
            return try harness.run([
                "features", "get-historical", "--entities", file, "--allow-missing-columns", "--output", output,
            ])
        }
        let keyless = try refused(["card,event_timestamp", "1,2019-01-01T00:00:00Z"])
        #expect(keyless.exitCode == 65 && keyless.output.contains("lacks cc_num"), "\(keyless.output)")
        let rows = try refused([
            "cc_num,event_timestamp,amt", "1,yesterday,1",
            "\(String(repeating: "k", count: 257)),2019-01-01T00:00:00Z,1",
            ",2019-01-01T00:00:00Z,1", "1,2019-01-01T00:00:00Z,one", "1,2019-01-01T00:00:00Z",
        ])
        #expect(rows.exitCode == 65)
        for part in [
            "line 2: event_timestamp: is no moment", "line 3: cc_num: is 257 bytes long", "line 4: cc_num: is empty",
            "line 5: amt: is not decimal(2)", "line 6: the row: has 2 cells, the header 3",
        ] {
            #expect(rows.output.contains(part), "\(part) in \(rows.output)")
        }
        #expect(!FileManager.default.fileExists(atPath: output))
        let missing = try harness.run(["features", "get-historical", "--entities", "\(harness.folder)/nothing.csv"])
        #expect(missing.exitCode == 66)
        // No events, and no rows.
        let none = try refused(["cc_num,event_timestamp"])
        #expect(none.exitCode == 0, "\(none.output)")
        #expect(try lines(output).count == 1)
    }
}
