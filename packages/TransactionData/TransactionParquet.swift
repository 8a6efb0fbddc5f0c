public import FeatureEngine
internal import Parquet

/// Reads the rows of a Parquet file as events of a source, as strictly as `TransactionCSV` reads those of a CSV file: columns go by
/// name, in any order; columns that the source does not declare are ignored, unless it refuses them. Not `Sendable`: one reader.
public final class TransactionParquet {
    /// The records read so far, refused ones included.
    public private(set) var recordCount: Int64 = 0
    /// How many records the file says it has.
    public let rowCount: Int64

    private let schema: SourceSchema
    private let recordedAtMillis: Int64?
    private let reader: ParquetReader
    private let fields: [Int]  // of the source, one for each column that is read
    private let labelColumn: Int?
    private var batch: [ParquetValues]
    private var batchRow = 0
    private var cell = ParquetCell()

    /// Opens a plain file and finds the columns; what is missing is named all at once. `recordedAtMillis` as for `TransactionCSV`.
    public init(path: String, schema: SourceSchema, recordedAtMillis: Int64? = nil) throws(CSVError) {
        (self.schema, self.recordedAtMillis) = (schema, recordedAtMillis)
        let header = try Self.reading { () throws(ParquetError) in try ParquetReader(path: path, columns: []).names }
        let columns = try EventColumns(schema, header: header, file: path, requiresLabel: false)
        fields = columns.fields.indices.filter { columns.fields[$0] != nil }
        let wanted = (columns.fields + [columns.label]).compactMap { $0.map { header[$0] } }
        let reader = try Self.reading { () throws(ParquetError) in try ParquetReader(path: path, columns: wanted) }
        labelColumn = columns.label.map { _ in wanted.count - 1 }
        batch = reader.makeBatch()
        rowCount = reader.rowCount
        self.reader = reader
    }

    /// Whether a file begins as a Parquet file does; false of what is no plain file.
    public static func isParquet(path: String) -> Bool { ParquetReader.isParquet(path: path) }

    /// Reads the next record into `row`, which is of the same schema; an outcome's line is the record's number from 1. Throws only what
    /// ends the file.
    public func next(into row: inout SourceRow) throws(CSVError) -> TransactionCSV.Outcome {
        if batchRow == batch[0].count {
            batchRow = 0
            let count = try Self.reading { () throws(ParquetError) in try reader.next(into: &batch) }
            guard count > 0 else { return .end }
        }
        defer { batchRow += 1 }
        recordCount += 1
        let line = Int(recordCount)
        row.reset()
        do throws(FieldError) {
            for (column, field) in fields.enumerated() { try cell.set(field, of: &row, to: batch[column], batchRow) }
            try row.finishEvent(recordedAtMillis: recordedAtMillis)
            return .row(line: line, label: try label())
        } catch {
            return .malformed(line: line, EventError([.init(error)]))
        }
    }

    private func label() throws(FieldError) -> UInt8? {
        guard let labelColumn, batch[labelColumn].isPresent(batchRow) else { return nil }
        let values = batch[labelColumn]
        switch values.type {
        case .boolean, .int32, .int64:
            if let bits = values.bits(batchRow), bits == 0 || bits == 1 { return UInt8(bits) }
        case .float, .double:
            // A column of integers with missing ones becomes one of doubles, and NaN is the missing one.
            guard let value = values.double(batchRow), !value.isNaN else { return nil }
            if value == 0 || value == 1 { return UInt8(value) }
        default: break
        }
        throw FieldError(schema.label?.field ?? "", "is neither 0 nor 1")
    }

    private static func reading<Result>(
        _ body: () throws(ParquetError) -> Result
    ) throws(CSVError) -> Result {
        do throws(ParquetError) { return try body() } catch { throw .unreadable(error.description) }
    }
}
