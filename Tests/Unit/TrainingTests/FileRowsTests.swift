import FeatureStore
import Foundation
import FraudModel
import ServiceRuntime
import TestSupport
import Testing

@testable import Training

/// `train --input`: order, labels that have not arrived, and definitions that have changed.
@Suite struct FileRowsTests {
    private let folder: String

    init() throws {
        folder = try TestEnvironment.temporaryFolder("rows")
        try write(window: "24h", to: "feature_repo")
    }

    private func write(window: String, to name: String) throws {
        try FileManager.default.createDirectory(atPath: "\(folder)/\(name)", withIntermediateDirectories: true)
        let text = """
            project: rows
            online_store: {type: redis, url: "redis://user:secret@localhost"}
            offline_store:
              type: postgres
              url: "postgresql://user:secret@localhost/db"
            ---
            kind: source
            name: payments
            topic: payments
            event_id: id
            event_timestamp: {field: at, format: unix_seconds}
            fields: {id: string, at: integer, card: string, amount: decimal(2)}
            label: {field: fraud, topic: labels, delay: 7d}
            ---
            kind: stream_feature_view
            name: card
            entity: {name: card, join_key: card, type: string}
            source: payments
            aggregations:
              - {column: amount, functions: [count, sum], windows: [\(window)]}
            ---
            kind: on_demand_feature_view
            name: payment
            inputs: [request]
            features: {amount: amount}
            ---
            kind: feature_service
            name: shop
            features: [card, payment]
            """
        try Data(text.utf8).write(to: URL(fileURLWithPath: "\(folder)/\(name)/all.yaml"))
    }

    private func service(_ name: String = "feature_repo") throws -> FeatureService {
        let repository = try FeatureRepository.load(directory: "\(folder)/\(name)", environment: [:])
        return try #require(repository.services.first)
    }

    private static let start = 1_546_300_800
    /// One row an hour of event time.
    private func lines(_ count: Int) -> [String] {
        (0..<count).map { "e\($0),\(Self.start + $0 * 3_600),c\($0 % 7),\($0 % 90).25,\($0 % 10 == 0 ? 1 : 0)" }
    }

    private func rows(_ lines: [String], allowsMalformed: Bool = false) throws -> TrainingSet {
        let path = folder + "/rows.csv"
        try Data((["id,at,card,amount,fraud"] + lines).joined(separator: "\n").utf8).write(
            to: URL(fileURLWithPath: path))
        return try FileRows(file: path, allowsMalformed: allowsMalformed).rows(of: service(), ServiceRuntime())
    }

    @Test func `labels younger than the delay before the newest event do not count`() throws {
        let set = try rows(lines(1_000))
        // The two newest rows are left out of "newest": hour 997, less seven days.
        #expect(set.count == 997 - 7 * 24 + 1)
        #expect(set.ids.count == set.count && Set(set.ids).count == set.count)
    }

    @Test func `one row with a wrong time makes no label arrive`() throws {
        let honest = try rows(lines(1_000))
        // In 2025, five years after all others: plausible, and wrong.
        let set = try rows(lines(1_000) + ["late,1735689600,c1,5.00,0"])
        #expect(set.count == honest.count + 1)  // the third newest is one hour later now
        #expect(set.timesMillis.max() == Int64(Self.start + 829 * 3_600 + 3_600) * 1_000)
    }

    @Test func `a file that is not in time order is refused, one with a few late rows is not`() throws {
        var random = SplitMix64(1)
        let shuffled = lines(1_000).map { ($0, random.next()) }.sorted { $0.1 < $1.1 }.map(\.0)
        for wrong in [shuffled, lines(1_000).reversed()] {
            let error = #expect(throws: CommandError.self) { try rows(wrong) }
            #expect(error?.exitCode == .dataError)
            #expect(error?.message.contains("not in time order") == true, "\(String(describing: error))")
        }
        var late = lines(1_000)
        for place in [100, 300, 500] { late.swapAt(place, place + 60) }
        #expect(try rows(late).count > 800)
        // A step back of a day, as files whose leap day is folded have it.
        let all = lines(1_000)
        let folded = Array(all[..<500] + all[524..<548] + all[500..<524] + all[548...])
        #expect(try rows(folded).count > 800)
    }

    @Test func `rows that are no events end the training unless they may be left out`() throws {
        let broken = lines(500) + ["x,y,c1,5.00,0"]
        let error = #expect(throws: CommandError.self) { try rows(broken) }
        #expect(error?.exitCode == .dataError && error?.message.contains("1 of 501 rows") == true)
        #expect(try rows(broken, allowsMalformed: true).count == rows(lines(500)).count)
    }

    @Test func `a model's folder keeps its definitions without the stores' addresses`() throws {
        let files = DefinitionFile.read(folder + "/feature_repo")
        #expect(files.map(\.name) == ["all.yaml"])
        #expect(!files[0].text.contains("secret") && files[0].text.contains("project: rows"))
        let kept = folder + "/model/feature_repo"
        try FileManager.default.createDirectory(atPath: kept, withIntermediateDirectories: true)
        try Data(files[0].text.utf8).write(to: URL(fileURLWithPath: kept + "/all.yaml"))
        let hash = try service().definitionHash
        #expect(DefinitionFile.service(of: "shop", hash: hash, in: folder + "/model")?.definitionHash == hash)
        #expect(DefinitionFile.service(of: "shop", hash: "another", in: folder + "/model") == nil)
        #expect(DefinitionFile.service(of: "shop", hash: hash, in: folder + "/none") == nil)
    }

    @Test func `a champion of other definitions is measured on its own features of the same events`() throws {
        let path = folder + "/rows.csv"
        // Frauds come after a payment of the same card within the day: only a window sees them.
        var random = SplitMix64(2)
        var text = "id,at,card,amount,fraud\n"
        var previous: [Int: Int] = [:]
        for row in 0..<12_000 {
            let card = Int(random.next() % 400)
            let isFraud = row - (previous[card] ?? -1_000) < 20 && random.uniform() < 0.9
            previous[card] = row
            text += "e\(row),\(Self.start + row * 3_600),c\(card),\(random.next() % 90).25,\(isFraud ? 1 : 0)\n"
        }
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        try write(window: "1h", to: "changed")
        let store = MemoryModelStore(modelsFolder: folder + "/models")
        let file = FileRows(file: path, allowsMalformed: false)
        func train(_ name: String) throws -> TrainingRun.Outcome {
            var run = TrainingRun(parameters: Rows.parameters(rounds: 30))
            run.definitions = DefinitionFile.read("\(folder)/\(name)")
            let set = try file.rows(of: service(name), ServiceRuntime())
            let trained = try run.train(set, ServiceRuntime())
            return try run.finish(trained, set, registry: store, ServiceRuntime()) { other, wanted in
                try file.rows(of: other, wanted: wanted, ServiceRuntime())
            }
        }
        let first = try train("feature_repo")
        #expect(first.verdict.name == "promoted")
        // The shorter window sees nothing: the present champion is better, though it cannot serve these definitions.
        let blind = try train("changed")
        #expect(blind.verdict.name == "kept", "\(blind.verdict)")
        #expect(blind.verdict.reason.contains("clearly below"))
        #expect(blind.verdict.reason.contains("cannot serve these definitions; --force"))
        let comparison = try #require(blind.comparison)
        #expect(comparison.champion.rows == first.card.holdout.rows)
        // It is measured as it was when it was trained: the same rows, the same bits of features.
        #expect(comparison.champion.averagePrecision == first.card.metrics.averagePrecision)
        #expect(store.champions == ["shop": 1])
        // One window more is no better on these rows; it is as good, and the champion serves nobody under it.
        try write(window: "24h, 48h", to: "wider")
        let wider = try train("wider")
        #expect(wider.verdict.name == "promoted", "\(wider.verdict)")
        #expect(try #require(wider.comparison).champion == comparison.champion)
        #expect(store.champions == ["shop": 3])
    }
}
