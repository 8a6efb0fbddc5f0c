import Compression
import FeatureEngine
import FeatureStore
import Foundation
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
                    case .double: CSVText.append(values.double(row) ?? .nan, to: &text)
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

    @Test func `a Parquet file of the same rows gives the same features`() throws {
        let view = try #require(FileBackfillTests.repository?.view(named: "card_activity"))
        let csv = FileBackfillTests.csv(rows: 6_000, seed: 9)
        let folder = try TestEnvironment.temporaryFolder("backfill")
        let sink = try ByteSink.create(folder + "/in.parquet")
        let reader = try CSVReader(ByteSource(bytes: Array(csv.utf8)))
        // Every cell as text, so that what is wrong with a row is wrong in both; the column that is never used as a number.
        let columns = reader.header.map { ParquetColumn($0, .string) } + [ParquetColumn("row", .int64)]
        let writer = try ParquetWriter(sink, columns: columns, rowGroupRows: 1_500)
        var rows = columns.map { ParquetValues($0.type) }
        while try reader.next() {
            for column in 0..<reader.cellCount { rows[column].append(reader.text(column)) }
            rows[columns.count - 1].append(bits: Int64(rows[0].count))
        }
        try writer.write(rows)
        try writer.finish()
        try sink.close()
        let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: folder + "/in.parquet")))
        let expected = try FileBackfillTests.backfill(csv, .view(view), threads: 2)
        let found = try FileBackfillTests.backfill(bytes, .view(view), threads: 2)
        #expect(found.bytes == expected.bytes)
        #expect(found.summary == expected.summary)
        #expect(found.summary.malformed > 50)
        // The messages are the same but for the line.
        func reasons(_ log: [String]) -> [String] {
            log.filter { $0.contains("malformed row") }.map {
                $0.replacing(/"line":[0-9]+/, with: "").replacing(/"ts":"[^"]*"/, with: "")
            }
        }
        #expect(reasons(found.log) == reasons(expected.log))
        // Cut short, it is refused with its name, and nothing is left of the output.
        let error = #expect(throws: CommandError.self) {
            try FileBackfillTests.backfill(Array(bytes.dropLast(9)), .view(view), threads: 1)
        }
        #expect(error?.exitCode == .dataError)
    }
}
