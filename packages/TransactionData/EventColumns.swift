internal import FeatureEngine

/// Where a file has the fields of a source, found by name.
struct EventColumns {
    /// The file's column of each field of the source; nil where the file has none.
    let fields: [Int?]
    /// The column of the label, or nil.
    let label: Int?

    /// Finds the columns in a header; what is missing is named all at once.
    init(_ schema: SourceSchema, header: [String], file: String, requiresLabel: Bool) throws(CSVError) {
        let present = Set(header)
        var wanted = schema.fields.filter { !$0.isOptional || present.contains($0.name) }.map(\.name)
        var label: String?
        if let field = schema.label?.field, requiresLabel || present.contains(field) {
            label = field
            wanted.append(field)
        }
        let found = try Self.places(of: wanted, in: header, file: file)
        if schema.refusesUnknownFields {
            let known = wanted + [schema.label?.field, ""].compactMap(\.self)
            let unknown = header.filter { !known.contains($0) }
            guard unknown.isEmpty else { throw .unknownColumns(file: file, names: unknown, source: schema.name) }
        }
        let byName = Dictionary(zip(wanted, found)) { first, _ in first }
        fields = schema.fields.map { byName[$0.name] }
        self.label = label.flatMap { byName[$0] }
    }

    /// The places of columns by name; every one that is missing is named at once, and a name that is there twice is refused.
    static func places(of names: [String], in header: [String], file: String) throws(CSVError) -> [Int] {
        var missing: [String] = []
        var duplicates: [String] = []
        var result: [Int] = []
        for name in names {
            let found = header.indices.filter { header[$0] == name }
            if found.isEmpty { missing.append(name) }
            if found.count > 1 { duplicates.append(name) }
            result += found.prefix(1)
        }
        guard missing.isEmpty else {
            // No known name, and digits where names should be: the first row is data.
            let isData = missing.count == names.count && header.contains { Double($0) != nil }
            throw isData
                ? .noHeader(file: file, firstCells: header, needed: names)
                : .missingColumns(file: file, missing: missing, found: header)
        }
        guard duplicates.isEmpty else { throw .duplicateColumns(file: file, names: duplicates) }
        return result
    }
}

extension SourceRow {
    /// Ends a row of a file: all fields are there and keep their rules, and with `recordedAtMillis`, usually now, its time is not more
    /// than a few minutes ahead of it.
    mutating func finishEvent(recordedAtMillis: Int64?) throws(FieldError) {
        try finish()
        try checkRules()
        guard let recordedAtMillis, PlausibleTime.isAhead(eventTimeMillis, ofRecordAt: recordedAtMillis) else { return }
        throw FieldError(
            schema.fields[schema.eventTimeIndex].name,
            "lies in the future: \(CivilTime.iso8601(eventTimeMillis)), and now is \(CivilTime.iso8601(recordedAtMillis))"
        )
    }
}
