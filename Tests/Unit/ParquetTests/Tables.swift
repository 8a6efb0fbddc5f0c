import Compression
import Foundation
import TestSupport

@testable import Parquet

/// Tables of random values and the way through a file.
enum Tables {
    static let types: [ParquetType] = [
        .boolean, .int32, .int64, .float, .double, .string, .bytes, .decimal(precision: 18, scale: 2),
        .timestamp(.millis, isUTC: true), .timestamp(.micros, isUTC: true), .timestamp(.nanos, isUTC: false), .date,
    ]

    /// Two columns of each type, one of which may lack values. Some columns have few different values, some many.
    static let columns = types.enumerated().flatMap { number, type in
        [ParquetColumn("some \(number)", type), ParquetColumn("all \(number)", type, isOptional: false)]
    }

    /// What column `place` has in some rows: all present, all missing or a mixture, in stretches.
    static func values(_ rows: Int, _ column: ParquetColumn, _ random: inout SeededRandom) -> ParquetValues {
        var values = ParquetValues(column.type)
        let different: Int64 = [1, 2, 300, 1 << 40].randomElement(using: &random) ?? 1
        var (left, isMissing) = (0, false)
        for _ in 0..<rows {
            if left == 0 { (left, isMissing) = (Int.random(in: 1...90, using: &random), Bool.random(using: &random)) }
            left -= 1
            if column.isOptional, isMissing {
                values.appendMissing()
            } else {
                append(Int64.random(in: 0..<different, using: &random), to: &values)
            }
        }
        return values
    }

    private static func append(_ value: Int64, to values: inout ParquetValues) {
        switch values.type {
        case .boolean: values.append(bits: value & 1)
        case .int32: values.append(bits: Int64(Int32(truncatingIfNeeded: value &* 7_919 &- 40)))
        case .date: values.append(bits: value % 2_000_000 - 40)
        case .int64: values.append(bits: value % 3 == 0 ? .min + value : .max - value)
        case .float, .double:
            let odd = [Double.nan, .infinity, -.infinity, -0.0, 0]
            values.append(value % 40 < 5 ? odd[Int(value % 40)] : Double(value) / 8 - 10)
        case .decimal: values.append(bits: 99_999 - value)
        case .timestamp: values.append(bits: 1_546_300_800_000 + value)
        case .string, .bytes: values.append(Array("é\(value)".utf8.prefix(Int(value % 9) * 2))[...])
        }
    }

    /// The bytes of a file, written in pieces.
    static func file(
        _ columns: [ParquetColumn], _ values: [ParquetValues], codec: ParquetCodec = .zstd, groupRows: Int = 1_000,
        piece: Int = .max
    ) throws -> [UInt8] {
        let path = NSTemporaryDirectory() + "needletail-parquet-\(UUID().uuidString).parquet"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let sink = try ByteSink.create(path)
        let writer = try ParquetWriter(
            sink, columns: columns, codec: codec, rowGroupRows: groupRows, usesAllProcessors: piece == .max)
        var first = 0
        while first < values[0].count {
            let last = piece == .max ? values[0].count : min(values[0].count, first + piece)
            try writer.write(
                values.map { all in
                    var some = ParquetValues(all.type)
                    for row in first..<last { some.append(row: row, of: all) }
                    return some
                })
            first = last
        }
        try writer.finish()
        try sink.close()
        return [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
    }

    /// All rows of a file.
    static func read(_ bytes: [UInt8], columns: [String]? = nil) throws -> [ParquetValues] {
        let reader = try ParquetReader(bytes: bytes, columns: columns)
        var (batch, all) = (reader.makeBatch(), reader.makeBatch())
        while case let count = try reader.next(into: &batch), count > 0 {
            for index in all.indices { all[index].append(rows: 0..<count, of: batch[index]) }
        }
        return all
    }
}
