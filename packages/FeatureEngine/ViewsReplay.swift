/// The one engine for "F, then insert": every view of a source over one log, each by its own join key.
///
///     event at position p   ──▶  vector = F(key, t, p − 1) of every view   ──▶  the event joins its entity of every view
///
/// Backfill, training from a file and tests are this over a whole log. The transformer does the same steps between its
/// stores.
public struct ViewsReplay: Sendable {
    /// The views, all of one source.
    public let views: [StreamView]
    /// Events that came too late for the windows of their entity, in one view or several: they have a row, and enter no later
    /// one.
    public private(set) var tooOld = 0
    /// One a join key, and the places of its views in `views`.
    private var keys: [(entities: EntityStates, views: [Int])]

    /// A log without events.
    public init(_ views: [StreamView]) {
        self.views = views
        var indexes: [Int] = []
        for view in views where !indexes.contains(view.joinKeyIndex) { indexes.append(view.joinKeyIndex) }
        keys = indexes.map { index in
            let places = views.indices.filter { views[$0].joinKeyIndex == index }
            return (EntityStates(places.map { views[$0] }, keyIndex: index), places)
        }
    }

    /// One vector a view, all missing.
    public func makeVectors() -> [FeatureVector] { views.map { FeatureVector(count: $0.features.count) } }

    /// Takes the next event and writes one vector a view. Positions only grow.
    public mutating func next(_ row: SourceRow, position: Int64, into vectors: inout [FeatureVector]) {
        var wasTooOld = false
        for key in keys.indices {
            let place = keys[key].entities.place(of: row)
            for (view, slot) in keys[key].views.enumerated() {
                keys[key].entities.evaluate(place, view: view, row, into: &vectors[slot])
                if keys[key].entities.insert(place, view: view, row, at: position) == .tooOld { wasTooOld = true }
            }
        }
        if wasTooOld { tooOld += 1 }
    }
}
