import FeatureEngine

/// F at moments of one entity after the other, out of its events in log order: the stream's own state, held at v and asked at t.
struct MomentReplay {
    private let views: [StreamView]
    private var states: [EntityState]
    private var key: [UInt8]?

    /// No entity yet. The views have one join key.
    init(_ views: [StreamView]) {
        self.views = views
        states = views.map { EntityState($0) }
    }

    /// Begins another entity where `key` is another than before.
    mutating func turn(to key: ArraySlice<UInt8>) {
        if let known = self.key, known.elementsEqual(key) { return }
        self.key = Array(key)
        for view in views.indices { states[view] = EntityState(views[view]) }
    }

    /// Adds an event of the entity; positions only grow.
    mutating func insert(_ row: SourceRow, position: Int64) {
        for view in states.indices { _ = states[view].insert(row, offset: position) }
    }

    /// F of the entity in one of the views over the events added so far.
    func evaluate(view: Int, atMillis: Int64, current: SourceRow?, into vector: inout FeatureVector) {
        states[view].evaluate(atMillis: atMillis, current: current, into: &vector)
    }

    /// The entity's state in one of the views.
    func state(view: Int) -> EntityState { states[view] }
}
