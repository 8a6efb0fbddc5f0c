import Synchronization

/// Observations on their way from the sampler's thread to the terminal's. Keeps a few: a stopped terminal takes none.
final class Mailbox: Sendable {
    private static let limit = 16
    private let waiting = Mutex<[Observation]>([])

    func put(_ observation: Observation) {
        waiting.withLock { waiting in
            waiting.append(observation)
            if waiting.count > Self.limit { waiting.removeFirst() }
        }
    }

    func take() -> [Observation] {
        waiting.withLock { waiting in
            defer { waiting = [] }
            return waiting
        }
    }
}
