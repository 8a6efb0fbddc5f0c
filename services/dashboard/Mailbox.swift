import Synchronization

/// Events on their way from the working threads to the terminal's. Keeps a few: a stopped terminal takes none.
final class Mailbox: Sendable {
    private static let limit = 64
    private let waiting = Mutex<[DashboardEvent]>([])

    func put(_ event: DashboardEvent) {
        waiting.withLock { waiting in
            waiting.append(event)
            if waiting.count > Self.limit { waiting.removeFirst() }
        }
    }

    func take() -> [DashboardEvent] {
        waiting.withLock { waiting in
            defer { waiting = [] }
            return waiting
        }
    }
}

/// What the terminal's thread wants of the worker: the newest question, and every order once, in their order.
final class Desk: Sendable {
    private struct Wishes: Sendable {
        var question: Question?
        var orders: [Order] = []
        var version = 0
        var hasJudged = false
    }
    private let wishes = Mutex(Wishes())

    func put(_ question: Question?, _ orders: [Order]) {
        wishes.withLock { wishes in
            if wishes.question != question { wishes.version += 1 }
            wishes.question = question
            wishes.orders += orders
            if !orders.isEmpty { wishes.hasJudged = true }
        }
    }

    /// Whether anything was ever ordered.
    var hasJudged: Bool { wishes.withLock(\.hasJudged) }

    /// The question with a number that changes with it, and the orders, which are the caller's from now on.
    func take() -> (question: Question?, version: Int, orders: [Order]) {
        wishes.withLock { wishes in
            defer { wishes.orders = [] }
            return (wishes.question, wishes.version, wishes.orders)
        }
    }
}
