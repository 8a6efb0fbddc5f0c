import Compression
import TestSupport
import Testing

@testable import Parquet

@Suite struct RoundTripTests {
    @Test(arguments: [0, 1, 2, 999, 1_000, 1_001, 4_100], [ParquetCodec.uncompressed, .zstd])
    func `rows of every type come back as they were written`(rows: Int, codec: ParquetCodec) throws {
        var random = SeededRandom(seed: UInt64(rows) + 3)
        let values = Tables.columns.map { Tables.values(rows, $0, &random) }
        let bytes = try Tables.file(Tables.columns, values, codec: codec)
        let reader = try ParquetReader(bytes: bytes)
        #expect(reader.columns == Tables.columns)
        #expect(reader.rowCount == Int64(rows))
        #expect(reader.metadata.rowGroups.count == (rows + 999) / 1_000)
        #expect(try Tables.read(bytes) == values)
        // Neither the pieces that rows come in nor the threads show in the bytes.
        #expect(try Tables.file(Tables.columns, values, codec: codec, piece: 37) == bytes)
    }

    @Test func `a group of more than a page comes back, and text ends pages early`() throws {
        let columns = [ParquetColumn("n", .int64), ParquetColumn("s", .string), ParquetColumn("few", .string)]
        var values = columns.map { ParquetValues($0.type) }
        for row in 0..<45_000 {
            if row % 20_000 == 0 { values[0].appendMissing() } else { values[0].append(bits: Int64(row &* row)) }
            values[1].append(
                (Array(repeating: UInt8(row % 251), count: row % 150) + Array("\(row)".utf8))[...])
            values[2].append("few \(row % 3)")
        }
        let bytes = try Tables.file(columns, values, groupRows: 50_000)
        #expect(try Tables.read(bytes) == values)
        let chunks = try ParquetReader(bytes: bytes).metadata.rowGroups[0].columns
        #expect(chunks.map { $0.dictionaryPageOffset != nil } == [false, false, true])
        #expect(chunks[0].statistics.missingCount == 3)
        #expect(chunks[1].statistics.maximum == nil)  // too long to be a bound
        #expect(chunks[2].statistics.minimum == Array("few 0".utf8))
        #expect(chunks[2].statistics.maximum == Array("few 2".utf8))
        #expect(chunks[2].packedSize < 20_000)
    }

    @Test func `bounds know no NaN, one zero and the order of the type`() throws {
        func statistics(_ type: ParquetType, _ numbers: [Double]) -> PageStatistics {
            var values = ParquetValues(type)
            for number in numbers {
                if number == 99 {
                    values.appendMissing()
                } else if type == .double || type == .float {
                    values.append(number)
                } else {
                    values.append(bits: Int64(number))
                }
            }
            return PageStatistics(of: values)
        }
        func bytes(_ number: Double) -> [UInt8] {
            PlainEncoder.bytes(of: Int64(bitPattern: number.bitPattern), .double)
        }
        let mixed = statistics(.double, [0, .nan, 0, 99])
        #expect(mixed == PageStatistics(missingCount: 1, minimum: bytes(-0.0), maximum: bytes(0)))
        #expect(statistics(.double, [.nan, 99]) == PageStatistics(missingCount: 1))
        #expect(statistics(.double, [.infinity]).minimum == bytes(.infinity))
        #expect(statistics(.double, [-.infinity, 2]).maximum == bytes(2))
        #expect(
            statistics(.int32, [-1, 1])
                == .init(missingCount: 0, minimum: [255, 255, 255, 255], maximum: [1, 0, 0, 0]))
        #expect(statistics(.boolean, [1]) == .init(missingCount: 0, minimum: [1], maximum: [1]))
        #expect(statistics(.int64, []) == PageStatistics(missingCount: 0))
    }

    @Test func `a decimal of too many digits is refused when it is written`() throws {
        let column = ParquetColumn("amount", .decimal(precision: 4, scale: 2))
        var values = ParquetValues(column.type)
        values.append(bits: -9_999)
        _ = try Tables.file([column], [values])
        values.append(bits: 10_000)
        #expect(throws: ParquetError.self) { try Tables.file([column], [values]) }
    }

    @Test(arguments: 1...32)
    func `runs come back in pieces of any length`(width: Int) throws {
        var random = SeededRandom(seed: UInt64(width))
        let most = UInt32.max >> UInt32(32 - width)
        var values: [UInt32] = []
        while values.count < 3_000 {
            let run = Bool.random(using: &random) ? 1 : Int.random(in: 1...40, using: &random)
            values += repeatElement(UInt32.random(in: 0...most, using: &random), count: run)
        }
        var bytes: [UInt8] = [7]
        HybridEncoder.append(values, width: width, to: &bytes)
        var decoder = try HybridDecoder(1..<bytes.count, width: width)
        var found: [UInt32] = []
        while found.count < values.count {
            let count = min(values.count - found.count, Int.random(in: 1...50, using: &random))
            try decoder.read(count, of: bytes, into: &found)
        }
        #expect(found == values)
        #expect(throws: PageError.self) { try decoder.read(100, of: bytes, into: &found) }
    }

    @Test func `a column is found by its bytes, and is read alone`() throws {
        let columns = [ParquetColumn("e\u{301}", .int64), ParquetColumn("\u{e9}", .int64), ParquetColumn("x", .string)]
        var values = columns.map { ParquetValues($0.type) }
        values[0].append(bits: 1)
        values[1].append(bits: 2)
        values[2].append("three")
        let bytes = try Tables.file(columns, values)
        let found = try Tables.read(bytes, columns: ["x", "\u{e9}"])
        #expect(found == [values[2], values[1]])
        #expect(throws: ParquetError.damaged(file: "memory", place: "column y", reason: "there is no such column")) {
            try ParquetReader(bytes: bytes, columns: ["y"])
        }
    }
}
