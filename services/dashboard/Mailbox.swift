import Foundation

/// Observations on their way from the sampler's thread to the terminal's. Keeps a few: a stopped terminal takes none.
final class Mailbox: @unchecked Sendable {  // Every access holds `condition`.
    private static let limit = 16
    private let condition = NSCondition()
    private var waiting: [Observation] = []
    private var isAwake = false

    func put(_ observation: Observation) {
        condition.withLock {
            waiting.append(observation)
            if waiting.count > Self.limit { waiting.removeFirst() }
        }
    }

    func take() -> [Observation] {
        condition.withLock {
            defer { waiting = [] }
            return waiting
        }
    }

    /// Sleeps on the sampler's thread until the time is up or `wake`.
    func rest(millis: Int) {
        let until = Date(timeIntervalSinceNow: Double(millis) / 1_000)
        condition.lock()
        while !isAwake, condition.wait(until: until) {}
        condition.unlock()
    }

    func wake() {
        condition.withLock {
            isAwake = true
            condition.broadcast()
        }
    }
}
