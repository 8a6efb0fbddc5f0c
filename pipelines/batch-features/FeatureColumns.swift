import FeatureEngine
import Parquet
import ServiceRuntime

/// What a backfill writes its rows as.
enum FeatureFormat: String, SettingChoice {
    case csv, parquet
}

/// Feature rows as columns of a Parquet file: the same ones as the lines of `FeatureLine`.
struct FeatureColumns {
    private let source: SourceSchema
    private let kinds: [FeatureKind]
    /// Event id, join key, time, features.
    private(set) var values: [ParquetValues]

    init(_ source: SourceSchema, kinds: [FeatureKind]) {
        (self.source, self.kinds) = (source, kinds)
        let names = kinds.map { _ in "" }
        values = Self.columns(source, features: names, kinds: kinds).map { ParquetValues($0.type) }
    }

    /// The file's columns. An event has an id, a key and a time; its features may be missing.
    static func columns(_ source: SourceSchema, features: [String], kinds: [FeatureKind]) -> [ParquetColumn] {
        let (id, key) = (source.fields[source.eventIDIndex], source.fields[source.keyIndex])
        return [
            ParquetColumn(id.name, .string, isOptional: false),
            ParquetColumn(key.name, key.type == .string ? .string : .int64, isOptional: false),
            ParquetColumn("event_timestamp", .timestamp(.millis, isUTC: true), isOptional: false),
        ] + zip(features, kinds).map { ParquetColumn($0, $1 == .number ? .double : .string) }
    }

    var count: Int { values[0].count }

    mutating func removeAll() { for index in values.indices { values[index].removeAll() } }

    /// Adds the row of one event.
    mutating func append(_ row: SourceRow, _ vector: FeatureVector) {
        values[0].append(row.bytes(source.eventIDIndex))
        if let number = row.bits(source.keyIndex) {
            values[1].append(bits: number)
        } else {
            values[1].append(row.bytes(source.keyIndex))
        }
        values[2].append(bits: row.eventTimeMillis)
        for (slot, kind) in kinds.enumerated() {
            if kind == .number {
                let value = vector.numbers[slot]
                if value.isNaN { values[slot + 3].appendMissing() } else { values[slot + 3].append(value) }
            } else if let text = vector.texts[slot] {
                values[slot + 3].append(text.utf8)
            } else {
                values[slot + 3].appendMissing()
            }
        }
    }

    /// Adds rows of several parts, each given by its part and its place there.
    mutating func append(_ rows: [(part: Int, row: Int)], of parts: [FeatureColumns]) {
        for index in values.indices {
            let columns = parts.map { $0.values[index] }
            for (part, row) in rows { values[index].append(row: row, of: columns[part]) }
        }
    }
}
