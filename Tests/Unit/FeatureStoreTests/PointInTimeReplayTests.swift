import FeatureEngine
import FeatureStore
import Testing

@Suite struct PointInTimeReplayTests {
    private static let source = SourceSchema(
        name: "payments", topic: "payments",
        fields: [
            Field("id", .string), Field("at", .integer), Field("card", .string), Field("shop", .string),
            Field("amount", .decimal(places: 2)),
        ],
        eventIDIndex: 0, eventTimeIndex: 1, eventTimeFormat: .unixSeconds, keyIndex: 2, label: nil)

    private static func view(_ name: String, key: Int) -> StreamView {
        StreamView(
            name: name, entityName: name, source: source, joinKeyIndex: key,
            features: [
                WindowFeature(name: "count_1h", function: .count, field: nil, windowMillis: 3_600_000),
                WindowFeature(name: "amount_sum_1h", function: .sum, field: 4, windowMillis: 3_600_000),
            ])
    }

    private func row(_ id: String, _ seconds: Int, _ card: String, _ shop: String, _ amount: String) throws -> SourceRow
    {
        var row = SourceRow(Self.source)
        for (index, text) in [id, "\(seconds)", card, shop, amount].enumerated() {
            try row.set(index, text: Array(text.utf8).span)
        }
        try row.finish()
        return row
    }

    @Test func `each event sees what came before it in the log, by card and by shop`() throws {
        var replay = PointInTimeReplay(views: [Self.view("card", key: 2), Self.view("shop", key: 3)])
        var vectors = replay.views.map { FeatureVector(count: $0.features.count) }
        // Arrival order 3600, 0, 0, 7200, 3599 s of one card: late events count only after they arrived.
        let events = [("a", 3_600, 1), ("b", 0, 2), ("c", 0, 4), ("d", 7_200, 8), ("e", 3_599, 16)]
        var counts: [Double] = []
        for (position, event) in events.enumerated() {
            let event = try row(event.0, event.1, "card 1", "shop \(event.0)", "\(event.2).00")
            #expect(replay.next(event, position: Int64(position), into: &vectors))
            counts.append(vectors[0].numbers[0])
            #expect(vectors[1].numbers == [0, 0])
        }
        #expect(counts == [0, 0, 0, 1, 2])
        #expect(replay.next(try row("f", 3_600, "card 1", "shop a", "1.00"), position: 5, into: &vectors))
        #expect(vectors[0].numbers == [3, 22])
    }

    @Test func `an event id counts once`() throws {
        var replay = PointInTimeReplay(views: [Self.view("card", key: 2)])
        var vectors = replay.views.map { FeatureVector(count: $0.features.count) }
        #expect(replay.next(try row("a", 10, "card 1", "shop", "1.00"), position: 0, into: &vectors))
        #expect(!replay.next(try row("a", 20, "card 1", "shop", "9.00"), position: 1, into: &vectors))
        #expect(replay.next(try row("b", 30, "card 1", "shop", "1.00"), position: 2, into: &vectors))
        #expect(vectors[0].numbers == [1, 1])
        #expect(replay.duplicates == 1)
    }
}
