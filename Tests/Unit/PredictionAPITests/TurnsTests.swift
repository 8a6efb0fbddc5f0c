import FeatureStore
import HTTPServer
import JSON
import Observability
import Testing

@testable import PredictionAPI

@Suite struct TurnsTests {
    /// A loop that goes on only when it is told.
    private final class Loop {
        private(set) var ready: [() -> Void] = []
        func schedule(_ body: @escaping () -> Void) { ready.append(body) }
        func turn() {
            let now = ready
            ready = []
            for body in now { body() }
        }
    }

    @Test func `one goes on at a time, in the order of asking`() {
        let loop = Loop()
        let turns = Turns(loop.schedule)
        var log: [String] = []
        func work(_ name: String, _ left: Int) {
            log.append(name)
            if left > 1 { turns.pass { work(name, left - 1) } } else { turns.end() }
        }
        for name in ["a", "b", "c"] { turns.take { work(name, 3) } }
        for _ in 0..<100 where !loop.ready.isEmpty {
            #expect(loop.ready.count == 1)
            loop.turn()
        }
        #expect(log == ["a", "b", "c", "a", "b", "c", "a", "b", "c"])
        turns.take { log.append("later") }
        loop.turn()
        #expect(log.last == "later")
    }

    @Test func `thousands may wait`() {
        let loop = Loop()
        let turns = Turns(loop.schedule)
        var done = 0
        for _ in 0..<5_000 {
            turns.take {
                done += 1
                turns.end()
            }
        }
        for _ in 0..<5_000 { loop.turn() }
        #expect(done == 5_000 && loop.ready.isEmpty)
    }

    @Test(arguments: ["application/json", "application/x-ndjson"])
    func `many batches keep the loop for a slice only, and all are answered`(type: String) throws {
        let loop = Loop()
        let time = TestTime()
        let app = PredictionApp(
            reader: MemoryReader(), log: nil, metrics: MetricsRegistry(), clocks: time.clocks, yield: loop.schedule)
        app.use(partitionCount: 4, of: "payments")
        app.use(try ServedModel(Fixture.model(), Fixture.repository))
        // Each look at the clock finds it a third of a slice later, so a slice is a few rows.
        time.stepMicros = RowScoring.sliceMicros / 3
        let separator = type == "application/json" ? "," : "\n"
        let rows = Array(repeating: Fixture.payment, count: 100).joined(separator: separator)
        let body = type == "application/json" ? "[\(rows)]" : rows
        let batches = (0..<10).map { _ in
            Request(.post, "/api/v1/predict/batch", headers: ["content-type": type], body: Array(body.utf8))
        }
        // One is refused in its turn, and one is gone: the others go on.
        let bad = Request(.post, "/api/v1/predict/batch", body: Array("[{}]".utf8))
        for request in batches + [bad] { _ = app.respond(to: request) }
        var turns = 0
        while !loop.ready.isEmpty, turns < 100_000 {
            #expect(loop.ready.count == 1)
            let before = time.micros
            loop.turn()
            turns += 1
            #expect(time.micros - before < RowScoring.sliceMicros * 20)
        }
        #expect(turns > 100)
        for request in batches { #expect(request.response?.status == 200) }
        #expect(bad.response?.status == 422)
    }
}
