import Foundation
import TestSupport
import Testing

/// A CSV that knows nothing of cards, from `init` to an answer.
@Suite(.serialized) struct OwnDataTests {
    @Test(.timeLimit(.minutes(2))) func `a file of one's own goes from init to an answer`() throws {
        let needletail = try #require(TestEnvironment.needletail)
        let folder = try TestEnvironment.temporaryFolder("own data")
        let (kafka, redis) = (try KafkaServer(), try RedisServer())
        defer {
            kafka.kill()
            redis.kill()
        }
        try kafka.start()
        try redis.start()
        let port = try TestEnvironment.freePort()
        let environment = [
            "NEEDLETAIL_ENV_FILE": "", "LOG_LEVEL": "warning", "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrapServers,
            "REDIS_URL": redis.url, "DATABASE_URL": try TestServers.postgres().makeDatabase("own"),
            "FEATURE_REPO": folder + "/repo", "MODEL_DIRECTORY": folder + "/models", "API_PORT": "\(port)",
        ]
        func run(_ words: [String], exits code: Int32 = 0) throws -> String {
            let ended = try TestCommand.run([needletail] + words, environment: environment, seconds: 90)
            #expect(ended.exitCode == code, "\(words[0]): \(ended.output)")
            return ended.output
        }
        let file = folder + "/venue payments.csv"
        try VenuePayments.write(file)
        let proposed = try run(["init", file, "--output", folder + "/repo"])
        #expect(proposed.contains("wallet") && proposed.contains("unix_seconds"), "\(proposed)")
        #expect(
            try run(["features", "init", file, "--output", folder + "/repo"], exits: 73).contains("is there already"))
        _ = try run(["features", "apply"])
        _ = try run(["produce", "--input", file])
        _ = try run(["transform", "--exit-at-end"])
        let trained = try run(["train", "--from-store", "--rounds", "30"])
        #expect(trained.contains("promoted: version 1"), "\(trained)")

        let serve = try TestProcess(
            [needletail, "serve", "--no-prediction-log"], environment: environment, logPath: folder + "/serve.log")
        defer { serve.killNow() }
        func ask(_ path: String, _ body: String? = nil) -> HTTPTestClient.Answer? {
            guard let client = try? HTTPTestClient(port: port) else { return nil }
            return body.map { client.post(path, $0) } ?? client.get(path)
        }
        let isReady = TestEnvironment.waits(seconds: 30) { ask("/health/ready")?.status == 200 }
        #expect(isReady, "\(serve.log)")
        let request =
            #"{"ref": "new", "when": 1705184100, "wallet": "wallet 7", "eur": "431.50", "venue": "kiosk"}"#
        // On a busy machine one read may miss its deadline: such an answer says that it is degraded.
        var answer: HTTPTestClient.Answer?
        let isWhole = TestEnvironment.waits(seconds: 20) {
            answer = ask("/api/v1/predict", request)
            return answer?.body.contains(#""degraded":false"#) == true
        }
        #expect(isWhole && answer?.status == 200, "\(answer?.body ?? "") \(serve.log)")
        for part in [#""transaction_id":"new""#, #""features_as_of":{"wallet_activity""#] {
            #expect(answer?.body.contains(part) == true, "\(answer?.body ?? "")")
        }
        #expect(serve.terminate())
    }
}
