public import Compression
public import FeatureEngine

/// Reads the rows of a CSV file as events of a source, with their label. Columns go by name, in any order; columns that the
/// source does not declare are ignored, unless it refuses them. Not `Sendable`: one reader.
public final class TransactionCSV {
    /// What the next record was.
    public enum Outcome: Hashable, Sendable {
        /// The row was filled; its label is 0 or 1, or nil where the file has none.
        case row(line: Int, label: UInt8?)
        /// The record is refused; the row's content means nothing.
        case malformed(line: Int, EventError)
        /// There are no more records.
        case end
    }

    /// Whether the file has a column with the label.
    public let hasLabel: Bool
    /// The records read or skipped so far, refused ones included.
    public private(set) var recordCount: Int64 = 0
    /// What messages call the file.
    public var name: String { reader.name }

    private let schema: SourceSchema
    private let reader: CSVReader
    private let columns: [Int?]
    private let labelColumn: Int?
    private let recordedAtMillis: Int64?

    /// Reads the header and finds the columns; what is missing is named all at once. With `recordedAtMillis`, usually now, an
    /// event that lies more than a few minutes ahead of it is malformed, as it would be in the stream; without, the caller
    /// waits for its time.
    public init(
        _ source: ByteSource, schema: SourceSchema, requiresLabel: Bool = false, recordedAtMillis: Int64? = nil
    ) throws(CSVError) {
        self.schema = schema
        self.recordedAtMillis = recordedAtMillis
        reader = try CSVReader(source)
        let found = try EventColumns(
            schema, header: reader.header, file: reader.name, requiresLabel: requiresLabel)
        (columns, labelColumn) = (found.fields, found.label)
        hasLabel = labelColumn != nil
    }

    /// Reads the next record into `row`, which is of the same schema. Throws only what ends the file.
    public func next(into row: inout SourceRow) throws(CSVError) -> Outcome {
        guard try reader.next() else { return .end }
        recordCount += 1
        let line = reader.line
        if let defect = reader.defect {
            return .malformed(line: line, EventError("the row \(defect)", type: "csv_invalid"))
        }
        guard reader.cellCount == reader.header.count else {
            let message = "the row has \(reader.cellCount) cells, the header \(reader.header.count)"
            return .malformed(line: line, EventError(message, type: "csv_invalid"))
        }
        row.reset()
        do throws(FieldError) {
            try reader.scanner.fill(&row, from: columns)
            try row.finishEvent(recordedAtMillis: recordedAtMillis)
            return .row(line: line, label: try label())
        } catch {
            return .malformed(line: line, EventError([.init(error)]))
        }
    }

    /// Goes over up to `count` records without decoding them; returns how many there were.
    public func skip(_ count: Int64) throws(CSVError) -> Int64 {
        var skipped: Int64 = 0
        while skipped < count, try reader.next() { skipped += 1 }
        recordCount += skipped
        return skipped
    }

    private func label() throws(FieldError) -> UInt8? {
        guard let labelColumn, let name = schema.label?.field else { return nil }
        return try reader.withCell(labelColumn) { (cell) throws(FieldError) in
            if cell.count == 0 { return nil }
            if cell.count == 1, cell[0] == 0x30 || cell[0] == 0x31 { return cell[0] - 0x30 }
            throw FieldError(name, "is neither 0 nor 1")
        }
    }
}
