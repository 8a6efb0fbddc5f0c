import Compression
import Parquet
import ServiceRuntime

/// Feature rows on their way to a file.
enum FeatureRows {
    /// Whole lines of CSV.
    case lines([UInt8])
    /// As many values of every column.
    case columns([ParquetValues])
}

/// The file that a backfill writes. It has its name only once it is closed. Not `Sendable`: one writer.
final class FeatureFile {
    private let sink: ByteSink
    private let parquet: ParquetWriter?

    /// Creates the file and writes what comes before the rows.
    init(_ path: String, _ format: FeatureFormat, _ columns: BackfillColumns, threads: Int) throws {
        let sink: ByteSink
        do throws(CompressionError) { sink = try ByteSink.create(path) } catch {
            throw CommandError(.cannotCreate, "\(error).")
        }
        self.sink = sink
        switch format {
        case .csv:
            parquet = nil
            try sink.write(FeatureLine.header(columns.source, features: columns.names))
        case .parquet:
            let columns = FeatureColumns.columns(columns.source, features: columns.names, kinds: columns.kinds)
            var names: Set<String> = []
            if let twice = columns.first(where: { !names.insert($0.name).inserted }) {
                throw CommandError(
                    .configuration, "a Parquet file would have the column \(twice.name) twice: write CSV, or rename it."
                )
            }
            parquet = try Self.writing { () throws(ParquetError) in
                try ParquetWriter(sink, columns: columns, usesAllProcessors: threads > 1)
            }
        }
    }

    /// Writes rows of the file's format.
    func write(_ rows: FeatureRows) throws {
        switch rows {
        case .lines(let text): try sink.write(text)
        case .columns(let values):
            try Self.writing { () throws(ParquetError) in try parquet?.write(values) }
        }
    }

    /// Writes what comes after the rows and gives the file its name.
    func close() throws {
        try Self.writing { () throws(ParquetError) in try parquet?.finish() }
        try sink.close()
    }

    /// Forgets the file.
    func discard() { sink.discard() }

    /// What is wrong with the file itself is told in one way, whatever it holds.
    private static func writing<Result>(_ body: () throws(ParquetError) -> Result) throws -> Result {
        do throws(ParquetError) { return try body() } catch {
            if case .file(let failure) = error { throw failure }
            throw CommandError(.dataError, "\(error).")
        }
    }
}
