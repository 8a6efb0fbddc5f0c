/// What the user may do to cases.
package struct Rights: Hashable, Sendable {
    /// Who judges: the database's role, or the name given.
    package var reviewer: String
    /// Why nothing may be judged; nil when it may.
    package var refusal: String?

    package init(reviewer: String = "", refusal: String? = "it is not known yet whether you may") {
        (self.reviewer, self.refusal) = (reviewer, refusal)
    }
}

/// Something to be done to a case.
package struct Order: Hashable, Sendable {
    package enum Action: Hashable, Sendable {
        case fraud, legitimate, claim, snooze, undo
        case note(String)
    }
    package let action: Action
    /// The answer it is about, by its id.
    package let predictionID: String
    /// The newest event time the user has seen, ms UTC.
    package let newestEventMillis: Int64?

    package init(_ action: Action, predictionID: String, newestEventMillis: Int64?) {
        (self.action, self.predictionID, self.newestEventMillis) = (action, predictionID, newestEventMillis)
    }
}

/// What became of an order.
package struct Outcome: Hashable, Sendable {
    package let isDone: Bool
    /// A sentence for the user.
    package let text: String

    package init(isDone: Bool, _ text: String) { (self.isDone, self.text) = (isDone, text) }
}
