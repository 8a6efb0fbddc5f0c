import Foundation
import TestSupport
import Testing

@testable import Parquet

/// What is written here as pyarrow reads it, and what pyarrow makes of it as it is read here.
@Suite struct OtherReadersTests {
    private static func python(_ arguments: [String]) throws -> (output: String, exitCode: Int32) {
        let name = TestEnvironment.variable("NEEDLETAIL_PYTHON") ?? "python3"
        return try TestCommand.run(["/usr/bin/env", name] + arguments)
    }
    private static let hasArrow = (try? python(["-c", "import pyarrow.parquet"]))?.exitCode == 0

    /// Prints every value as its number or the hexadecimal digits of its text, and writes the table anew.
    private static let script = """
        import sys, pyarrow as pa, pyarrow.parquet as pq
        file = pq.ParquetFile(sys.argv[1], page_checksum_verification=True)
        table = file.read()
        for group in range(file.metadata.num_row_groups):
            for place in range(file.metadata.num_columns):
                chunk = file.metadata.row_group(group).column(place)
                part = file.read_row_group(group).column(place)
                assert chunk.statistics.null_count == part.null_count, chunk
                # Python has no times in ns, and NaN has no order.
                if chunk.statistics.has_min_max and part.type != pa.timestamp('ns') and not pa.types.is_floating(part.type):
                    values = [v for v in part.to_pylist() if v is not None]
                    assert chunk.statistics.min == min(values) and chunk.statistics.max == max(values), chunk
        def show(kind, value):
            if not value.is_valid: return '-'
            if pa.types.is_decimal(kind): return str(int(value.as_py().scaleb(kind.scale)))
            if pa.types.is_timestamp(kind) or pa.types.is_date(kind): return str(value.value)
            if pa.types.is_boolean(kind): return str(int(value.as_py()))
            if pa.types.is_floating(kind): return value.as_py().hex()
            if pa.types.is_integer(kind): return str(value.as_py())
            raw = value.as_py()
            return (raw.encode() if isinstance(raw, str) else raw).hex() + '.'
        for column in table.columns: print(' '.join(show(column.type, value) for value in column))
        pq.write_table(table, sys.argv[2])
        """

    private static func show(_ values: ParquetValues, _ row: Int) -> String {
        guard values.isPresent(row) else { return "-" }
        if values.type.isText {
            return values.bytes(row).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() + "."
        }
        return "\(values.bits(row) ?? 0)"
    }

    @Test(.enabled(if: hasArrow, "python3 has no pyarrow"), arguments: [0, 1, 2_500])
    func `pyarrow reads every type, and what it writes is read`(rows: Int) throws {
        let folder = try TestEnvironment.temporaryFolder("parquet")
        var random = SeededRandom(seed: 11)
        let values = Tables.columns.map { Tables.values(rows, $0, &random) }
        let bytes = try Tables.file(Tables.columns, values)
        try Data(bytes).write(to: URL(fileURLWithPath: folder + "/ours.parquet"))
        let answer = try Self.python(["-c", Self.script, folder + "/ours.parquet", folder + "/theirs.parquet"])
        try #require(answer.exitCode == 0, "\(answer.output)")
        let lines = answer.output.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
        #expect(lines.count == values.count)
        for (line, column) in zip(lines, values) where column.type != .float && column.type != .double {
            #expect(line == (0..<rows).map { Self.show(column, $0) }.joined(separator: " "))
        }
        for (line, column) in zip(lines, values) where column.type == .float || column.type == .double {
            for (row, text) in line.split(separator: " ").enumerated() {
                let expected = column.double(row)
                #expect(
                    text == "-" ? expected == nil : Double(text) == expected || text == "nan" && expected?.isNaN == true
                )
            }
        }
        let theirs = [UInt8](try Data(contentsOf: URL(fileURLWithPath: folder + "/theirs.parquet")))
        #expect(try Tables.read(theirs) == values)
    }
}
