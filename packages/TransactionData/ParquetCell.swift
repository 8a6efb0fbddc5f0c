internal import FeatureEngine
internal import Parquet
internal import Text

/// A value of a Parquet file on its way into a field. Numbers and times go as the text that a CSV file has of them, so that both are
/// checked alike; what the text cannot say exactly is refused.
struct ParquetCell {
    private var text: [UInt8] = []

    /// Sets a field to a row's value; a missing one, and NaN, which stands for it in data frames, leave it missing.
    mutating func set(_ field: Int, of row: inout SourceRow, to values: ParquetValues, _ number: Int) throws(FieldError)
    {
        guard values.isPresent(number) else { return }
        text.removeAll(keepingCapacity: true)
        switch values.type {
        case .string, .bytes:
            text += values.bytes(number)
            return try row.set(field, text: text.span)
        case .boolean: return try row.set(field, boolean: values.bits(number) == 1)
        case .timestamp(let unit, _):
            return try setTime(field, of: &row, to: values.bits(number) ?? 0, unit)
        case .date:
            let days = values.bits(number) ?? 0
            if field == row.schema.eventTimeIndex {
                return try setTime(field, of: &row, to: days * 86_400_000, .millis)
            }
            text += CivilDate(daysSince1970: Int(days)).text.utf8
            return try row.set(field, text: text.span)
        case .int32, .int64: text += "\(values.bits(number) ?? 0)".utf8
        case .decimal(_, let scale): text += Decimals.text(minorUnits: values.bits(number) ?? 0, places: scale).utf8
        case .float, .double:
            guard let value = values.double(number), !value.isNaN else { return }
            // A column of integers with missing ones becomes one of doubles.
            if row.schema.fields[field].type == .integer, let whole = Int64(exactly: value), value.magnitude <= 0x1p53 {
                text += "\(whole)".utf8
            } else {
                // The shortest text of a float is not that of the same double.
                text += (values.type == .float ? Float(value).description : value.description).utf8
            }
        }
        try row.set(field, number: text.span)
    }

    /// An event's time in the source's own form, any other as ISO 8601.
    private mutating func setTime(
        _ field: Int, of row: inout SourceRow, to value: Int64, _ unit: ParquetType.TimeUnit
    ) throws(FieldError) {
        let perMilli: Int64 =
            switch unit {
            case .millis: 1
            case .micros: 1_000
            case .nanos: 1_000_000
            }
        let millis = floorDivide(value, perMilli)
        let format = field == row.schema.eventTimeIndex ? row.schema.eventTimeFormat : .iso8601
        text += format.text(millis).utf8
        // What lies out of range has no time to come back to, and is refused as such.
        let isFiner =
            value % perMilli != 0
            || field == row.schema.eventTimeIndex && (format.millis(text.span) ?? millis) != millis
        guard !isFiner else {
            throw FieldError(
                row.schema.fields[field].name, "is finer than \(format.name) can say: \(CivilTime.iso8601(millis))")
        }
        try row.set(field, text: text.span)
    }
}
