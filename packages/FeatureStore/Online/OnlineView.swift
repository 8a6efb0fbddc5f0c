public import FeatureEngine

/// What is wrong with a value of the online store.
public enum OnlineFault: Error, Hashable, Sendable, CaseIterable {
    /// There is no blob: the entity is new, or its blob was lost.
    case absent
    /// Left behind by a generation before: as good as absent.
    case outdated
    /// It does not decode: nothing in it may be believed, its position least of all.
    case unreadable
    /// Of a later generation than the watermark, or at or past the owner's next offset: one of the two stores went back.
    case ahead
}

/// What the values of the online store mean: the one table for everybody who reads them. What to do about a fault is the
/// caller's: the API degrades its answer, `get-online` says it, the transformer rebuilds. See docs/design.md, What is stored is not trusted.
///
///     blob \ watermark      absent or unreadable    below its target          complete
///     absent                unknown                 unknown                   new entity (unless known: then lost)
///     generation before     unknown                 outdated: as absent       outdated: as absent
///     same generation       unknown                 a prefix of the state     the state
///     generation after      unknown                 ahead                     ahead
///     does not decode       unknown                 unreadable                unreadable
public enum OnlineView {
    /// The state of a blob under a watermark. `next` is given by the owner of the partition, for whom a blob at or past it is
    /// ahead; for everybody else it is normal that a blob is ahead of a watermark that follows it.
    public static func state(
        _ view: StreamView, blob: Span<UInt8>?, under watermark: Watermark, before next: Int64? = nil
    ) throws(OnlineFault) -> EntityState {
        var state = EntityState(view)
        try load(&state, blob: blob, under: watermark, before: next)
        return state
    }

    /// The same into a state that is there already, whose room is kept. After a fault it says nothing.
    public static func load(
        _ state: inout EntityState, blob: Span<UInt8>?, under watermark: Watermark, before next: Int64? = nil
    ) throws(OnlineFault) {
        guard let blob else { throw .absent }
        // The checksum first: a damaged generation must not pass for an older one.
        do throws(BlobError) { try state.load(blob: blob) } catch { throw .unreadable }
        guard isPossible(generation: state.generation, offset: state.offset) else { throw .unreadable }
        if state.generation < watermark.generation { throw .outdated }
        if state.generation > watermark.generation { throw .ahead }
        if let next, state.offset >= next { throw .ahead }
    }

    /// What a reader says of one view of one entity.
    public enum Answer: Sendable {
        /// The state, which is right for its position.
        case state(EntityState)
        /// There is no blob: whether the entity is new must be asked of `KnownEntities` first.
        case ask
        /// Nothing can be said: the features are missing and the answer is degraded.
        case missing
    }

    /// What a reader says, given the values it read; `known` once it has asked.
    public static func answer(
        _ view: StreamView, blob: Span<UInt8>?, under watermark: Watermark?, known: KnownEntities.Answer? = nil
    ) -> Answer {
        guard let watermark, watermark.isComplete else { return .missing }
        do throws(OnlineFault) { return .state(try state(view, blob: blob, under: watermark)) } catch {
            switch (error, known) {
            case (.unreadable, _), (.ahead, _), (_, .known?): return .missing
            case (_, nil): return .ask
            case (_, .new?): return .state(empty(view, under: watermark))
            // Before the first record there is no filter; after it, a missing one says that keys get lost.
            case (_, .absent?): return watermark.nextOffset == 0 ? .state(empty(view, under: watermark)) : .missing
            }
        }
    }

    /// What an entity is that had no event before the watermark.
    public static func empty(_ view: StreamView, under watermark: Watermark) -> EntityState {
        EntityState(view, generation: watermark.generation, offset: watermark.nextOffset - 1)
    }

    /// Whether any rebuild can have written this position.
    public static func isPossible(generation: UInt64, offset: Int64) -> Bool {
        generation < UInt64(Watermark.end) && offset >= -1 && offset < Watermark.end
    }
}
