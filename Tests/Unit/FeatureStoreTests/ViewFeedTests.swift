import FeatureEngine
import FeatureStore
import Testing

@Suite struct ViewFeedTests {
    private static let source = SourceSchema(
        name: "payments", topic: "payments",
        fields: [
            Field("id", .string), Field("at", .integer), Field("card", .string), Field("shop", .integer),
        ], eventIDIndex: 0, eventTimeIndex: 1, eventTimeFormat: .unixSeconds, keyIndex: 2, label: nil)

    private func view(_ name: String, key: Int) -> StreamView {
        StreamView(
            name: name, entityName: name, source: Self.source, joinKeyIndex: key,
            features: [WindowFeature(name: "count_1h", function: .count, field: nil, windowMillis: 3_600_000)])
    }

    @Test func `views of one key are one feed, and another key is another`() {
        let feeds = ViewFeed.feeds(of: [view("a", key: 2), view("shop", key: 3), view("b", key: 2)])
        #expect(feeds.map(\.keyIndex) == [2, 3])
        #expect(feeds.map { $0.views.map(\.name) } == [["a", "b"], ["shop"]])
        #expect(feeds.map(\.topic) == ["payments", "payments.by-shop"] && feeds.map(\.isRekeyed) == [false, true])
        #expect(feeds.allSatisfy { $0.source === Self.source })
    }

    @Test func `an entity's partition is that of its own key`() throws {
        var row = SourceRow(Self.source)
        for (index, text) in ["e", "5", "4992346398065154184", "77"].enumerated() {
            try row.set(index, text: Array(text.utf8).span)
        }
        try row.finish()
        let feeds = ViewFeed.feeds(of: [view("a", key: 2), view("shop", key: 3)])
        #expect(
            feeds[0].partition(of: row, among: 4)
                == EntityPlacement.partition(of: "4992346398065154184", among: 4, by: .murmur2))
        #expect(feeds[1].partition(of: row, among: 64) == EntityPlacement.partition(of: "77", among: 64, by: .murmur2))
    }

    @Test func `a source without views is read all the same`() throws {
        let repository = try Repositories.load(["source.yaml": Repositories.source])
        #expect(repository.feeds.map(\.topic) == ["tx"] && repository.feeds[0].views.isEmpty)
        let whole = try Repositories.load(["source.yaml": Repositories.source, "view.yaml": Repositories.view])
        #expect(whole.feeds.count == 1 && whole.feeds[0].views.map(\.name) == ["act"])
    }
}
