internal import Compression
internal import FeatureEngine
internal import TransactionData

/// Reads the input's rows, pass after pass. A later pass has later times, moved by whole weeks, and ids of its own.
struct ReplayReader {
    /// What came next.
    enum Record {
        /// An event; `isPlausible` is whether labels and passes may go by its time.
        case event(line: Int, label: UInt8?, isPlausible: Bool)
        case malformed(line: Int, EventError)
        /// The input's end; with `--loop` another pass has begun where `passes` says so.
        case end(passes: Bool)
    }

    /// Further ahead than this, ms, a time is a mistake of its unit or its year.
    private static let implausibleMillis: Int64 = 366 * 86_400_000

    private(set) var pass: Int
    private(set) var nextRow: Int64
    private(set) var span: ReplaySpan
    private let options: ReplayOptions
    private let schema: SourceSchema
    private let timeFields: [Int]
    private var csv: TransactionCSV?
    private var rowsInPass = 0
    private var firstRow: Int64 = 0  // of this pass, as far as this run reads it

    init(_ options: ReplayOptions, schema: SourceSchema, from state: ReplayState) {
        self.options = options
        self.schema = schema
        timeFields = options.timeFields.compactMap(schema.index(of:)).filter {
            schema.fields[$0].type == .integer && $0 != schema.eventTimeIndex
        }
        (pass, nextRow, span) = (state.pass, state.nextRow, state.span)
    }

    /// How many days later this pass is than the file.
    var daysLater: Int64 { span.shiftMillis(pass: pass) / 86_400_000 }

    /// Opens the input and goes to the next row; false when asked to stop on the way. `hasLabel` is nil where the source has none.
    mutating func open(
        into row: inout SourceRow, nowMillis: Int64, isStopping: () -> Bool
    ) throws -> (isOpen: Bool, hasLabel: Bool) {
        let reader = try TransactionCSV(try ByteSource.open(options.input), schema: schema)
        csv = reader
        (rowsInPass, firstRow) = (0, nextRow)
        guard nextRow > 0 else { return (true, reader.hasLabel) }
        // The first pass measures the input's span, so the rows passed over are read, unless an earlier run read them.
        if pass == 0, span == ReplaySpan(), options.loops || options.stateFile != nil {
            while reader.recordCount < nextRow {
                switch try reader.next(into: &row) {
                case .row: observe(row.eventTimeMillis, nowMillis: nowMillis)
                case .malformed: break
                case .end: return (true, reader.hasLabel)
                }
                if reader.recordCount % 4_096 == 0, isStopping() { return (false, reader.hasLabel) }
            }
        } else {
            _ = try reader.skip(nextRow)
        }
        return (true, reader.hasLabel)
    }

    /// Fills `row` with the next record's event, moved to its pass.
    mutating func next(into row: inout SourceRow, nowMillis: Int64) throws(CSVError) -> Record {
        guard let csv else { return .end(passes: false) }
        switch try csv.next(into: &row) {
        case .row(let line, let label):
            rowsInPass += 1
            if pass == 0 { observe(row.eventTimeMillis, nowMillis: nowMillis) }
            if pass > 0 {
                do throws(FieldError) { try moveToPass(&row) } catch {
                    let issue = EventError.Issue(
                        field: error.field, message: "\(error.reason), moved to pass \(pass)", type: "value_error")
                    return .malformed(line: line, EventError([issue]))
                }
            }
            let isPlausible = !isImplausible(row.eventTimeMillis, nowMillis: nowMillis)
            return .event(line: line, label: label, isPlausible: isPlausible)
        case .malformed(let line, let error): return .malformed(line: line, error)
        case .end:
            // A file without an event would be read for ever; one whose rows lie before the place begun at has some.
            guard options.loops, rowsInPass > 0 || firstRow > 0 else { return .end(passes: false) }
            pass += 1
            nextRow = 0
            return .end(passes: true)
        }
    }

    /// Notes that a record was dealt with.
    mutating func advance() { nextRow += 1 }

    private mutating func observe(_ millis: Int64, nowMillis: Int64) {
        if !isImplausible(millis, nowMillis: nowMillis) { span.observe(millis) }
    }

    /// Such an event is not waited for: it goes out and becomes a dead letter, and nothing is measured by it.
    private func isImplausible(_ millis: Int64, nowMillis: Int64) -> Bool {
        millis > nowMillis.addingReportingOverflow(Self.implausibleMillis).partialValue
    }

    /// Moves a row's times by the passes so far, and gives it an id of its own. What it would become must be an event.
    private func moveToPass(_ row: inout SourceRow) throws(FieldError) {
        let shift = span.shiftMillis(pass: pass)
        let (moved, overflow) = row.eventTimeMillis.addingReportingOverflow(shift)
        let time = schema.eventTimeFormat.text(overflow ? .max : moved)
        if schema.fields[schema.eventTimeIndex].type == .string {
            try row.set(schema.eventTimeIndex, text: Array(time.utf8).span)
        } else {
            try row.set(schema.eventTimeIndex, number: Array(time.utf8).span)
        }
        let id = Array(row.bytes(schema.eventIDIndex)) + Array("-\(pass)".utf8)
        try row.set(schema.eventIDIndex, text: id.span)
        for index in timeFields {
            guard let value = row.bits(index) else { continue }
            // Seconds until the year 5138 lie below this, milliseconds since 1973 above.
            let isSeconds = value.magnitude < 100_000_000_000
            let (later, overflow) = value.addingReportingOverflow(isSeconds ? shift / 1_000 : shift)
            // A number at the end of its range is no time: it stays what it is.
            if !overflow { try row.set(index, number: Array(String(later).utf8).span) }
        }
    }
}
