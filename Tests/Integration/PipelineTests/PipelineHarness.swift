import Compression
import FeatureEngine
import FeatureStore
import Foundation
import KafkaClient
import PostgresClient
import PostgresOfflineStore
import TestSupport
import TransactionData

/// One pipeline of its own: topics with names nobody else uses on the shared broker, and private stores that can be stopped
/// and killed.
final class PipelineHarness {
    let kafka: KafkaServer
    let redis: RedisServer
    let postgres: PostgresServer
    let folder: String
    let repository: FeatureRepository
    let source: SourceSchema
    let view: StreamView
    let topic: String
    let partitionCount = 4
    private var transforms: [TestProcess] = []

    static let needletail = TestEnvironment.needletail
    static var isPossible: Bool { needletail != nil && KafkaServer.isAvailable }
    static let absence: String = "needs the built needletail and a broker (`needletail broker`, or ../shared/kafka)"

    init(_ name: String) throws {
        kafka = try TestServers.kafka()
        redis = try RedisServer()
        try redis.start()
        postgres = try PostgresServer()
        try postgres.start()
        folder = try TestEnvironment.temporaryFolder(name)
        // The project's own definitions, with other topic names.
        let suffix = UUID().uuidString.prefix(8).lowercased()
        let definitions = TestEnvironment.packageRoot + "/feature_repo"
        try FileManager.default.createDirectory(atPath: folder + "/feature_repo", withIntermediateDirectories: true)
        for file in try FileManager.default.contentsOfDirectory(atPath: definitions) where file.hasSuffix(".yaml") {
            var text = try String(contentsOfFile: definitions + "/" + file, encoding: .utf8)
            text = text.replacing("topic: transactions", with: "topic: transactions-\(suffix)")
            text = text.replacing("topic: labels", with: "topic: labels-\(suffix)")
            try text.write(toFile: folder + "/feature_repo/" + file, atomically: true, encoding: .utf8)
        }
        repository = try FeatureRepository.load(directory: folder + "/feature_repo", environment: [:])
        guard let source = repository.source(named: "transactions"), let view = repository.view(named: "card_activity")
        else {
            throw TestServerError("feature_repo has no transactions or no card_activity")
        }
        (self.source, self.view, topic) = (source, view, source.topic)
        let admin = try KafkaAdmin(bootstrapServers: kafka.bootstrapServers)
        try admin.waitUntilReachable(timeoutMillis: 20_000)
        try admin.createTopics(
            PipelineTopics.all(repository).map { KafkaTopicDefinition($0, partitions: partitionCount) },
            timeoutMillis: 20_000)
    }

    deinit {
        for transform in transforms { transform.killNow() }
        postgres.kill()
        redis.kill()
    }

    var environment: [String: String] {
        [
            "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrapServers, "REDIS_URL": redis.url, "DATABASE_URL": postgres.url,
            "FEATURE_REPO": folder + "/feature_repo", "TRANSFORM_GROUP": topic, "LOG_FORMAT": "json",
        ]
    }

    // MARK: Input

    /// Events of the project's own generator, as rows.
    func generatedRows(_ count: Int, seed: UInt64, cards: Int) throws -> [SourceRow] {
        let file = folder + "/transactions-\(seed).csv"
        var bytes: [UInt8] = []
        var generator = try TransactionGenerator(.init(rows: count, seed: seed, cards: cards))
        generator.generate { piece, _ in
            bytes += piece
            return true
        }
        try Data(bytes).write(to: URL(fileURLWithPath: file))
        let csv = try TransactionCSV(.open(file), schema: source)
        var rows: [SourceRow] = []
        var row = SourceRow(source)
        while true {
            switch try csv.next(into: &row) {
            case .row: rows.append(row)
            case .malformed(let line, let reason): throw TestServerError("line \(line): \(reason)")
            case .end: return rows
            }
        }
    }

    /// Sends records and waits for their acknowledgement. A nil partition is the key's own.
    func send(_ records: [(key: [UInt8]?, value: [UInt8]?, partition: Int32?)], topic: String? = nil) throws {
        let producer = try KafkaProducer(KafkaProducerConfiguration(bootstrapServers: kafka.bootstrapServers))
        let now = Int64(Date().timeIntervalSince1970 * 1_000)
        for record in records {
            let home = record.partition ?? Murmur2.partition(key: record.key ?? [], partitionCount: partitionCount)
            while case .full = try producer.send(
                topic: topic ?? self.topic, partition: home, key: record.key, value: record.value, timestampMillis: now,
                token: 0)
            {
                producer.poll(timeoutMillis: 10)
            }
        }
        guard producer.flush(timeoutMillis: 60_000), producer.deliveries().allSatisfy(\.isAcknowledged) else {
            throw TestServerError("the broker did not take every record")
        }
    }

    func record(_ row: SourceRow) -> (key: [UInt8]?, value: [UInt8]?, partition: Int32?) {
        var value: [UInt8] = []
        EventEncoder(source).encode(row, into: &value)
        return (Array(row.key.utf8), value, nil)
    }

    // MARK: transform

    func startTransform(_ arguments: [String] = []) throws -> TestProcess {
        guard let needletail = Self.needletail else { throw TestServerError(Self.absence) }
        let process = try TestProcess(
            [needletail, "transform"] + arguments, environment: environment,
            logPath: folder + "/transform-\(transforms.count).log")
        transforms.append(process)
        return process
    }

    /// Runs `transform --exit-at-end`; its exit code and what it said.
    @discardableResult func transformToEnd(seconds: Double = 120) throws -> (output: String, exitCode: Int32) {
        guard let needletail = Self.needletail else { throw TestServerError(Self.absence) }
        return try TestCommand.run(
            [needletail, "transform", "--exit-at-end"], environment: environment, seconds: seconds)
    }

    func store() throws -> PostgresOfflineStore { try PostgresOfflineStore(url: postgres.url) }
}
