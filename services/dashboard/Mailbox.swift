import Glibc
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
package final class Desk: Sendable {
    private struct Wishes: Sendable {
        var question: Question?
        var orders: [Order] = []
        var version = 0
        /// Orders that were put and are not carried out.
        var unfinished = 0
        var verdicts: [String] = []
        var isClosed = false
    }
    private let wishes = Mutex(Wishes())

    package init() {}

    package func put(_ question: Question?, _ orders: [Order]) {
        wishes.withLock { wishes in
            if wishes.question != question { wishes.version += 1 }
            wishes.question = question
            wishes.orders += orders
            wishes.unfinished += orders.count
        }
    }

    /// The question with a number that changes with it, and the orders, which are the caller's from now on.
    package func take() -> (question: Question?, version: Int, orders: [Order]) {
        wishes.withLock { wishes in
            defer { wishes.orders = [] }
            return (wishes.question, wishes.version, wishes.orders)
        }
    }

    /// An order was carried out or refused.
    package func finish() { wishes.withLock { $0.unfinished -= 1 } }

    /// Waits for the orders that are not carried out, closes the desk and returns how many are left.
    package func close(waitingMillis: Int) -> Int {
        for _ in 0..<(waitingMillis / 10) {
            if wishes.withLock({ $0.unfinished }) == 0 { break }
            usleep(10_000)
        }
        return wishes.withLock { wishes in
            wishes.isClosed = true
            return wishes.unfinished
        }
    }

    /// Whether nobody waits for anything any more.
    var isClosed: Bool { wishes.withLock(\.isClosed) }

    func noteVerdict(_ id: String) { wishes.withLock { $0.verdicts.append(id) } }

    /// The ids of the verdicts that were given here, whatever became of them.
    var verdicts: [String] { wishes.withLock(\.verdicts) }
}
