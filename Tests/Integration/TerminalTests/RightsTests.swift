import FeatureStore
import PostgresClient
import PostgresOfflineStore
import TestSupport
import Testing

@testable import Dashboard

/// What the database lets people do, on a Postgres of their own.
@Suite(.serialized, .timeLimit(.minutes(1))) struct RightsTests {
    @Test func `a role is asked for its rights until it has them`() throws {
        let url = try TestServers.postgres().makeDatabase("rights")
        let store = try PostgresOfflineStore(url: url)
        try store.migrate()
        let role = "ana_\(UInt32.random(in: 0 ... .max))"
        try store.connection.execute("CREATE ROLE \(role) LOGIN")
        defer { _ = try? store.connection.execute("DROP OWNED BY \(role); DROP ROLE \(role)") }
        let repository = try FeatureRepository.load(
            directory: TestEnvironment.packageRoot + "/feature_repo", environment: [:])
        let worker = DetailWorker(
            DetailWorker.Settings(
                repository: repository, columns: PredictionColumns(repository),
                database: url.replacing("//needletail@", with: "//\(role)@"), redis: "redis://127.0.0.1:1",
                kafka: "127.0.0.1:1", models: "", logs: "", auditShare: 0, reviewer: "", isReadOnly: false))
        #expect(worker.askRights().refusal?.contains("GRANT needletail_analyst") == true)
        try store.connection.execute("GRANT needletail_analyst TO \(role)")
        #expect(worker.askRights() == Rights(reviewer: role, refusal: nil))
        // What is allowed is not asked again; the tables themselves refuse.
        try store.connection.execute("REVOKE needletail_analyst FROM \(role)")
        #expect(worker.askRights().refusal == nil)
        let outcome = worker.carryOut(Order(.claim, predictionID: "p", newestEventMillis: nil))
        #expect(!outcome.isDone && outcome.text == "the database's role may not do that")
    }
}
