public import FeatureEngine

/// The definition of a view's features, written down the obvious slow way: every event ever seen is kept, and each feature
/// filters all of them. What the engine, the stream, the API and backfill compute is held against this.
public struct NaiveFeatures {
    /// One event of an entity.
    struct Event {
        let millis: Int64
        let position: Int64
        let row: SourceRow
    }

    private let view: StreamView
    private var events: [ByteString: [Event]] = [:]
    private var ids: Set<ByteString> = []

    /// An empty log of a view's source.
    public init(_ view: StreamView) { self.view = view }

    /// Adds an event at its log position. False when its id was seen before: then it changes nothing.
    @discardableResult public mutating func insert(_ row: SourceRow, position: Int64) -> Bool {
        guard ids.insert(ByteString(row.eventID)).inserted else { return false }
        events[key(row), default: []].append(Event(millis: row.eventTimeMillis, position: position, row: row))
        return true
    }

    private func key(_ row: SourceRow) -> ByteString { ByteString(row.canonicalText(view.joinKeyIndex) ?? "") }

    /// F(k, t, v): the features of an entity at `atMillis`, over events whose position is at most `upTo`.
    public func evaluate(
        entity: String, atMillis t: Int64, upTo v: Int64 = .max, current: SourceRow? = nil
    ) -> FeatureVector {
        let known = (events[ByteString(entity)] ?? []).filter { $0.position <= v }
        let newest = known.map(\.millis).max() ?? 0
        let floor = newest - view.retentionMillis - StreamView.disorderMillis
        let retained = known.filter { $0.millis >= floor }
            .sorted { ($0.millis, $0.position) < ($1.millis, $1.position) }
        var vector = FeatureVector(count: view.features.count)
        for (slot, feature) in view.features.enumerated() {
            let width = feature.windowMillis ?? view.retentionMillis
            let inside = retained.filter { event in
                view.isRightClosed
                    ? t - width < event.millis && event.millis <= t : t - width <= event.millis && event.millis < t
            }
            let (number, text) = value(
                of: feature, over: inside, at: t, current: view.includesCurrentEvent ? current : nil)
            vector.numbers[slot] = number
            vector.texts[slot] = text
        }
        return vector
    }

    private func value(
        of feature: WindowFeature, over inside: [Event], at t: Int64, current: SourceRow?
    ) -> (Double, String?) {
        let rows = inside.map(\.row) + (current.map { [$0] } ?? [])
        switch feature.function {
        case .count: return (Double(rows.count), nil)
        case .secondsSinceLast: return (inside.last.map { Double(t - $0.millis) / 1_000 } ?? .nan, nil)
        default: break
        }
        guard let field = feature.field else { return (.nan, nil) }
        switch feature.function {
        case .distinctCount: return (Double(Set(rows.map { identity($0, field) }).count), nil)
        case .first, .last:
            guard let row = feature.function == .first ? rows.first : rows.last else { return (.nan, nil) }
            return (row.number(field), row.string(field))
        case .min, .max:
            let numbers = rows.map { $0.number(field) }
            let extreme = feature.function == .min ? numbers.min() : numbers.max()
            return (extreme.map { $0 == 0 ? 0 : $0 } ?? .nan, nil)
        default: break
        }
        var scale = 1.0
        if case .decimal(let places) = view.source.fields[field].type { for _ in 0..<places { scale *= 10 } }
        let units = rows.compactMap { $0.bits(field) }
        let sum = units.reduce(Int128(0)) { $0 + Int128($1) }
        let count = Int128(units.count)
        switch feature.function {
        case .sum: return (Double(sum) / scale, nil)
        case .mean: return (units.isEmpty ? .nan : Double(sum) / Double(count) / scale, nil)
        case .std:
            guard units.count >= 2 else { return (.nan, nil) }
            let squares = units.reduce(Int128(0)) { $0 + Int128($1) * Int128($1) }
            let variance = Double(count * squares - sum * sum) / Double(count * (count - 1))
            return (variance.squareRoot() / scale, nil)
        default: return (.nan, nil)
        }
    }

    private func identity(_ row: SourceRow, _ field: Int) -> ByteString {
        ByteString(row.string(field).map { "text \($0)" } ?? "number \(row.bits(field) ?? 0)")
    }
}

/// xorshift64*: the same numbers for the same seed, everywhere.
public struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64

    /// Numbers of a seed.
    public init(seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 | 1 }

    /// The next 64 bits.
    public mutating func next() -> UInt64 {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return state &* 0x2545_f491_4f6c_dd1d
    }
}
