import FeatureEngine
import Testing

/// A source with every type of field, and rows of it.
enum Rows {
    static let schema = SourceSchema(
        name: "tx", topic: "tx",
        fields: [
            Field("id", .string), Field("time", .integer), Field("card", .string), Field("amt", .decimal(places: 2)),
            Field("shop", .string), Field("lat", .double), Field("points", .integer), Field("chip", .boolean),
            Field("note", .string, isOptional: true), Field("tip", .decimal(places: 1), isOptional: true),
        ],
        eventIDIndex: 0, eventTimeIndex: 1, eventTimeFormat: .unixMillis, keyIndex: 2, label: nil)

    static let hour: Int64 = 3_600_000
    static let day: Int64 = 86_400_000

    static func row(
        _ id: String, at millis: Int64, card: String = "c", amt: String = "1", shop: String = "s", lat: String = "0",
        points: String = "0", chip: String = "true", note: String = "", tip: String = ""
    ) throws -> SourceRow {
        var row = SourceRow(schema)
        for (index, text) in [id, "\(millis)", card, amt, shop, lat, points, chip, note, tip].enumerated() {
            try row.set(index, text: Array(text.utf8).span)
        }
        try row.finish()
        return row
    }

    static func view(
        _ features: [(AggregateFunction, String?, Int64?)], isRightClosed: Bool = false,
        includesCurrentEvent: Bool = false
    ) -> StreamView {
        StreamView(
            name: "v", entityName: "card", source: schema, joinKeyIndex: 2,
            features: features.map { function, column, window in
                WindowFeature(
                    name: "\(column ?? "")_\(function.rawValue)_\(window ?? 0)", function: function,
                    field: column.flatMap { schema.index(of: $0) }, windowMillis: window)
            },
            isRightClosed: isRightClosed, includesCurrentEvent: includesCurrentEvent)
    }

    /// Every function over every column that takes it, over the windows given.
    static func everything(
        windows: [Int64], isRightClosed: Bool = false, includesCurrentEvent: Bool = false
    ) -> StreamView {
        var features: [(AggregateFunction, String?, Int64?)] = [(.secondsSinceLast, nil, nil)]
        for window in windows {
            features.append((.count, nil, window))
            for column in ["amt", "points", "chip"] {
                for function in [AggregateFunction.std, .sum, .mean, .min, .max, .count] {
                    features.append((function, column, window))
                }
            }
            features += [(.min, "lat", window), (.max, "lat", window)]
            features += ["shop", "lat", "amt"].map { (.distinctCount, $0, window) }
        }
        for column in ["amt", "lat", "shop", "card", "chip", "points"] {
            features += [(.first, column, nil), (.last, column, nil)]
        }
        return view(features, isRightClosed: isRightClosed, includesCurrentEvent: includesCurrentEvent)
    }

    static func evaluate(_ state: EntityState, at millis: Int64, current: SourceRow? = nil) -> FeatureVector {
        var vector = FeatureVector(count: state.view.features.count)
        state.evaluate(atMillis: millis, current: current, into: &vector)
        return vector
    }
}
