import FeatureEngine
import FeatureStore
import JSON

/// The entities of a request, as Feast sends them: a list a column, all of the same length. Join keys, the request's fields, and
/// with `event_timestamp` the moment; other columns are nobody's, and ignored.
struct EntityMembers {
    private let columns: [(name: String, values: [JSONTree])]
    private let count: Int

    init(_ tree: JSONTree?) throws(FeatureRefusal) {
        guard let members = tree?.object, let first = members.first else {
            throw .invalid(at: "entities", "is missing: an object with a list of values for each join key")
        }
        var columns: [(name: String, values: [JSONTree])] = []
        let count = first.value.array?.count ?? 0
        for member in members {
            guard let values = member.value.array else { throw .invalid(at: "entities.\(member.key)", "is no list") }
            guard values.count == count else {
                throw .invalid(at: "entities.\(member.key)", "has \(values.count) values, \(first.key) has \(count)")
            }
            columns.append((member.key, values))
        }
        guard (1...FeatureQuery.mostRows).contains(count) else {
            throw .invalid(at: "entities", "has \(count) rows, from 1 to \(FeatureQuery.mostRows) are answered")
        }
        (self.columns, self.count) = (columns, count)
    }

    /// The join keys of the views in the order they were sent, and one row an entity.
    func rows(
        of source: SourceSchema, _ views: [StreamView], nowMillis: Int64
    ) throws(FeatureRefusal) -> (keys: [(field: Int, name: String)], rows: [SourceRow]) {
        let needed = Set(views.map(\.joinKeyIndex))
        let found = columns.compactMap { column in
            Self.field(column.name, source).map { (field: $0, name: column.name) }
        }
        let keys = found.filter { needed.contains($0.field) }
        for field in needed.sorted() where !keys.contains(where: { $0.field == field }) {
            throw .invalid(at: "entities", "lacks the join key \(source.fields[field].name)")
        }
        let schema = EntityColumns.schema(of: source)
        var rows: [SourceRow] = []
        rows.reserveCapacity(count)
        for index in 0..<count {
            var row = SourceRow(schema)
            do throws(FieldError) {
                try EntityColumns.set(try moment(index, source) ?? nowMillis, of: &row)
                for column in columns {
                    guard let field = Self.field(column.name, source), field != source.eventTimeIndex else { continue }
                    try Self.set(column.values[index], field, of: &row)
                }
                for key in keys {
                    let problem = row.withCanonicalBytes(key.field) { KeyRule.problem($0) }
                    if let problem { throw FieldError(key.name, problem) }
                }
            } catch {
                throw .invalid(at: "entities.\(error.field)[\(index)]", error.reason)
            }
            rows.append(row)
        }
        return (keys, rows)
    }

    /// The moment of a row: ISO 8601 or ms since 1970 under `event_timestamp`, the source's own form under its own name.
    private func moment(_ index: Int, _ source: SourceSchema) throws(FieldError) -> Int64? {
        let own = source.fields[source.eventTimeIndex].name
        for column in columns {
            let isOurs = column.name.utf8.elementsEqual(EntityColumns.time.utf8)
            let value = column.values[index]
            guard isOurs || column.name.utf8.elementsEqual(own.utf8), !value.isNull else { continue }
            let formats: [EventTimeFormat] = isOurs ? [.iso8601, .unixMillis] : [source.eventTimeFormat]
            let text = Self.text(value) ?? ""
            let millis = formats.lazy.compactMap { $0.millis(Array(text.utf8).span) }.first
            guard let millis, PlausibleTime.range.contains(millis) else {
                throw FieldError(
                    column.name, "is no moment of the form \(formats[0].name) between 1970 and 2099: \(text.prefix(40))"
                )
            }
            return millis
        }
        return nil
    }

    /// A field by its name, compared by bytes.
    private static func field(_ name: String, _ source: SourceSchema) -> Int? {
        source.fields.firstIndex { $0.name.utf8.elementsEqual(name.utf8) }
    }

    private static func text(_ value: JSONTree) -> String? {
        switch value {
        case .string(let text), .number(let text): text
        case .null, .bool, .array, .object: nil
        }
    }

    /// As strict as a request of the prediction API, but that a number may come as text: Feast's clients cast so.
    private static func set(_ value: JSONTree, _ field: Int, of row: inout SourceRow) throws(FieldError) {
        switch value {
        case .null: return
        case .bool(let flag): try row.set(field, boolean: flag)
        case .number(let text): try row.set(field, number: Array(text.utf8).span)
        case .string(let text): try row.set(field, text: Array(text.utf8).span)
        case .array, .object: throw FieldError(row.schema.fields[field].name, "is no single value")
        }
    }
}
