import Compression
import FeatureEngine
import FeatureStore
import Foundation
import ServiceRuntime
import TestSupport
import Testing
import TransactionData

@testable import BatchFeatures

/// Cards, ids and categories that one Swift `String` comparison takes for one: engine, backfill, replay and oracle keep them
/// apart alike.
@Suite struct EquivalentTextTests {
    static let source = SourceSchema(
        name: "payments", topic: "payments",
        fields: [
            Field("id", .string), Field("at", .integer), Field("card", .string), Field("shop", .string),
            Field("amount", .decimal(places: 2)),
        ],
        eventIDIndex: 0, eventTimeIndex: 1, eventTimeFormat: .unixSeconds, keyIndex: 2, label: nil)

    static let view = StreamView(
        name: "card", entityName: "card", source: source, joinKeyIndex: 2,
        features: [
            WindowFeature(name: "count_1h", function: .count, field: nil, windowMillis: 3_600_000),
            WindowFeature(name: "amount_sum_1h", function: .sum, field: 4, windowMillis: 3_600_000),
            WindowFeature(name: "shop_distinct_count_1h", function: .distinctCount, field: 3, windowMillis: 3_600_000),
            WindowFeature(name: "shop_last", function: .last, field: 3, windowMillis: nil),
            WindowFeature(name: "shop_first", function: .first, field: 3, windowMillis: nil),
        ])

    static let spellings = ["caf\u{E9}", "cafe\u{301}", "\u{212B}ngstr\u{F6}m", "\u{C5}ngstro\u{308}m"]

    static func csv(seed: UInt64) -> String {
        var random = SeededRandom(seed: seed)
        var lines = ["id,at,card,shop,amount"]
        for row in 0..<400 {
            // Every id comes in both spellings, and some twice.
            let id = "\(row % 2 == 0 ? "\u{E9}" : "e\u{301}")\(row % 17 == 16 ? row / 2 - 3 : row / 2)"
            let card = spellings[Int.random(in: 0..<4, using: &random)]
            let shop = spellings[Int.random(in: 0..<4, using: &random)]
            lines.append("\(id),\(1_000_000 + row * 120),\(card),\(shop),\(row).25")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// The rows of the file in which each vector stands, by event id.
    static func rows(_ text: String) throws -> [SourceRow] {
        let csv = try TransactionCSV(ByteSource(bytes: Array(text.utf8)), schema: source)
        var rows: [SourceRow] = []
        var row = SourceRow(source)
        while case .row = try csv.next(into: &row) { rows.append(row) }
        return rows
    }

    @Test(arguments: [UInt64(1), 2])
    func `stream engine, backfill, replay and oracle agree on them`(seed: UInt64) throws {
        let text = Self.csv(seed: seed)
        let rows = try Self.rows(text)
        #expect(rows.count == 400)
        var replay = PointInTimeReplay(views: [Self.view])
        var vectors = [FeatureVector(count: Self.view.features.count)]
        var naive = NaiveFeatures(Self.view)
        var line = FeatureLine(Self.source, kinds: Self.view.kinds)
        var (oracle, replayed) = ([UInt8](), [UInt8]())
        var stored: [ByteString: [UInt8]] = [:]  // one blob a card, as Redis keeps them
        for (position, row) in rows.enumerated() {
            let expected = naive.evaluate(entity: row.key, atMillis: row.eventTimeMillis)
            let isNew = naive.insert(row, position: Int64(position))
            #expect(replay.next(row, position: Int64(position), into: &vectors) == isNew)
            guard isNew else { continue }
            line.append(row, expected, to: &oracle)
            line.append(row, vectors[0], to: &replayed)
            // The stream: a state from its blob, evaluated, inserted, encoded again.
            var state =
                try stored[row.keyBytes].map { try EntityState(Self.view, blob: $0.span) } ?? EntityState(Self.view)
            var vector = FeatureVector(count: Self.view.features.count)
            state.evaluate(atMillis: row.eventTimeMillis, into: &vector)
            #expect(vector.isIdentical(to: expected), "seed \(seed), row \(position)")
            #expect(state.insert(row, offset: Int64(position)) == .kept)
            var blob: [UInt8] = []
            state.encode(into: &blob)
            stored[row.keyBytes] = blob
        }
        #expect(stored.count == 4)
        #expect(replay.duplicates > 10)
        #expect(replayed == oracle, "seed \(seed)")
        let header = FeatureLine.header(Self.source, features: Self.view.features.map(\.name))
        for threads in [1, 3] {
            let result = try FileBackfillTests.backfill(text, .view(Self.view), threads: threads)
            #expect(result.bytes == header + oracle, "seed \(seed), \(threads) threads")
            #expect(result.summary.duplicates == replay.duplicates)
        }
    }

    @Test func `a vector's texts are compared by their bytes`() {
        var (left, right) = (FeatureVector(count: 1), FeatureVector(count: 1))
        (left.texts[0], right.texts[0]) = ("\u{E9}", "e\u{301}")
        #expect(!left.isIdentical(to: right))
        right.texts[0] = "\u{E9}"
        #expect(left.isIdentical(to: right))
        right.texts[0] = nil
        #expect(!left.isIdentical(to: right))
    }
}
