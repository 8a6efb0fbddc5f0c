public import FeatureEngine

/// Turns a file's history into point-in-time rows: what the stream would have computed for each event of one log, in its order.
public struct PointInTimeReplay {
    /// Events left out because their id had been seen.
    public private(set) var duplicates = 0
    /// Events whose time lies before one read earlier. They count from where they stand in the file, as late events of a stream
    /// do: many of them say that the file is not in time order.
    public private(set) var outOfOrder = 0
    /// Events older than their entity keeps: they have a row, and enter no later one.
    public var tooOld: Int { replay.tooOld }
    /// The views that are evaluated, all of one source.
    public var views: [StreamView] { replay.views }

    private var replay: ViewsReplay
    private var ids = ByteTable()
    private var newestMillis = Int64.min

    /// A log without events.
    public init(views: [StreamView]) { replay = ViewsReplay(views) }

    /// Takes the next event. Writes one vector a view and returns true, or false for an id that was seen before. `position`
    /// only grows.
    public mutating func next(_ row: SourceRow, position: Int64, into vectors: inout [FeatureVector]) -> Bool {
        guard ids.insert(row.bytes(row.schema.eventIDIndex).span).isNew else {
            duplicates += 1
            return false
        }
        if row.eventTimeMillis < newestMillis { outOfOrder += 1 }
        newestMillis = max(newestMillis, row.eventTimeMillis)
        replay.next(row, position: position, into: &vectors)
        return true
    }
}
