import Foundation
import Testing

@testable import Parquet

/// Files of 50 rows that pyarrow, polars and DuckDB wrote, every seventh row without values but for its number.
@Suite struct OtherWritersTests {
    /// The column's number in row `i`.
    private static func expected(_ name: String, _ row: Int, unit: Int64) -> Int64? {
        let i = Int64(row)
        if name == "row" { return i }
        if row % 7 == 3 || name == "never" { return nil }
        switch name {
        case "flag": return row % 3 == 0 ? 1 : 0
        case "small": return i - 20
        case "int": return i * 1_000 - 7
        case "unsigned": return 4_294_967_295 - i
        case "long": return (i - 25) * 1_000_000_000_000_000
        case "float": return Int64((Float(row) / 8 - 1).bitPattern)
        case "double": return Int64(bitPattern: (Double(row) / 8 - 1).bitPattern)
        case "amount": return i * 101 - 2_000
        case "millis": return (1_546_300_800_000 + i) * unit
        case "micros": return 1_546_300_800_000_000 + i
        case "nanos": return 1_546_300_800_000_000_000 + i
        case "day": return 17_897 + i
        default: return nil
        }
    }

    @Test(
        arguments: [
            ("pyarrow.parquet", 15), ("pyarrow-v2.parquet", 15), ("pyarrow-plain-gzip.parquet", 15),
            ("polars.parquet", 14), ("duckdb.parquet", 14),
        ])
    func `every type is read`(name: String, columnCount: Int) throws {
        let bytes = try DamageTests.fixture(name)
        let reader = try ParquetReader(bytes: bytes)
        #expect(reader.rowCount == 50)
        #expect(reader.columns.count == columnCount)
        for (column, values) in zip(reader.columns, try Tables.read(bytes)) {
            #expect(values.count == 50)
            let isMicros = column.type == .timestamp(.micros, isUTC: true)
            for row in 0..<50 {
                if column.name == "text" {
                    let text = String(repeating: "é", count: row % 5) + "\(row % 4)"
                    #expect(values.isPresent(row) == (row % 7 != 3))
                    #expect(Array(values.bytes(row)) == (row % 7 == 3 ? [] : Array(text.utf8)))
                } else {
                    let expected = Self.expected(column.name, row, unit: isMicros ? 1_000 : 1)
                    #expect(values.bits(row) == expected, "\(name) \(column.name) \(row)")
                }
            }
        }
        let types = Dictionary(uniqueKeysWithValues: reader.columns.map { ($0.name, $0.type) })
        #expect(types["amount"] == .decimal(precision: 12, scale: 2))
        #expect(types["micros"] == .timestamp(.micros, isUTC: true))
        #expect(types["nanos"] == .timestamp(.nanos, isUTC: false))
        #expect(types["unsigned"] == .int64)
    }

    @Test(arguments: [
        ("int96.parquet", "micros", "INT96"), ("nested.parquet", "list.list.element", "nested"),
        ("duckdb-v2.parquet", "int", "DELTA_BINARY_PACKED"),
    ])
    func `what is not read is named, and the columns beside it are read`(name: String, column: String, word: String)
        throws
    {
        let bytes = try DamageTests.fixture(name)
        do {
            _ = try Tables.read(bytes, columns: [column])
            Issue.record("\(column) of \(name) was read")
        } catch let error as ParquetError {
            #expect("\(error)".hasPrefix("memory: cannot be read in column \(column)"))
            #expect("\(error)".contains(word))
        }
        guard name != "duckdb-v2.parquet" else { return }
        #expect(try Tables.read(bytes, columns: ["row"])[0].bits(2) == 2)
    }

    /// Put together byte by byte from the specification by another program: n = 1, 2, 3 and s = "a", missing, "b".
    private static let golden = """
        50415231150015301530158eb6dcbc051c150615001506150600000100000000000000020000000000000003000000000000\
        0015001520152015fdc5db89041c15061500150615060000020000000305010000006101000000621504193c480673636865\
        6d611504001504250018016e00150c250218017325004c1c0000001606191c192c26081c1504192500061918016e15001606\
        165e165e26083c3600280803000000000000001808010000000000000000000026661c150c19250006191801731500160616\
        4e164e26663c360228016218016100000016ac011606260816ac0100280a6e6565646c657461696c192c1c00001c0000009f\
        00000050415231
        """

    @Test func `a small file has the bytes that the specification says`() throws {
        let columns = [ParquetColumn("n", .int64, isOptional: false), ParquetColumn("s", .string)]
        var values = columns.map { ParquetValues($0.type) }
        for number: Int64 in 1...3 { values[0].append(bits: number) }
        values[1].append("a")
        values[1].appendMissing()
        values[1].append("b")
        let bytes = try Tables.file(columns, values, codec: .uncompressed)
        let hex = bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        #expect(hex == Self.golden)
        #expect(try Tables.read(bytes) == values)
    }
}
