import FeatureEngine
import FeatureStore
import ServiceRuntime

/// What each column of a file of entities is: the keys, the moment, the event, the fields of the request. Columns that are none of
/// these pass through.
struct EntityColumns {
    /// The moment's column, whatever the source calls its event time: ISO 8601, as every output of this program has it.
    static let time = "event_timestamp"

    /// The file's column names.
    let header: [String]
    /// What rows of the file are read as: the source's fields, any of which may be missing, at any millisecond.
    let schema: SourceSchema
    /// The join keys, one a feed.
    let keys: [Int]
    /// The column of the event that is meant; nil when the file has none.
    let eventIDColumn: Int?
    /// The names of the request's fields that the file lacks: what needs them is missing.
    let absent: [String]
    private let timeColumn: Int
    private let timeFormat: EventTimeFormat
    private let columns: [(field: Int, column: Int)]

    /// Finds the columns; throws one sentence with all that are missing.
    init(
        _ header: [String], of file: String, for service: FeatureService, _ fields: HistoricalFields,
        allowsMissing: Bool, needsEventID: Bool
    ) throws(CommandError) {
        let source = service.source
        func column(_ field: Int) -> Int? { header.firstIndex { Self.isSame($0, source.fields[field].name) } }
        func name(_ field: Int) -> String { source.fields[field].name }
        for name in header where !name.isEmpty && header.count(where: { Self.isSame($0, name) }) > 1 {
            throw CommandError(.dataError, "\(file): has the column \(name) twice.")
        }
        let own = header.firstIndex { Self.isSame($0, Self.time) }
        guard let timeColumn = own ?? column(source.eventTimeIndex) else {
            throw CommandError(
                .dataError,
                "\(file): has no column with the moment: \(Self.time) (ISO 8601), or \(name(source.eventTimeIndex)) (\(source.eventTimeFormat.name)) as the source has it."
            )
        }
        self.timeColumn = timeColumn
        timeFormat = own == nil ? source.eventTimeFormat : .iso8601
        let needed = fields.keys + fields.current + (needsEventID ? [source.eventIDIndex] : [])
        let missing = needed.filter { $0 != source.eventTimeIndex && column($0) == nil }.map(name)
        guard missing.isEmpty else {
            throw CommandError(
                .dataError,
                "\(file): lacks \(missing.joined(separator: ", ")); a row needs the join key\(fields.keys.count == 1 ? "" : "s")\(fields.current.isEmpty ? "" : ", what views take of the current event")\(needsEventID ? ", and the event's id for its label" : "")."
            )
        }
        absent = fields.request.filter { column($0) == nil }.map(name)
        guard absent.isEmpty || allowsMissing else {
            throw CommandError(
                .dataError,
                "\(file): lacks \(absent.joined(separator: ", ")), which \(service.name) takes from the request; add them, or leave what needs them missing with --allow-missing-columns."
            )
        }
        self.header = header
        keys = fields.keys
        eventIDColumn = column(source.eventIDIndex)
        let used = Set(fields.keys + fields.current + fields.request).subtracting([source.eventTimeIndex])
        columns = used.sorted().compactMap { field in column(field).map { (field, $0) } }
        schema = Self.schema(of: source)
    }

    /// The same fields with a time of any millisecond; each of them may be missing.
    static func schema(of source: SourceSchema) -> SourceSchema {
        let isNumber = source.fields[source.eventTimeIndex].type == .integer
        return SourceSchema(
            name: source.name, topic: source.topic,
            fields: source.fields.map { Field($0.name, $0.type, isOptional: true, rounds: $0.rounds) },
            eventIDIndex: source.eventIDIndex, eventTimeIndex: source.eventTimeIndex,
            eventTimeFormat: isNumber ? .unixMillis : .iso8601, keyIndex: source.keyIndex, label: source.label)
    }

    private static func isSame(_ left: String, _ right: String) -> Bool { left.utf8.elementsEqual(right.utf8) }

    /// Sets the time of a row of such a schema.
    static func set(_ millis: Int64, of row: inout SourceRow) throws(FieldError) {
        let index = row.schema.eventTimeIndex
        if row.schema.fields[index].type == .integer {
            try row.set(index, bits: millis)
        } else {
            try row.set(index, text: Array(CivilTime.iso8601(millis).utf8).span)
        }
    }

    // MARK: Rows

    /// Fills a row of `schema` from a record.
    func fill(_ row: inout SourceRow, from cells: EntityCells) throws(FieldError) {
        row.reset()
        let text = cells[timeColumn]
        guard let millis = timeFormat.millis(text.span), PlausibleTime.range.contains(millis) else {
            throw FieldError(
                header[timeColumn],
                "is no moment of the form \(timeFormat.name) between 1970 and 2099: \"\(String(decoding: text.prefix(40), as: UTF8.self))\""
            )
        }
        try Self.set(millis, of: &row)
        for (field, column) in columns { try row.set(field, text: cells[column].span) }
        for key in keys {
            let problem = row.withCanonicalBytes(key) { KeyRule.problem($0) }
            if let problem { throw FieldError(schema.fields[key].name, problem) }
        }
    }

    /// The event a record means; nil when its cell is empty.
    func eventID(_ cells: EntityCells) throws(FieldError) -> ByteString? {
        guard let column = eventIDColumn, !cells[column].isEmpty else { return nil }
        if let problem = KeyRule.problem(cells[column].span) { throw FieldError(header[column], problem) }
        return ByteString(cells[column])
    }

    /// The keys of a row, in each feed.
    func keys(of row: SourceRow) -> [ByteString] {
        keys.map { row.withCanonicalBytes($0) { ByteString(copying: $0) } }
    }
}
