import FeatureEngine
import TestSupport
import Testing

@Suite(.serialized, .countsAllocations) struct EvaluationAllocationTests {
    @Test func `evaluating a view and an expression asks for no memory`() throws {
        let view = Rows.view([
            (.count, "amt", Rows.hour), (.sum, "amt", Rows.day), (.mean, "amt", Rows.day), (.std, "amt", 30 * Rows.day),
            (.max, "lat", Rows.day), (.distinctCount, "shop", Rows.day), (.secondsSinceLast, nil, nil),
            (.last, "lat", nil),
        ])
        var state = EntityState(view)
        for index in 0..<60 {
            let row = try Rows.row("\(index)", at: Int64(index) * 600_000, amt: "\(index).5", shop: "s\(index)")
            _ = state.insert(row, offset: Int64(index))
        }
        let row = try Rows.row("now", at: 61 * 600_000, amt: "7.25")
        let program = try ExpressionProgram(
            Expression(parsing: "if(amt > mean, log1p(amt / mean), hour_of_day(event_timestamp))"), scope: "",
            schema: Rows.schema
        ) { _, _, name, _ throws(ExpressionError) in
            switch name {
            case "amt": .field(3)
            case "mean": .feature(view: 0, index: 2, kind: .number)
            default: .eventTime
            }
        }
        var vectors = [FeatureVector(count: 8)]
        var vector = FeatureVector(count: 1)
        func turn() {
            state.evaluate(atMillis: row.eventTimeMillis, into: &vectors[0])
            program.evaluate(row, vectors, into: &vector, at: 0)
        }
        turn()
        #expect(allocations { for _ in 0..<1_000 { turn() } } == 0)
        #expect(vectors[0].numbers[0] == 5)
    }

    @Test func `reading a blob into a state that was there asks for no memory`() throws {
        let view = Rows.view([(.sum, "amt", Rows.day), (.distinctCount, "shop", Rows.day), (.last, "lat", nil)])
        var state = EntityState(view)
        for index in 0..<60 {
            let row = try Rows.row(
                "\(index)", at: Int64(index) * 600_000, amt: "\(index).5", shop: "s\(index)", lat: "\(index)")
            _ = state.insert(row, offset: Int64(index))
        }
        var blob: [UInt8] = []
        state.encode(into: &blob)
        var again: [UInt8] = []
        func turn() throws {
            try state.load(blob: blob.span)
            state.encode(into: &again)
        }
        try turn()
        #expect(try allocations { for _ in 0..<1_000 { try turn() } } == 0)
        #expect(again == blob)
    }
}

@Suite struct HashTests {
    @Test func `FNV-1a gives the published hashes, for bytes and for sequences`() {
        let published: [(String, UInt64)] = [
            ("", 0xcbf2_9ce4_8422_2325), ("a", 0xaf63_dc4c_8601_ec8c), ("foobar", 0x8594_4171_f739_67e8),
        ]
        for (text, hash) in published {
            #expect(FNV1a64.hash(Array(text.utf8).span) == hash)
            #expect(FNV1a64.hash(text.utf8) == hash)
        }
    }
}
