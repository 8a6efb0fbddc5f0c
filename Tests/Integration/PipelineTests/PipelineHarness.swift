import Compression
import FeatureEngine
import FeatureStore
import Foundation
import KafkaClient
import Pipeline
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
    /// The folder of the definitions that programs are run with.
    var definitions: String
    private var transforms: [TestProcess] = []
    private var producer: KafkaProducer?
    private let ownsBroker: Bool

    /// A nil partition is the key's own.
    typealias Record = (key: [UInt8]?, value: [UInt8]?, partition: Int32?)

    static let needletail = TestEnvironment.needletail
    static var isPossible: Bool { needletail != nil && KafkaServer.isAvailable }
    static let absence: String = "needs the built needletail and a broker (`needletail broker`, or ../shared/kafka)"

    /// `ownBroker` starts a broker that may be killed; on an unsure disk it and the stores lose what they did not synchronise.
    /// `replacing` changes text of the definitions, `adding` puts files beside them.
    init(
        _ name: String, ownBroker: Bool = false, on disk: UnsureDisk? = nil, redisOptions: [String] = [],
        replacing: [String: String] = [:], adding: [String: String] = [:]
    ) throws {
        kafka = try ownBroker ? KafkaServer() : TestServers.kafka()
        redis = try RedisServer()
        redis.add(arguments: redisOptions)
        postgres = try PostgresServer(disk == nil ? [] : ["--wal-segsize=1"])
        ownsBroker = ownBroker
        if let disk { try Self.put(kafka, redis, postgres, on: disk) }
        if ownBroker { try kafka.start() }
        try redis.start()
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
            for (old, new) in replacing { text = text.replacing(old, with: new) }
            try text.write(toFile: folder + "/feature_repo/" + file, atomically: true, encoding: .utf8)
        }
        for (file, text) in adding {
            try text.write(toFile: folder + "/feature_repo/" + file, atomically: true, encoding: .utf8)
        }
        self.definitions = folder + "/feature_repo"
        repository = try FeatureRepository.load(directory: folder + "/feature_repo", environment: [:])
        guard let source = repository.source(named: "transactions"), let view = repository.view(named: "card_activity")
        else {
            throw TestServerError("feature_repo has no transactions or no card_activity")
        }
        (self.source, self.view, topic) = (source, view, source.topic)
        let admin = try KafkaAdmin(bootstrapServers: kafka.bootstrapServers)
        try admin.waitUntilReachable(timeoutMillis: 20_000)
        try admin.createTopics(
            PipelineTopics.all(repository).map { KafkaTopicDefinition($0, partitions: partitionCount) })
    }

    /// Sets the servers up as `make up` does where it matters to a power cut; Postgres also checkpoints often.
    private static func put(
        _ kafka: KafkaServer, _ redis: RedisServer, _ postgres: PostgresServer, on disk: UnsureDisk
    ) throws {
        disk.hold(kafka, kafka.folder + "/data")
        disk.hold(redis, redis.folder)
        disk.hold(postgres, postgres.folder + "/data")
        kafka.add(arguments: ["--flush", "always"])
        postgres.add(
            arguments: ["fsync=on", "full_page_writes=on", "max_wal_size=4MB", "checkpoint_timeout=30s"]
                .flatMap { ["-c", $0] })
        try FileManager.default.createDirectory(atPath: kafka.folder + "/data", withIntermediateDirectories: true)
        try disk.settle()
    }

    deinit {
        for transform in transforms { transform.killNow() }
        postgres.kill()
        // A cluster is tens of megabytes, and nobody asks for its log any more.
        try? FileManager.default.removeItem(atPath: postgres.folder)
        redis.kill()
        if ownsBroker { kafka.kill() }
    }

    var environment: [String: String] {
        [
            "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrapServers, "REDIS_URL": redis.url, "DATABASE_URL": postgres.url,
            "FEATURE_REPO": definitions, "TRANSFORM_GROUP": topic, "LOG_FORMAT": "json",
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

    /// A stream with everything that may go wrong in it: repeats near and far, late events, malformed records, foreign
    /// partitions, events from the future.
    func troubledRecords(rows: Int, seed: UInt64) throws -> [Record] {
        var random = SeededRandom(seed: seed)
        var rows = try generatedRows(rows, seed: seed, cards: max(1, min(400, rows / 10)))
        for index in rows.indices where Int.random(in: 0..<50, using: &random) == 0 {
            rows.swapAt(index, max(0, index - Int.random(in: 0..<800, using: &random)))
        }
        var records: [Record] = []
        for row in rows {
            let record = record(row)
            records.append(record)
            let text = String(decoding: record.value ?? [], as: UTF8.self)
            func altered(_ field: String, _ value: String) -> [UInt8] {
                Array(text.replacing("\"\(row.string(row.schema.index(of: field) ?? 0) ?? "")\"", with: value).utf8)
            }
            switch Int.random(in: 0..<200, using: &random) {
            case 0, 1: records.append(record)
            case 2: if let earlier = records.randomElement(using: &random) { records.append(earlier) }
            case 3: records.append((record.key, altered("merchant", "\"a\\u0000b\""), nil))
            case 4: records.append((record.key, altered("merchant", "\"\u{1}\""), nil))
            case 5: records.append((record.key, altered("trans_num", "\"x\\u0000\""), nil))
            case 6: records.append((record.key, Array(text.utf8.dropLast(3)), nil))
            case 7: records.append((record.key, [0xFF, 0x00, 0xC3, 0x28], nil))
            case 8: records.append((record.key, nil, nil))
            case 10:
                var bytes = record.value ?? []
                if let quote = bytes.lastIndex(of: UInt8(ascii: "\"")) {
                    bytes.insert(contentsOf: [0xC3, 0x28], at: quote)
                }
                records.append((record.key, bytes, nil))
            case 9: records.append((nil, altered("trans_date_trans_time", "\"2100-01-01 00:00:00\""), nil))
            default: break
            }
        }
        // The key's partition is one of four, so three of these lie in a foreign one.
        for partition in Int32(0)..<4 {
            let text = String(decoding: records[0].value ?? [], as: UTF8.self)
            let id = rows[0].eventID
            let known = Array(text.replacing(id, with: "\(id)-\(partition)").utf8)
            records.append((records[0].key, known, partition))
        }
        return records
    }

    /// Sends records and waits for their acknowledgement.
    func send(_ records: [Record], topic: String? = nil) throws {
        let producer =
            try producer ?? KafkaProducer(KafkaProducerConfiguration(bootstrapServers: kafka.bootstrapServers))
        self.producer = producer
        let now = Int64(Date().timeIntervalSince1970 * 1_000)
        for record in records {
            let home =
                record.partition ?? EntityPlacement.partition(of: record.key ?? [], among: partitionCount, by: .murmur2)
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

    /// Sends the records in pieces of `piece`, with a pause after each; `body` is told how many pieces are sent, and may
    /// kill and start what it likes.
    func feed(_ records: [Record], piece: Int, pauseMillis: UInt32 = 25, _ body: (Int) throws -> Void) throws {
        for (index, start) in stride(from: 0, to: records.count, by: piece).enumerated() {
            try send(Array(records[start..<min(start + piece, records.count)]))
            usleep(pauseMillis * 1_000)
            try body(index + 1)
        }
    }

    func record(_ row: SourceRow) -> Record {
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

    /// Runs another command to its end.
    func run(_ arguments: [String]) throws -> (output: String, exitCode: Int32) {
        guard let needletail = Self.needletail else { throw TestServerError(Self.absence) }
        return try TestCommand.run([needletail] + arguments, environment: environment)
    }

    func store() throws -> PostgresOfflineStore { try PostgresOfflineStore(url: postgres.url) }
}
