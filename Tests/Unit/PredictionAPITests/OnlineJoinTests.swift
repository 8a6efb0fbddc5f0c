import FeatureEngine
import Pipeline
import RedisClient
import Testing

@testable import FeatureStore
@testable import PredictionAPI

/// A service with views of two entities of one source.
@Suite struct OnlineJoinTests {
    private static let source = SourceSchema(
        name: "payments", topic: "payments",
        fields: [Field("id", .string), Field("at", .integer), Field("card", .string), Field("shop", .string)],
        eventIDIndex: 0, eventTimeIndex: 1, eventTimeFormat: .unixSeconds, keyIndex: 2, label: nil)

    private let views: [StreamView] = [("card", 2), ("shop", 3)].map { name, key in
        StreamView(
            name: name, entityName: name, source: source, joinKeyIndex: key,
            features: [WindowFeature(name: "count_1h", function: .count, field: nil, windowMillis: 3_600_000)])
    }
    private let service: FeatureService
    private let row: SourceRow
    private let event: SourceRow
    private var join: OnlineJoin

    init() throws {
        service = FeatureService(
            name: "s", source: Self.source, views: views,
            columns: [
                ("card__count_1h", .stream(view: 0, index: 0), .number),
                ("shop__count_1h", .stream(view: 1, index: 0), .number),
            ], order: [0, 1], requestOnly: [], definitionHash: "h")
        join = OnlineJoin(service, project: "p", hash8: "01234567", limits: ServingLimits(), micros: { 0 })
        row = try Self.row(atSeconds: 7_200)
        event = try Self.row(atSeconds: 7_000)
    }

    private static func row(atSeconds seconds: Int) throws -> SourceRow {
        var row = SourceRow(source)
        for (index, text) in ["e", "\(seconds)", "card-1", "shop-1"].enumerated() {
            try row.set(index, text: Array(text.utf8).span)
        }
        try row.finish()
        return row
    }

    private func blob(_ view: StreamView) -> [UInt8] {
        var state = EntityState(view, generation: 1)
        _ = state.insert(event, offset: 4)
        var bytes: [UInt8] = []
        state.encode(into: &bytes)
        return bytes
    }

    @Test func `each view is read where its own entity lies, and is as whole as its own partition`() throws {
        var join = join
        #expect(join.keysPerRow == 6 && !join.isReady)
        let topics = ["payments", "payments.by-shop"]
        join.use(partitionCount: 64, of: topics[0])
        #expect(!join.isReady)
        join.use(partitionCount: 64, of: topics[1])
        #expect(join.isReady)
        var keys = OnlineKeyList()
        var read = OnlineRead()
        join.appendKeys(row, to: &keys, nowMicros: 0, into: &read)
        let partitions = ["card-1", "shop-1"].map { EntityPlacement.partition(of: $0, among: 64, by: .murmur2) }
        #expect(read.partitions == partitions && partitions[0] != partitions[1])
        let marks = zip(topics, partitions).map {
            OnlineKeys.watermark(hash8: "01234567", topic: $0, partition: Int($1))
        }
        let names = (0..<keys.count).map { String(decoding: keys[$0], as: UTF8.self) }
        #expect(
            names == [
                "p:card:01234567:card-1", "p:shop:01234567:shop-1", marks[0], marks[0] + ":alive", marks[1],
                marks[1] + ":alive",
            ])
        #expect(String(decoding: join.filter(of: 1, row, read).key, as: UTF8.self) == marks[1] + ":known")

        let whole = Watermark(generation: 1, nextOffset: 5).bytes
        let rebuilding = Watermark(generation: 1, nextOffset: 5, target: 9).bytes
        func answer(_ first: [UInt8]?, _ second: [UInt8]?) -> (Degradation, [Double], [Int32?]) {
            var vectors = service.makeViewVectors()
            var positions: [ViewPosition?] = [nil, nil]
            let values = RedisValues([blob(views[0]), blob(views[1]), first, nil, second, nil])
            let degradation = join.evaluate(
                values, read, row: row, now: Moment(wallMillis: 0, micros: 0), deadlineMicros: 1, into: &vectors,
                positions: &positions)
            return (degradation, vectors.map { $0.numbers[0] }, positions.map { $0?.partition })
        }
        let both = answer(whole, whole)
        #expect(both.0 == [] && both.1 == [1, 1] && both.2 == [partitions[0], partitions[1]])
        let cardOnly = answer(whole, nil)
        #expect(cardOnly.0 == .noWatermark && cardOnly.1[0] == 1 && cardOnly.1[1].isNaN)
        #expect(cardOnly.2 == [partitions[0], nil])
        let shopOnly = answer(rebuilding, whole)
        #expect(shopOnly.0 == .rebuilding && shopOnly.1[0].isNaN && shopOnly.1[1] == 1)
    }
}
