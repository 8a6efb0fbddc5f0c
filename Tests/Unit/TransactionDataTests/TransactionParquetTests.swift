import Compression
import FeatureEngine
import Parquet
import TestSupport
import Testing
import TransactionData

@Suite struct TransactionParquetTests {
    private static let source = SourceSchema(
        name: "p", topic: "p",
        fields: [
            Field("id", .string), Field("at", .string), Field("card", .string), Field("amount", .decimal(places: 2)),
            Field("count", .integer, isOptional: true), Field("rate", .double, isOptional: true),
            Field("new", .boolean, isOptional: true), Field("born", .string, isOptional: true),
        ],
        eventIDIndex: 0, eventTimeIndex: 1, eventTimeFormat: .iso8601, keyIndex: 2,
        label: LabelDefinition(field: "fraud", topic: "l", delayMillis: 0))

    /// A file of one row, written from columns with their one value.
    private static func outcome(
        _ values: [(name: String, ParquetType, (inout ParquetValues) -> Void)], into row: inout SourceRow
    ) throws -> TransactionCSV.Outcome {
        let path = try TestEnvironment.temporaryFolder("events") + "/in.parquet"
        let sink = try ByteSink.create(path)
        let writer = try ParquetWriter(sink, columns: values.map { ParquetColumn($0.name, $0.1) })
        try writer.write(
            values.map { _, type, append in
                var column = ParquetValues(type)
                append(&column)
                return column
            })
        try writer.finish()
        try sink.close()
        let file = try TransactionParquet(path: path, schema: source, recordedAtMillis: 1_700_000_000_000)
        #expect(file.rowCount == 1)
        let outcome = try file.next(into: &row)
        #expect(file.recordCount == 1)
        #expect(try file.next(into: &row) == .end)
        return outcome
    }

    private static func text(_ text: String) -> (inout ParquetValues) -> Void { { $0.append(text) } }
    private static func bits(_ bits: Int64) -> (inout ParquetValues) -> Void { { $0.append(bits: bits) } }
    private static func number(_ number: Double) -> (inout ParquetValues) -> Void { { $0.append(number) } }
    private static let millis = ParquetType.timestamp(.millis, isUTC: true)

    @Test func `columns of any fitting type become fields`() throws {
        var row = SourceRow(Self.source)
        let outcome = try Self.outcome(
            [
                ("card", .int64, Self.bits(42)), ("amount", .decimal(precision: 9, scale: 1), Self.bits(-15)),
                ("at", .timestamp(.micros, isUTC: true), Self.bits(1_546_300_800_001_000)),
                ("count", .double, Self.number(7)), ("rate", .float, Self.number(0.1)), ("new", .boolean, Self.bits(1)),
                ("born", .date, Self.bits(-1)), ("id", .string, Self.text("é")), ("fraud", .double, Self.number(1)),
                ("else", .int32, Self.bits(3)),
            ], into: &row)
        #expect(outcome == .row(line: 1, label: 1))
        #expect(row.eventID == "é")
        #expect(row.key == "42")
        #expect(row.eventTimeMillis == 1_546_300_800_001)
        #expect(row.canonicalText(3) == "-1.50")
        #expect((4...7).map { row.canonicalText($0) } == ["7", "0.1", "true", "1969-12-31"])
    }

    @Test func `null and NaN are missing`() throws {
        var row = SourceRow(Self.source)
        let outcome = try Self.outcome(
            [
                ("id", .string, Self.text("a")), ("at", Self.millis, Self.bits(1)), ("card", .string, Self.text("c")),
                ("amount", .double, Self.number(12.3)), ("count", .int64, { $0.appendMissing() }),
                ("rate", .double, Self.number(.nan)), ("fraud", .boolean, { $0.appendMissing() }),
            ], into: &row)
        #expect(outcome == .row(line: 1, label: nil))
        #expect(row.canonicalText(3) == "12.30")
        #expect((4...7).map { row.isPresent($0) } == [false, false, false, false])
    }

    @Test func `what does not fit is a malformed row that names the field`() throws {
        let cases: [(String, ParquetType, (inout ParquetValues) -> Void, String)] = [
            ("amount", .double, Self.number(12.345), "amount: is not decimal(2): \"12.345\""),
            ("amount", .double, Self.number(.infinity), "amount: is not decimal(2): \"inf\""),
            ("amount", .string, { $0.appendMissing() }, "amount: is missing"),
            ("card", .double, Self.number(4.5), "card: is a number, but a string is declared: \"4.5\""),
            ("count", .double, Self.number(4.5), "count: is not integer: \"4.5\""),
            ("new", .int32, Self.bits(1), "new: is a number, but a boolean is declared"),
            (
                "at", .timestamp(.nanos, isUTC: false), Self.bits(1),
                "at: is finer than iso8601 can say: 1970-01-01T00:00:00Z"
            ),
            ("at", Self.millis, Self.bits(.min), "at: "), ("at", Self.millis, Self.bits(.max), "at: "),
            ("at", .timestamp(.micros, isUTC: true), Self.bits(.min), "at: is finer"),
            ("at", .date, Self.bits(Int64(Int32.min)), "at: "),
            ("at", Self.millis, Self.bits(1_800_000_000_000), "at: lies in the future"),
            ("fraud", .int64, Self.bits(2), "fraud: is neither 0 nor 1"),
            ("card", .bytes, { $0.append([0xFF][...]) }, "card: is not valid UTF-8"),
        ]
        for (name, type, append, message) in cases {
            var columns: [(String, ParquetType, (inout ParquetValues) -> Void)] = [
                ("id", .string, Self.text("a")), ("at", Self.millis, Self.bits(1)), ("card", .string, Self.text("c")),
                ("amount", .string, Self.text("1")),
            ]
            columns.removeAll { $0.0 == name }
            columns.append((name, type, append))
            var row = SourceRow(Self.source)
            guard case .malformed(1, let error) = try Self.outcome(columns, into: &row) else {
                Issue.record("\(name) was taken as \(type)")
                continue
            }
            #expect(error.description.hasPrefix(message), "\(error)")
        }
    }

    @Test func `columns that are missing are named together`() throws {
        var row = SourceRow(Self.source)
        let error = #expect(throws: CSVError.self) {
            try Self.outcome([("id", .string, Self.text("a")), ("Card", .string, Self.text("b"))], into: &row)
        }
        #expect(error?.description.contains("missing columns at, card, amount; it has id, Card") == true)
    }
}
