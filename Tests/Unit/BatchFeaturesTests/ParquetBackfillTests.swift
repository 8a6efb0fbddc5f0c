import FeatureEngine
import FeatureStore
import Parquet
import ServiceRuntime
import TestSupport
import Testing
import TransactionData

@testable import BatchFeatures

/// A backfill into a Parquet file has the rows of one into CSV.
@Suite struct ParquetBackfillTests {
    /// The lines of CSV that a Parquet file's rows would be.
    private static func lines(_ bytes: [UInt8]) throws -> [UInt8] {
        let reader = try ParquetReader(bytes: bytes)
        var batch = reader.makeBatch()
        var text = Array((reader.names.map { CSVText.cell($0) }.joined(separator: ",") + "\n").utf8)
        while case let count = try reader.next(into: &batch), count > 0 {
            for row in 0..<count {
                for (index, values) in batch.enumerated() {
                    if index > 0 { text.append(0x2C) }
                    guard values.isPresent(row) else { continue }
                    switch values.type {
                    case .string:
                        let bytes = values.bytes(row)
                        if bytes.isEmpty { text += Array("\"\"".utf8) } else { CSVText.append(bytes, to: &text) }
                    case .timestamp: text += CivilTime.iso8601(values.bits(row) ?? 0).utf8
                    case .double: ShortestDecimal.append(values.double(row) ?? .nan, to: &text)
                    default: text += "\(values.bits(row) ?? 0)".utf8
                    }
                }
                text.append(0x0A)
            }
        }
        return text
    }

    @Test(arguments: [1, 2, 3])
    func `the rows are those of the CSV file, with any number of threads`(threads: Int) throws {
        let service = try #require(FileBackfillTests.repository?.service(named: "fraud_v1"))
        let csv = FileBackfillTests.csv(rows: 9_000, seed: 8)
        let expected = try FileBackfillTests.backfill(csv, .service(service), threads: 1)
        let found = try FileBackfillTests.backfill(
            Array(csv.utf8), .service(service), threads: threads, name: "out.parquet", format: .parquet)
        #expect(found.summary == expected.summary)
        let lines = try Self.lines(found.bytes)
        #expect(lines == expected.bytes)
        #expect(expected.bytes.count > 1_000_000)
    }

    @Test func `columns have their types`() throws {
        let view = try #require(FileBackfillTests.repository?.view(named: "card_activity"))
        let csv = FileBackfillTests.columns + "\n"
        let file = try FileBackfillTests.backfill(
            Array(csv.utf8), .view(view), threads: 2, name: "out.parquet", format: .parquet)
        let reader = try ParquetReader(bytes: file.bytes)
        #expect(reader.rowCount == 0)
        #expect(
            reader.columns.prefix(4) == [
                ParquetColumn("trans_num", .string, isOptional: false),
                ParquetColumn("cc_num", .string, isOptional: false),
                ParquetColumn("event_timestamp", .timestamp(.millis, isUTC: true), isOptional: false),
                ParquetColumn("amt_count_1h", .double),
            ])
    }

    @Test(arguments: [
        ("a.csv", nil, FeatureFormat.csv), ("a.parquet", nil, .parquet), ("-", nil, .csv), ("-", "parquet", .parquet),
    ])
    func `the format is what the name promises, or the flag says`(name: String, flag: String?, format: FeatureFormat)
        throws
    {
        let words = ["--input", "x.csv", "--output", name] + (flag.map { ["--format", $0] } ?? [])
        let settings = try Settings(words, declared: BackfillCommand.settings)
        #expect(BackfillCommand.format(settings) == format)
        #expect(try BackfillCommand.plan(settings) == .files(input: "x.csv", output: name))
    }
}
