/// The states of the entities of one join key, in every view that has this key. Each entity has a place, numbered as they come, so
/// that whoever keeps something beside it (what is dirty, what was not read yet) keeps it by place.
public struct EntityStates: Sendable {
    /// The views, all of one source and one join key.
    public let views: [StreamView]
    /// The field of the join key.
    public let keyIndex: Int
    private var keys = ByteTable()
    private var states: [EntityState] = []  // those of one entity side by side

    /// No entities yet. `views` have `keyIndex` in common; where there are none, entities are only numbered.
    public init(_ views: [StreamView], keyIndex: Int) {
        precondition(views.allSatisfy { $0.joinKeyIndex == keyIndex }, "a view of another key")
        self.views = views
        self.keyIndex = keyIndex
    }

    /// How many entities there are.
    public var count: Int { keys.count }

    /// Forgets all entities.
    public mutating func removeAll() {
        keys = ByteTable()
        states.removeAll(keepingCapacity: true)
    }

    /// The place of an entity by its join key's bytes; a new one begins without events.
    public mutating func place(of key: Span<UInt8>) -> (place: Int, isNew: Bool) {
        let (place, isNew) = keys.insert(key)
        if isNew { for view in views { states.append(EntityState(view)) } }
        return (place, isNew)
    }

    /// The place of a row's entity.
    public mutating func place(of row: SourceRow) -> Int {
        row.withCanonicalBytes(keyIndex) { place(of: $0).place }
    }

    /// The join key at a place.
    public func key(_ place: Int) -> ByteString { keys[place] }

    /// An entity's state in one of the views, to read or to fill from a blob.
    public subscript(place: Int, view: Int) -> EntityState {
        get { states[place * views.count + view] }
        _modify { yield &states[place * views.count + view] }
    }

    /// F of a row's entity in one of the views at the row's time, over the events inserted so far.
    public func evaluate(_ place: Int, view: Int, _ row: SourceRow, into vector: inout FeatureVector) {
        // Through a span, which lends the state: an array would hand out a copy, and count its references.
        states.span[place * views.count + view].evaluate(atMillis: row.eventTimeMillis, current: row, into: &vector)
    }

    /// Adds an event to its entity in one of the views.
    public mutating func insert(_ place: Int, view: Int, _ row: SourceRow, at position: Int64) -> EntityState.Insertion
    {
        states[place * views.count + view].insert(row, offset: position)
    }
}
