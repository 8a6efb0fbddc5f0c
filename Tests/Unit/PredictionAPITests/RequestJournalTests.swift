import HTTPServer
import JSON
import Observability
import Synchronization
import Testing

@testable import PredictionAPI

@Suite struct RequestJournalTests {
    private final class Lines: Sendable {
        private let lines = Mutex<[JSONTree]>([])
        var all: [JSONTree] { lines.withLock { $0 } }
        func log(_ level: LogLevel) -> Log {
            Log(level: level) { [self] line in lines.withLock { $0.append((try? JSONTree.parse(line)) ?? .null) } }
        }
    }

    @Test func `failed and slow requests are logged with their ids, refused ones for those who look`() {
        for level in [LogLevel.info, .debug] {
            let lines = Lines()
            let journal = RequestJournal(lines.log(level), slowMillis: 100)
            for (id, status, micros) in [("a", 200, 99_999), ("b", 200, 100_000), ("c", 503, 5), ("d", 422, 5)] {
                journal.note(id: id, path: "/predict", status: status, micros: Int64(micros), nowMillis: 1)
            }
            #expect(lines.all.map { $0["request_id"]?.string } == ["b", "c"] + (level == .debug ? ["d"] : []))
            #expect(lines.all.map { $0["message"]?.string }.prefix(2) == ["request was slow", "request failed"])
            #expect(lines.all.map { $0["status"]?.int }.prefix(2) == [200, 503])
        }
        let lines = Lines()
        RequestJournal(lines.log(.info), slowMillis: 0).note(
            id: "a", path: "/", status: 200, micros: .max, nowMillis: 1)
        #expect(lines.all.isEmpty)
    }

    @Test func `a burst is cut, and the next line says by how much`() {
        let lines = Lines()
        let journal = RequestJournal(lines.log(.info), slowMillis: 0)
        func fail(_ count: Int, at millis: Int64) {
            for number in 0..<count {
                journal.note(
                    id: "\(number)", path: String(repeating: "p", count: 5_000), status: 500, micros: 1,
                    nowMillis: millis)
            }
        }
        fail(100, at: 5_000)
        #expect(lines.all.count == 10)
        fail(100, at: 6_000)
        #expect(lines.all.count == 11)
        #expect(lines.all.last?["left_out"] == 90)
        // A clock from the far future, or one that goes back, opens no gate wider.
        fail(100, at: 1_000_000_000_000)
        #expect(lines.all.count == 21)
        fail(1, at: 0)
        #expect(lines.all.count == 21)
        #expect(lines.all.allSatisfy { $0["path"]?.string?.count == 200 })
    }

    @Test func `an error has an id to be found by: the client's own, or a new one`() throws {
        let lines = Lines()
        let app = PredictionApp(
            reader: MemoryReader(), log: nil, metrics: .init(),
            journal: RequestJournal(lines.log(.info), slowMillis: 0))
        func ids(_ headers: [String: String], status: Int = 503) -> [String] {
            let request = Request(.post, "/predict", headers: headers, body: [])
            #expect(app.respond(to: request)?.status == 503)
            app.answered(request, status)
            return request.answerHeaders.filter { $0.name == "X-Request-ID" }.map(\.value)
        }
        #expect(ids(["x-request-id": "mine"]) == ["mine"])
        let made = ids([:]) + ids(["x-request-id": "a b"])
        #expect(Set(made).count == 2 && made.allSatisfy { $0.utf8.count > 16 })
        #expect(ids([:], status: 200) == [])
        #expect(lines.all.compactMap { $0["request_id"]?.string } == ["mine"] + made)
    }
}
