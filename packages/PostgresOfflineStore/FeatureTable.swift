public import FeatureEngine
public import PostgresClient

/// The table of one view: finished features of every event, beside the position they were computed at.
public struct FeatureTable: Sendable {
    /// What is computed.
    public let view: StreamView

    /// The table of a view.
    public init(_ view: StreamView) { self.view = view }

    private var key: Field { view.source.fields[view.joinKeyIndex] }

    var definition: TableDefinition {
        let fixed: [TableDefinition.Column] = [
            .init("event_id", "text"), .init(key.name, key.type.columnType),
            .init("event_timestamp", "timestamp with time zone"), .init("created", "timestamp with time zone"),
            .init("_topic", "text"), .init("_partition", "integer"), .init("v", "bigint"),
            .init("definition_hash", "text"),
        ]
        let features = zip(view.features, view.kinds).map { feature, kind in
            TableDefinition.Column(feature.name, kind == .category ? "text" : "double precision", isRequired: false)
        }
        return TableDefinition(name: view.name, columns: fixed + features, primaryKey: "event_id", indexes: [])
    }

    /// The columns of `add`, in order.
    public var columns: [String] { definition.columns.map(\.name) }

    /// Appends one feature row to a COPY of this table. `v` is the position before the event: F(key, time, v).
    public func add(
        _ vector: FeatureVector, of row: SourceRow, topic: [UInt8], partition: Int32, v: Int64, createdMillis: Int64,
        definitionHash: [UInt8], to rows: PostgresCopyBuffer
    ) {
        rows.beginRow(columns: 8 + view.features.count)
        rows.add(bytes: row.bytes(view.source.eventIDIndex))
        if let bits = row.bits(view.joinKeyIndex) {
            switch key.type {
            case .decimal(let places): rows.add(minorUnits: bits, places: places)
            case .double: rows.add(Double(bitPattern: UInt64(bitPattern: bits)))
            case .boolean: rows.add(bits != 0)
            case .integer, .string: rows.add(bits)
            }
        } else {
            rows.add(bytes: row.bytes(view.joinKeyIndex))
        }
        rows.add(millis: row.eventTimeMillis)
        rows.add(millis: createdMillis)
        rows.add(bytes: topic)
        rows.add(partition)
        rows.add(v)
        rows.add(bytes: definitionHash)
        for index in view.features.indices {
            if view.kinds[index] == .category {
                if let text = vector.texts[index] { rows.add(text) } else { rows.addNull() }
            } else if vector.numbers[index].isNaN {
                rows.addNull()
            } else {
                rows.add(vector.numbers[index])
            }
        }
    }

    /// Deletes the rows of these events, where there are any.
    public func remove(_ ids: [ByteString], on connection: PostgresConnection) throws {
        guard !ids.isEmpty else { return }
        try connection.query(
            "DELETE FROM \(quoted(view.name)) WHERE event_id = ANY($1)", [.array(ids.map(\.description))])
    }

    /// The feature columns, from a table called `alias`: an SQL list.
    func selection(alias: String) -> String {
        view.features.map { "\(alias).\(quoted($0.name))" }.joined(separator: ", ")
    }

    /// Fills a vector from columns of `selection` that begin at `first`.
    func read(_ stored: PostgresCopyRow, from first: Int, into vector: inout FeatureVector) {
        for index in view.features.indices {
            if view.kinds[index] == .category {
                vector.numbers[index] = .nan
                vector.texts[index] = stored.text(first + index)
            } else {
                vector.numbers[index] = stored.double(first + index)
                vector.texts[index] = nil
            }
        }
    }
}
