import Compression
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

    /// Writes a table of every type, with stretches of missing values, three times.
    private static let writing = """
        import sys, pyarrow.parquet as pq, polars as pl, duckdb
        folder, rows = sys.argv[1], int(sys.argv[2])
        n = pl.col('n')
        def some(values): return pl.when((n // 50) % 3 != 1).then(values)
        frame = pl.DataFrame({'n': pl.int_range(rows, eager=True)}).with_columns(
            boolean=some(n % 2 == 0), int32=some((n % 1000).cast(pl.Int32)), int64=some(n * 7919),
            float=some((n / 8).cast(pl.Float32)), double=some(n / 7), none=some(pl.lit(None, pl.Int64)),
            many=some(pl.concat_str([pl.lit('é'), n.cast(pl.String)])),
            few=some(pl.concat_str([pl.lit('t'), (n % 9).cast(pl.String)])),
            decimal=some((n % 100000).cast(pl.Decimal(18, 2))), millis=some(n.cast(pl.Datetime('ms', 'UTC'))),
            micros=some(n.cast(pl.Datetime('us', 'UTC'))), date=some((n % 40000).cast(pl.Int32).cast(pl.Date)))
        pq.write_table(frame.to_arrow(), folder + '/pyarrow')
        frame.write_parquet(folder + '/polars')
        duckdb.sql("set timezone = 'UTC'")
        duckdb.sql(f"copy (select * from frame) to '{folder}/duckdb' (format parquet)")
        """

    /// Compares each file with its copy, by three readers.
    private static let comparing = """
        import sys, pyarrow.parquet as pq, polars as pl, duckdb
        for name in ['pyarrow', 'polars', 'duckdb']:
            theirs, ours = sys.argv[1] + '/' + name, sys.argv[1] + '/' + name + '-copy'
            assert pl.read_parquet(theirs).equals(pl.read_parquet(ours)), 'polars, ' + name
            table = pq.read_table(ours)
            assert pq.read_table(theirs).cast(table.schema).equals(table), 'pyarrow, ' + name
            sums = [duckdb.sql(f"select count(*), sum(hash(t)::hugeint) from read_parquet('{path}') t").fetchall()
                    for path in (theirs, ours)]
            assert sums[0] == sums[1], 'DuckDB, ' + name
        """

    private static let hasAll = (try? python(["-c", "import pyarrow, polars, duckdb"]))?.exitCode == 0
    /// Ten million take some minutes, so they are only asked for by this variable.
    private static let mostRows = TestEnvironment.variable("NEEDLETAIL_PARQUET_ROWS").flatMap { Int($0) } ?? 3_000

    @Test(.enabled(if: hasAll, "python3 has not all of pyarrow, polars and duckdb"), arguments: [0, 1, mostRows])
    func `what pyarrow, polars and DuckDB write is the same to them when it was read and written here`(rows: Int) throws
    {
        let folder = try TestEnvironment.temporaryFolder("parquet")
        let written = try Self.python(["-c", Self.writing, folder, "\(rows)"])
        try #require(written.exitCode == 0, "\(written.output)")
        for name in ["pyarrow", "polars", "duckdb"] {
            let reader = try ParquetReader(path: "\(folder)/\(name)")
            #expect(reader.rowCount == Int64(rows))
            let sink = try ByteSink.create("\(folder)/\(name)-copy")
            let writer = try ParquetWriter(sink, columns: reader.columns)
            var batch = reader.makeBatch()
            while try reader.next(into: &batch) > 0 { try writer.write(batch) }
            try writer.finish()
            try sink.close()
        }
        let compared = try Self.python(["-c", Self.comparing, folder])
        #expect(compared.exitCode == 0, "\(compared.output)")
    }
}
