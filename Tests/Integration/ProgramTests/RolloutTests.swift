import Foundation
import Synchronization
import TestSupport
import Testing

/// Definitions that are edited while everything runs, put to work and taken back.
@Suite(.serialized) struct RolloutTests {
    /// Asks the API without a pause, over one connection, and keeps what it answered.
    private final class Client: Sendable {
        private struct Seen {
            var answers = 0
            var failures: [String] = []
            var last = ""
        }
        private let seen = Mutex(Seen())
        private let isStopping = Atomic(false)

        init(port: Int, request: String) {
            Thread.detachNewThread { [self] in
                guard let client = try? HTTPTestClient(port: port) else {
                    return seen.withLock { $0.failures.append("no connection") }
                }
                while !isStopping.load(ordering: .relaxed) {
                    let answer = client.post("/api/v1/predict", request)
                    seen.withLock {
                        $0.answers += 1
                        $0.last = answer?.body ?? ""
                        if answer?.status != 200 { $0.failures.append("\(answer?.status ?? 0) \(answer?.body ?? "")") }
                    }
                    usleep(5_000)
                }
            }
        }

        func stop() { isStopping.store(true, ordering: .relaxed) }
        var answers: Int { seen.withLock { $0.answers } }
        var failures: [String] { seen.withLock { $0.failures } }
        var last: String { seen.withLock { $0.last } }
    }

    @Test(.timeLimit(.minutes(4))) func `an edit is rolled out and taken back, and no request fails`() throws {
        let needletail = try #require(TestEnvironment.needletail)
        let folder = try TestEnvironment.temporaryFolder("rollout")
        let (kafka, redis) = (try KafkaServer(), try RedisServer())
        defer {
            kafka.kill()
            redis.kill()
        }
        try kafka.start()
        try redis.start()
        let (port, repo) = (try TestEnvironment.freePort(), folder + "/repo")
        let database = try TestServers.postgres().makeDatabase("rollout")
        let environment = [
            "NEEDLETAIL_ENV_FILE": "", "LOG_LEVEL": "info", "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrapServers,
            "REDIS_URL": redis.url, "DATABASE_URL": database, "FEATURE_REPO": repo,
            "MODEL_DIRECTORY": folder + "/models", "API_PORT": "\(port)", "TRANSFORM_GROUP": "rollout-\(port)",
        ]
        func run(_ words: [String], exits code: Int32 = 0) throws -> String {
            let ended = try TestCommand.run([needletail] + words, environment: environment, seconds: 120)
            #expect(ended.exitCode == code, "\(words): \(ended.output)")
            return ended.output
        }
        func sql(_ query: String) throws -> String {
            try TestCommand.run(["/usr/bin/env", "psql", "-XAtqc", query, database]).output
        }
        let file = folder + "/payments.csv"
        try VenuePayments.write(file)
        _ = try run(["init", file, "--output", repo])
        #expect(try run(["features", "apply"]).contains("the first definitions"))
        _ = try run(["produce", "--input", file, "--limit", "7000", "--state", folder + "/state"])
        _ = try run(["transform", "--exit-at-end"])
        #expect(try run(["train", "--from-store", "--rounds", "20"]).contains("promoted: version 1"))
        #expect(try run(["features", "rollback"], exits: 65).contains("no rollout to take back"))

        let serve = try TestProcess(
            [needletail, "serve", "--no-prediction-log"], environment: environment, logPath: folder + "/serve.log")
        // What a supervisor does: a program that ends by itself is started again.
        let transform = try TestProcess(
            ["/usr/bin/env", "bash", "-c", #"while "$0" transform; [ $? -eq 75 ]; do :; done"#, needletail],
            environment: environment, logPath: folder + "/transform.log")
        defer {
            serve.killNow()
            transform.killNow()
        }
        #expect(
            TestEnvironment.waits(seconds: 30) {
                (try? HTTPTestClient(port: port))?.get("/health/ready")?.status == 200
            })
        let client = Client(
            port: port,
            request: #"{"ref": "new", "when": 1705184100, "wallet": "wallet 7", "eur": "431.50", "venue": "kiosk"}"#)
        defer { client.stop() }

        let view = repo + "/wallet_activity.yaml"
        let before = try String(contentsOfFile: view, encoding: .utf8)
        try before.replacing("windows: [1h, 24h, 7d, 30d]", with: "windows: [1h, 3h, 24h, 7d, 30d]")
            .write(toFile: view, atomically: true, encoding: .utf8)
        let plan = try run(["features", "plan"])
        #expect(plan.contains("+ view wallet_activity: feature eur_sum_3h (sum of eur over 10800 s)"), "\(plan)")
        #expect(plan.contains("features rollout") && !plan.contains("- view"), "\(plan)")

        // Events go on coming: the old transform stores some of them under the old definitions.
        let produce = try TestProcess(
            [needletail, "produce", "--input", file, "--rate", "300", "--state", folder + "/state"],
            environment: environment, logPath: folder + "/produce.log")
        defer { produce.killNow() }
        let rollout = try run(["features", "rollout", "--force"])
        #expect(rollout.contains("Rolled out"), "\(rollout)")
        let isNew = TestEnvironment.waits(seconds: 20) {
            client.last.contains("eur_sum_3h") && client.last.contains(#""model_version":"2""#)
                && client.last.contains(#""degraded":false"#)
        }
        #expect(isNew, "\(client.last) \(serve.log.suffix(2_000))")
        #expect(produce.waitUntilExit(seconds: 60))
        let stored = "SELECT count(*) FROM payments"
        let isStored = try TestEnvironment.waits(seconds: 30) { try sql(stored) == "9000\n" }
        #expect(isStored)
        let hashes = "SELECT count(*), count(DISTINCT definition_hash) FROM wallet_activity"
        #expect(try sql(hashes) == "9000|1\n", "rows of definitions that nobody reads")
        #expect(try sql("SELECT count(*) FROM definition_sets") == "2\n")

        let back = try run(["features", "rollback"])
        #expect(back.contains("Taken back"), "\(back)")
        #expect(try String(contentsOfFile: view, encoding: .utf8) == before)
        let isOld = TestEnvironment.waits(seconds: 20) {
            !client.last.contains("eur_sum_3h") && client.last.contains(#""model_version":"1""#)
                && client.last.contains(#""degraded":false"#)
        }
        #expect(isOld, "\(client.last) \(serve.log.suffix(2_000))")
        #expect(try sql(hashes) == "9000|1\n")
        #expect(client.answers > 500 && client.failures.isEmpty, "\(client.answers) \(client.failures.prefix(3))")
    }
}
