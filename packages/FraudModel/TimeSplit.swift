/// Rows split by event time, each part later than the one before it:
///
///     oldest ──────── fit ────────┼─ stopping ─┼──── holdout ──── newest
///                                              └ the newest 20 % of labelled event time, unless a moment is given
///
/// Trees are fitted on the first part; the second, an eighth of the time before the holdout, stops the fitting and sets the
/// threshold; the holdout is only measured on. The span of event time leaves out the oldest and the newest thousandth of the
/// rows, so that a few times that are wrong do not move the borders.
public struct TimeSplit: Sendable {
    /// Rows of the set, oldest first.
    public let fit: [Int], stopping: [Int], holdout: [Int]

    init(fit: [Int], stopping: [Int], holdout: [Int]) {
        (self.fit, self.stopping, self.holdout) = (fit, stopping, holdout)
    }

    /// Splits a set. `holdoutFromMillis` is the event time the holdout begins at.
    public init(_ set: TrainingSet, holdoutFromMillis: Int64? = nil) {
        let order = set.order()
        guard !order.isEmpty else {
            (fit, stopping, holdout) = ([], [], [])
            return
        }
        let outside = order.count / 1_000
        let (oldest, newest) = (
            set.timesMillis[order[outside]], set.timesMillis[order[order.count - 1 - outside]]
        )
        let holdoutFrom = holdoutFromMillis ?? newest - (newest - oldest) / 5
        let stoppingFrom = holdoutFrom - (holdoutFrom - oldest) / 8
        fit = order.filter { set.timesMillis[$0] < stoppingFrom }
        stopping = order.filter { stoppingFrom <= set.timesMillis[$0] && set.timesMillis[$0] < holdoutFrom }
        holdout = order.filter { set.timesMillis[$0] >= holdoutFrom }
    }
}
