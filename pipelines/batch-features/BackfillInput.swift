import Compression
import FeatureEngine
import ServiceRuntime
import TransactionData

/// The file that a backfill reads: CSV, or Parquet by its first bytes.
enum BackfillInput {
    case csv(TransactionCSV, ByteSource)
    case parquet(TransactionParquet)

    /// Opens a file and finds the columns of the source in it.
    init(_ path: String, _ source: SourceSchema, nowMillis: Int64) throws(CommandError) {
        let bytes: ByteSource?
        do throws(CompressionError) {
            bytes = TransactionParquet.isParquet(path: path) ? nil : try ByteSource.open(path)
        } catch {
            throw CommandError(.noInput, "\(error).")
        }
        do throws(CSVError) {
            if let bytes {
                self = .csv(try TransactionCSV(bytes, schema: source, recordedAtMillis: nowMillis), bytes)
            } else {
                self = .parquet(try TransactionParquet(path: path, schema: source, recordedAtMillis: nowMillis))
            }
        } catch {
            throw CommandError(.dataError, "\(error).")
        }
    }

    /// Reads the next record.
    func next(into row: inout SourceRow) throws(CSVError) -> TransactionCSV.Outcome {
        switch self {
        case .csv(let csv, _): try csv.next(into: &row)
        case .parquet(let parquet): try parquet.next(into: &row)
        }
    }

    /// Records read so far, refused ones included.
    var recordCount: Int64 {
        switch self {
        case .csv(let csv, _): csv.recordCount
        case .parquet(let parquet): parquet.recordCount
        }
    }

    /// How much there is to do, in bytes or records; nil of a pipe.
    var total: Int? {
        switch self {
        case .csv(_, let bytes): bytes.fileSize.map { Int($0) }
        case .parquet(let parquet): Int(parquet.rowCount)
        }
    }

    /// How much of it is done, in the same measure; nil of a pipe.
    var done: Int? {
        switch self {
        case .csv(_, let bytes): bytes.fileSize.map { _ in Int(bytes.bytesTaken) }
        case .parquet(let parquet): Int(parquet.recordCount)
        }
    }
}
