/// How far back the history of a topic reaches, in event time, ms since 1970; 0 where nothing was deleted.
///
///     ──── deleted ────┤ removedBefore ─── kept, windows not whole ───┤ completeFrom ─── every window is whole ───▶
///
/// Noted before the first row is deleted, and only raised. An owner of a partition commits only under the horizon it knows, so
/// a repeat of what was deleted cannot slip in as a new event. See docs/design.md, Deleting by age.
public struct HistoryHorizon: Hashable, Sendable {
    /// Rows before it were deleted.
    public var removedBefore: Int64
    /// The longest look back of the definitions after that: what is older and comes now is refused.
    public var completeFrom: Int64

    /// Describes a horizon; without values nothing was deleted.
    public init(removedBefore: Int64 = 0, completeFrom: Int64 = 0) {
        (self.removedBefore, self.completeFrom) = (removedBefore, completeFrom)
    }

    /// The first event time whose windows, which look back so far, are whole; the earliest there is where nothing was deleted.
    public func firstWholeMillis(lookBackMillis: Int64) -> Int64 {
        guard removedBefore > 0 else { return .min }
        let (first, isOverflow) = removedBefore.addingReportingOverflow(lookBackMillis)
        return isOverflow ? .max : first
    }

    /// Why a record of this time is refused; nil when it is not.
    public func refusal(ofMillis millis: Int64, field: @autoclosure () -> String) -> String? {
        guard millis < completeFrom else { return nil }
        return
            "\(field()): is older than the history that is kept (EVENT_RETENTION_DAYS): it may be a repeat of what was deleted"
    }
}
