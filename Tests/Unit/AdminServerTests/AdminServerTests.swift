import AdminServer
import Observability
import Synchronization
import TestSupport
import Testing

@Suite struct AdminServerTests {
    @Test func `metrics and health are served until the stop`() throws {
        let metrics = MetricsRegistry()
        metrics.counter("needletail_test_events_total", help: "Events.").add(3)
        let isReady = Atomic(false)
        let flag = Flag(isReady)
        let admin = try AdminServer(port: 0, metrics: metrics) {
            flag.value.load(ordering: .relaxed) ? .ready : .notReady("no \"model\" yet")
        }
        let client = try HTTPTestClient(port: admin.port)
        client.send("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(client.answer()?.body.contains("needletail_test_events_total 3\n") == true)
        client.send("GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(client.answer()?.status == 200)
        client.send("GET /health/ready HTTP/1.1\r\nHost: a\r\n\r\n")
        let notReady = try #require(client.answer())
        #expect(notReady.status == 503)
        #expect(notReady.body == #"{"detail":"no \"model\" yet"}"#)
        flag.value.store(true, ordering: .relaxed)
        client.send("HEAD /health/ready HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(client.answer(toHead: true)?.status == 200)
        admin.stop()
        admin.stop()
        #expect(client.isClosed(withinMillis: 1_000))
    }

    private final class Flag: Sendable {
        let value: Atomic<Bool>
        init(_ value: consuming Atomic<Bool>) { self.value = value }
    }
}
