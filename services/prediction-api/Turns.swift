/// Lets batches of one loop go on one after the other, a slice each, with everybody else of the loop between any two slices: so
/// others wait for one slice, however many batches there are.
///
/// Who has the turn keeps it while it waits for the online store, and ends it with `pass` or `end`. Belongs to its loop.
final class Turns {
    private let yield: (@escaping () -> Void) -> Void
    private var waiting: [() -> Void] = []
    /// The first that waits; those before it had their turn.
    private var first = 0
    private var isTaken = false

    /// `yield` calls back when the others of the loop have had their chance.
    init(_ yield: @escaping (@escaping () -> Void) -> Void) { self.yield = yield }

    /// Asks for a turn: `body` has it from its call on.
    func take(_ body: @escaping () -> Void) {
        waiting.append(body)
        if !isTaken { giveNext() }
    }

    /// Ends the turn, and asks for another behind those that wait.
    func pass(_ body: @escaping () -> Void) {
        waiting.append(body)
        giveNext()
    }

    /// Ends the turn.
    func end() { giveNext() }

    private func giveNext() {
        isTaken = first < waiting.count
        guard isTaken else {
            waiting.removeAll()
            first = 0
            return
        }
        let body = waiting[first]
        waiting[first] = {}
        first += 1
        if first >= 64, first * 2 >= waiting.count {
            waiting.removeFirst(first)
            first = 0
        }
        yield(body)
    }
}
