import FeatureEngine
import JSON
import TransactionData

/// Writes feature rows as CSV: event id, join key, time, features; a missing one is empty.
struct FeatureLine {
    private let source: SourceSchema
    private let kinds: [FeatureKind]
    private var day: Int64 = .min
    private var date: [UInt8] = []  // of `day`, with the T behind it

    init(_ source: SourceSchema, kinds: [FeatureKind]) {
        self.source = source
        self.kinds = kinds
    }

    /// The names of the columns.
    static func header(_ source: SourceSchema, features: [String]) -> [UInt8] {
        var line: [UInt8] = []
        let fixed = [source.fields[source.eventIDIndex].name, source.fields[source.keyIndex].name, "event_timestamp"]
        for (index, name) in (fixed + features).enumerated() {
            if index > 0 { line.append(0x2C) }
            CSVText.append(Array(name.utf8)[...], to: &line)
        }
        line.append(0x0A)
        return line
    }

    /// Appends the line of one event.
    mutating func append(_ row: SourceRow, _ vector: FeatureVector, to line: inout [UInt8]) {
        CSVText.append(row.bytes(source.eventIDIndex), to: &line)
        line.append(0x2C)
        if let number = row.bits(source.keyIndex) {
            JSONWriter.append(integer: number, to: &line)
        } else {
            CSVText.append(row.bytes(source.keyIndex), to: &line)
        }
        line.append(0x2C)
        append(time: row.eventTimeMillis, to: &line)
        for (slot, kind) in kinds.enumerated() {
            line.append(0x2C)
            if kind == .number {
                CSVText.append(vector.numbers[slot], to: &line)
            } else {
                CSVText.append(category: vector.texts[slot], to: &line)
            }
        }
        line.append(0x0A)
    }

    /// `2019-01-01T00:00:18Z`; the date is put together once a day.
    private mutating func append(time millis: Int64, to line: inout [UInt8]) {
        let days = millis / 86_400_000  // Event times are never before 1970.
        if days != day {
            day = days
            date = Array(CivilTime.iso8601(days * 86_400_000).utf8.prefix(11))
        }
        line += date
        let rest = Int(millis - days * 86_400_000)
        for (value, mark) in [(rest / 3_600_000, 0x3A), (rest / 60_000 % 60, 0x3A), (rest / 1_000 % 60, 0x2E)]
            as [(Int, UInt8)]
        {
            line.append(0x30 + UInt8(value / 10))
            line.append(0x30 + UInt8(value % 10))
            line.append(mark)
        }
        let milli = rest % 1_000
        if milli == 0 {
            line[line.count - 1] = 0x5A
        } else {
            line.append(0x30 + UInt8(milli / 100))
            line.append(0x30 + UInt8(milli / 10 % 10))
            line.append(0x30 + UInt8(milli % 10))
            line.append(0x5A)
        }
    }
}
