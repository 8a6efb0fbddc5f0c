import Dashboard
import Dispatch
import Testing

@Suite struct DeskTests {
    private static let order = Order(.fraud, predictionID: "p0", newestEventMillis: nil)

    @Test func `an order is the worker's once, and a question has a number that changes with it`() {
        let desk = Desk()
        desk.put(.model, [Self.order])
        let first = desk.take()
        desk.put(.model, [])
        let second = desk.take()
        desk.put(.logs, [])
        #expect(first.orders == [Self.order] && second.orders.isEmpty)
        #expect(first.version == second.version && desk.take().version != second.version)
    }

    @Test func `who leaves waits for what was ordered, and no longer`() {
        let desk = Desk()
        desk.put(nil, [Self.order, Self.order])
        #expect(desk.close(waitingMillis: 20) == 2)
        let waits = Desk()
        waits.put(nil, [Self.order])
        DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(30)) { waits.finish() }
        #expect(waits.close(waitingMillis: 60_000) == 0)
        #expect(Desk().close(waitingMillis: 60_000) == 0)
    }
}
