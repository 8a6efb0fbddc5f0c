import Foundation
import Observability
import PostgresClient
import PostgresOfflineStore
import ServiceRuntime
import Synchronization
import TestSupport
import Testing

@testable import FeatureTransformer

@Suite(.timeLimit(.minutes(1))) struct RolloutWatchTests {
    @Test func `one session looks, another one when it ends, and other definitions end the program`() throws {
        let url = try TestServers.postgres().makeDatabase("rollouts")
        let store = try PostgresOfflineStore(url: url)
        try store.migrate()
        let ledger = DefinitionLedger(store.connection, project: "fraud")
        func rollOut(_ hash: String) throws {
            try ledger.rollOut(ledger.apply([], streamHash: hash, changes: [], by: "test"), by: "test")
        }
        /// The session that looks, once it has looked anew.
        func session(other than: Int64? = nil) throws -> Int64? {
            var found: [Int64?] = []
            _ = try TestEnvironment.waits(seconds: 30) {
                let result = try store.connection.execute(
                    """
                    SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND
                    application_name = 'needletail-transform-rollouts' AND query LIKE '%definition_rollouts%'
                    """)
                found = (0..<result.count).map { result.integer($0, 0) }
                return found.count == 1 && found[0] != than
            }
            #expect(found.count == 1)
            return found.first ?? nil
        }
        try rollOut("mine")
        let runtime = ServiceRuntime()
        let watch = RolloutWatch(databaseURL: url, project: "fraud", streamHash: "mine", pauseMillis: 20)
        // A thread of its own: those that tests share are taken by tests that wait.
        let failure = Mutex<(any Error)?>(nil)
        let end = DispatchSemaphore(value: 0)
        Thread.detachNewThread {
            do { try watch.run(runtime) } catch { failure.withLock { $0 = error } }
            end.signal()
        }
        defer { runtime.stop() }

        let first = try #require(try session())
        try rollOut("mine")  // The same definitions again are none of its business.
        for _ in 0..<20 {
            #expect(try session() == first)
            usleep(10_000)
        }
        try store.connection.execute("SELECT pg_terminate_backend(\(first))")
        #expect(try session(other: first) != first)
        try rollOut("others")
        #expect(end.wait(timeout: .now() + 30) == .success)
        #expect(failure.withLock { $0 is CommandError })
    }

    @Test func `it ends with the program`() async throws {
        let runtime = ServiceRuntime()
        let watch = RolloutWatch(
            databaseURL: "postgresql://127.0.0.1:1/none", project: "fraud", streamHash: "mine", pauseMillis: 60_000)
        let end = Task { try await runtime.onThread("watch") { try watch.run(runtime) } }
        runtime.stop()
        try await end.value
    }
}
