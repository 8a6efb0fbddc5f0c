import FeatureEngine
import Parquet
import ServiceRuntime

/// What a backfill writes its rows as.
enum FeatureFormat: String, SettingChoice {
    case csv, parquet
}

/// Feature rows of one shard on their way into a Parquet file: the same ones as the lines of `FeatureLine`.
struct FeatureColumns {
    private let source: SourceSchema
    /// Event id, join key, time, then the categories in their order.
    private(set) var values: [ParquetValues]
    /// Row after row the numbers of all features; those of categories mean nothing.
    private(set) var numbers: [Double] = []
    private let categories: [Int]

    init(_ source: SourceSchema, kinds: [FeatureKind]) {
        self.source = source
        categories = kinds.indices.filter { kinds[$0] == .category }
        let names = kinds.map { _ in "" }
        values = Self.columns(source, features: names, kinds: kinds).filter { $0.type != .double }
            .map { ParquetValues($0.type) }
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

    mutating func removeAll() {
        numbers.removeAll(keepingCapacity: true)
        for index in values.indices { values[index].removeAll() }
    }

    /// Adds the row of one event.
    mutating func append(_ row: SourceRow, _ vector: FeatureVector) {
        values[0].append(row.bytes(source.eventIDIndex))
        if let number = row.bits(source.keyIndex) {
            values[1].append(bits: number)
        } else {
            values[1].append(row.bytes(source.keyIndex))
        }
        values[2].append(bits: row.eventTimeMillis)
        numbers += vector.numbers
        for (index, slot) in categories.enumerated() {
            if let text = vector.texts[slot] {
                values[3 + index].append(text)
            } else {
                values[3 + index].appendMissing()
            }
        }
    }
}

/// The rows of all shards in the order of the events, column by column as the file has them.
struct JoinedColumns {
    private(set) var values: [ParquetValues]
    private let kinds: [FeatureKind]

    init(_ source: SourceSchema, kinds: [FeatureKind]) {
        self.kinds = kinds
        let names = kinds.map { _ in "" }
        values = FeatureColumns.columns(source, features: names, kinds: kinds).map { ParquetValues($0.type) }
    }

    /// Replaces the rows: row r of part p comes to `places[p][r]`.
    mutating func fill(from parts: [FeatureColumns], at places: [[Int]]) {
        for index in values.indices { values[index].removeAll() }
        for index in 0..<3 { values[index].append(parts.map { $0.values[index] }, at: places) }
        var column = Array(repeating: 0.0, count: places.reduce(0) { $0 + $1.count })
        var category = 3
        for (slot, kind) in kinds.enumerated() {
            if kind == .category {
                values[3 + slot].append(parts.map { $0.values[category] }, at: places)
                category += 1
                continue
            }
            for (part, places) in zip(parts, places) {
                let numbers = part.numbers
                for (row, place) in places.enumerated() { column[place] = numbers[row * kinds.count + slot] }
            }
            values[3 + slot].append(missingIfNaN: column)
        }
    }
}

/// Rows in the order they come, in one of the file's formats.
struct RowPiece {
    private var line: FeatureLine
    private var text: [UInt8] = []
    private var columns: FeatureColumns?
    private var joined: JoinedColumns

    init(_ columns: BackfillColumns, _ format: FeatureFormat) {
        line = FeatureLine(columns.source, kinds: columns.kinds)
        self.columns = format == .parquet ? FeatureColumns(columns.source, kinds: columns.kinds) : nil
        joined = JoinedColumns(columns.source, kinds: columns.kinds)
    }

    /// Adds the row of one event.
    mutating func append(_ row: SourceRow, _ vector: FeatureVector) {
        if columns == nil { line.append(row, vector, to: &text) } else { columns?.append(row, vector) }
    }

    /// Gives the rows added since the last time.
    mutating func take() -> FeatureRows {
        guard let rows = columns else {
            defer { text.removeAll(keepingCapacity: true) }
            return .lines(text)
        }
        joined.fill(from: [rows], at: [Array(0..<rows.count)])
        columns?.removeAll()
        return .columns(joined.values)
    }
}
