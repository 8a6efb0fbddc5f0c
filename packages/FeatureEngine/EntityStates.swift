/// The states of all entities of one view, each at a place of its own, numbered as they come.
public struct EntityStates: Sendable {
    /// The view.
    public let view: StreamView
    private var keys = ByteTable()
    private var states: [EntityState] = []

    /// No entities yet.
    public init(_ view: StreamView) { self.view = view }

    /// How many entities there are.
    public var count: Int { states.count }

    /// The place of an entity by its join key's bytes; a new one begins without events.
    public mutating func place(of key: Span<UInt8>) -> Int {
        let (place, isNew) = keys.insert(key)
        if isNew { states.append(EntityState(view)) }
        return place
    }

    /// The place of a row's entity.
    public mutating func place(of row: SourceRow) -> Int {
        row.withCanonicalBytes(view.joinKeyIndex) { place(of: $0) }
    }

    /// The join key at a place.
    public func key(_ place: Int) -> ByteString { keys[place] }

    /// The state at a place, to read or to fill from a blob.
    public subscript(place: Int) -> EntityState {
        get { states[place] }
        _modify { yield &states[place] }
    }

    /// F of a row's entity at the row's time, over the events inserted so far.
    public func evaluate(_ place: Int, _ row: SourceRow, into vector: inout FeatureVector) {
        states[place].evaluate(atMillis: row.eventTimeMillis, current: row, into: &vector)
    }

    /// Adds an event to its entity.
    public mutating func insert(_ place: Int, _ row: SourceRow, at position: Int64) -> EntityState.Insertion {
        states[place].insert(row, offset: position)
    }
}
