import FeatureEngine
import FeatureStore
import Foundation
import JSON
import KafkaClient
import PostgresClient
import PostgresOfflineStore
import RedisClient
import TestSupport
import Testing
import TransactionData

/// Values in Redis changed, cut, replaced or removed while the stream runs, records that nothing can store, a log made anew:
/// each costs only itself, and is said.
@Suite(.enabled(if: PipelineHarness.isPossible, Comment(rawValue: PipelineHarness.absence)), .serialized)
struct DamageTests {
    private func redis(_ harness: PipelineHarness) throws -> RedisConnection {
        try RedisConnection(RedisAddress(url: harness.redis.url))
    }

    private func blobs(_ harness: PipelineHarness) throws -> [String] {
        let prefix = OnlineKeys.blob(
            project: harness.repository.project, view: harness.view.name, hash8: harness.repository.hash8, entity: "")
        guard case .array(let keys) = try redis(harness).command("KEYS", prefix + "*") else { return [] }
        return keys.compactMap {
            if case .bytes(let bytes) = $0 { String(decoding: bytes, as: UTF8.self) } else { nil }
        }
        .sorted()
    }

    private func mark(_ harness: PipelineHarness, _ partition: Int) -> String {
        OnlineKeys.watermark(hash8: harness.repository.hash8, topic: harness.topic, partition: partition)
    }

    /// Rows of the table of events; 0 while `transform` has not made it yet.
    private func stored(_ harness: PipelineHarness, _ connection: PostgresConnection) throws -> Int {
        let table = try connection.execute("SELECT to_regclass('transactions')::text")
        guard table.text(0, 0) != nil else { return 0 }
        return Int(try connection.execute("SELECT count(*) FROM transactions").integer(0, 0) ?? 0)
    }

    private func finish(_ harness: PipelineHarness) throws {
        let run = try harness.transformToEnd()
        #expect(run.exitCode == 0, "\(run.output.suffix(3_000))")
        try LogOracle(harness).check(harness)
    }

    @Test(.timeLimit(.minutes(5)))
    func `blobs and watermarks damaged while events flow are made again`() throws {
        let harness = try PipelineHarness("damaged")
        let running = try harness.startTransform()
        var random = SeededRandom(seed: 31)
        let records = try harness.troubledRecords(rows: 5_000, seed: 31)
        var damages = 0
        try harness.feed(records, piece: 150) { piece in
            guard piece > 3 else { return }
            let redis = try redis(harness)
            let sent = min(piece * 150, records.count)
            // A blob is made again by its card's next event, so only cards that have one are taken.
            let cards = try cardsWithEvents(in: records[sent...], notIn: records[..<sent], harness)
            let isRunning = try TestEnvironment.waits(seconds: 30) { try blobs(harness).count >= 20 }
            #expect(isRunning)
            let keys = try blobs(harness).filter { key in cards.contains { key.hasSuffix(":\($0)") } }
            guard let key = keys.randomElement(using: &random) else { return }
            damages += 1
            let wm = mark(harness, piece % 4)
            switch piece % 10 {
            case 0: try redis.command("SET", key, "x")
            case 1: try redis.command("SETRANGE", key, "0", "\u{7f}")  // a generation no rebuild reaches
            case 2: try redis.command("SETRANGE", key, "8", "\u{3f}")
            case 3: try redis.command("SETRANGE", key, "\(Int.random(in: 0..<60, using: &random))", "Z")
            case 4:
                try redis.command("DEL", key)
                try redis.command("RPUSH", key, "a list")
            case 5: try redis.command("SET", wm, "garbage")
            case 6: try redis.command("SETRANGE", wm, "0", "\u{7f}")
            case 7: try redis.command("DEL", wm)
            case 8: try redis.command("SETRANGE", wm, "15", "\u{1}")  // another position below N
            default: try redis.command("DEL", key)
            }
        }
        #expect(damages >= 27, "each kind at least three times")
        #expect(running.isRunning, "\(running.log.suffix(2_000))")
        #expect(running.terminate())
        try finish(harness)
    }

    @Test(.timeLimit(.minutes(5)))
    func `a blob that cannot be read is met while a partition is taken over`() throws {
        let harness = try PipelineHarness("taken-over")
        let records = try harness.troubledRecords(rows: 600, seed: 32)
        try harness.send(Array(records[..<400]))
        #expect(try harness.transformToEnd().exitCode == 0)
        // Stopped between Postgres and Redis, as far as the watermark tells: the replay needs the blobs.
        for partition in 0..<4 {
            let store = try redis(harness)
            guard case .bytes(let bytes) = try store.command("GET", mark(harness, partition)),
                var watermark = Watermark(bytes: bytes)
            else { continue }
            watermark.nextOffset /= 2
            watermark.target = watermark.nextOffset
            var pipeline = RedisPipeline()
            pipeline.begin(arguments: 3)
            pipeline.add("SET")
            pipeline.add(mark(harness, partition))
            pipeline.add(watermark.bytes)
            _ = try store.run(&pipeline)
        }
        for key in try blobs(harness) { try redis(harness).command("SET", key, "x") }
        try harness.send(Array(records[400...]))
        try finish(harness)
        let epochs = try PostgresConnection(url: harness.postgres.url).query(
            "SELECT max(epoch) FROM partition_state WHERE topic = $1", [.text(harness.topic)])
        #expect((epochs.integer(0, 0) ?? 99) <= 6, "it was taken over again and again")
    }

    /// Stopped between Postgres and Redis, and a watermark that one damage makes say that nothing is missing: what its blobs lack
    /// would be looked for by nobody.
    @Test(.timeLimit(.minutes(5)))
    func `a watermark damaged to another possible one is seen by its checksum`() throws {
        let harness = try PipelineHarness("another-mark")
        let records = try harness.troubledRecords(rows: 600, seed: 36)
        func values() throws -> [String: [UInt8]] {
            var values: [String: [UInt8]] = [:]
            for key in try blobs(harness) + (0..<4).map({ mark(harness, $0) }) {
                if case .bytes(let bytes) = try redis(harness).command("GET", key) { values[key] = bytes }
            }
            return values
        }
        try harness.send(Array(records[..<300]))
        #expect(try harness.transformToEnd().exitCode == 0)
        let before = try values()
        try harness.send(Array(records[300..<500]))
        #expect(try harness.transformToEnd().exitCode == 0)
        let after = try values()
        for key in after.keys where before[key] == nil { try redis(harness).command("DEL", key) }
        for (key, old) in before {
            var bytes = old
            if let newer = after[key], key.hasPrefix("wm:") { bytes.replaceSubrange(8..<16, with: newer[8..<16]) }
            var pipeline = RedisPipeline()
            pipeline.begin(arguments: 3)
            pipeline.add("SET")
            pipeline.add(key)
            pipeline.add(bytes)
            _ = try redis(harness).run(&pipeline)
        }
        try harness.send(Array(records[500...]))
        try finish(harness)
    }

    @Test(.timeLimit(.minutes(3)))
    func `numbers in partition_state that cannot be are no end of the process`() throws {
        let harness = try PipelineHarness("impossible")
        let records = try harness.generatedRows(200, seed: 38, cards: 20).map(harness.record)
        try harness.send(Array(records[..<100]))
        #expect(try harness.transformToEnd().exitCode == 0)
        let connection = try harness.store().connection
        try connection.execute(
            "UPDATE partition_state SET generation = CASE partition WHEN 0 THEN -9 ELSE \(Int64.max) END")
        try harness.send(Array(records[100...]))
        try finish(harness)
        for (column, number) in [("base", Int64.max), ("base", -1), ("published", .max), ("next_offset", .max)] {
            try connection.execute("UPDATE partition_state SET \(column) = \(number) WHERE partition = 1")
            let run = try harness.transformToEnd()
            #expect(run.exitCode == 65 && run.output.contains("only a position can be"), "\(run.output.suffix(1_000))")
            if column == "base" { try connection.execute("UPDATE partition_state SET base = 0 WHERE partition = 1") }
        }
    }

    @Test(.timeLimit(.minutes(3)))
    func `events wait in the log while Redis may evict, and go on by themselves`() throws {
        let harness = try PipelineHarness("evicting")
        let port = try TestEnvironment.freePort()
        let running = try harness.startTransform(["--admin-port", "\(port)"])
        let records = try harness.generatedRows(300, seed: 37, cards: 30).map(harness.record)
        let connection = try PostgresConnection(url: harness.postgres.url)
        let redis = try redis(harness)
        func page(_ path: String) -> String {
            guard let client = try? HTTPTestClient(port: port), let answer = client.get(path) else { return "" }
            return "\(answer.status) \(answer.body)"
        }
        try harness.send(Array(records[..<100]))
        #expect(try TestEnvironment.waits(seconds: 60) { try stored(harness, connection) == 100 })
        try redis.command("CONFIG", "SET", "maxmemory-policy", "volatile-lru")
        #expect(TestEnvironment.waits(seconds: 30) { page("/health/ready").hasPrefix("503") })
        #expect(page("/health/ready").contains("volatile-lru"))
        #expect(page("/metrics").contains("needletail_online_store_evicts 1\n"))
        Thread.sleep(forTimeInterval: 0.5)  // A poll that had begun may still bring something.
        try harness.send(Array(records[100...]))
        Thread.sleep(forTimeInterval: 2)
        #expect(try stored(harness, connection) == 100)
        #expect(running.isRunning)
        try redis.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
        #expect(try TestEnvironment.waits(seconds: 30) { try stored(harness, connection) == 300 })
        #expect(page("/health/ready").hasPrefix("200"))
        #expect(running.terminate())
        #expect(running.log.contains("events are not read any more") && running.log.contains("events are read again"))
        try redis.command("CONFIG", "SET", "maxmemory-policy", "volatile-lru")
        let refused = try harness.transformToEnd()
        #expect(refused.exitCode == 78 && refused.output.contains("noeviction"), "\(refused.output)")
        try redis.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
        try LogOracle(harness).check(harness)
    }

    /// An event of a generated row with another id, and its key's partition.
    private func event(_ harness: PipelineHarness, id: String, like record: PipelineHarness.Record, was: String)
        -> PipelineHarness.Record
    {
        let text = String(decoding: record.value ?? [], as: UTF8.self)
        // By bytes: to Swift a quote with a mark behind it is no quote.
        let escaped = id.utf8.flatMap { $0 == 0x5C || $0 == 0x22 ? [0x5C, $0] : [$0] }
        let parts = text.split(separator: was, maxSplits: 1, omittingEmptySubsequences: false)
        return (record.key, Array(parts[0].utf8) + escaped + Array(parts[1].utf8), record.partition)
    }

    @Test(.timeLimit(.minutes(5)))
    func `ids are bytes: those that end in a quote and a mark, and two spellings of one letter`() throws {
        let harness = try PipelineHarness("ids")
        let rows = try harness.generatedRows(2, seed: 33, cards: 1)
        let record = harness.record(rows[0])
        let ids = ["a\\\u{301}", "b\"\u{301}", "caf\u{e9}", "cafe\u{301}"].map {
            event(harness, id: $0, like: record, was: rows[0].eventID)
        }
        try harness.send(ids)
        #expect(try harness.transformToEnd().exitCode == 0)
        try harness.send(ids + ids.reversed() + [harness.record(rows[1])])
        try finish(harness)
        #expect(try harness.store().connection.execute("SELECT 1 FROM transactions").count == 5)
    }

    @Test(.timeLimit(.minutes(5)))
    func `a value that Postgres refuses costs one record, found by halves`() throws {
        let harness = try PipelineHarness("refused")
        // A rule of the table that no decoder knows stands for whatever Postgres may refuse.
        let rows = try harness.generatedRows(400, seed: 34, cards: 40)
        try harness.send(rows[..<100].map(harness.record))
        #expect(try harness.transformToEnd().exitCode == 0)
        let connection = try harness.store().connection
        let bad = [rows[130].eventID, rows[131].eventID, rows[350].eventID]
        try connection.execute(
            "ALTER TABLE transactions ADD CHECK (trans_num NOT IN (\(bad.map { "'\($0)'" }.joined(separator: ","))))")
        try harness.send(rows[100...].map(harness.record))
        let run = try harness.transformToEnd()
        #expect(run.exitCode == 0, "\(run.output.suffix(2_000))")
        let letters = try connection.query(
            "SELECT reason, convert_from(value, 'UTF8') FROM dead_letters WHERE _topic = $1", [.text(harness.topic)])
        #expect(letters.count == 3)
        for row in 0..<letters.count {
            #expect(letters.text(row, 0)?.contains("23514") == true)
            #expect(bad.contains { letters.text(row, 1)?.contains($0) == true })
        }
        #expect(try connection.execute("SELECT 1 FROM transactions").count == 397)
        #expect(run.output.contains("records were refused"), "said once for the burst")
    }

    /// The cards of events that are sound, and not repeats of `earlier`.
    private func cardsWithEvents(
        in records: ArraySlice<PipelineHarness.Record>, notIn earlier: ArraySlice<PipelineHarness.Record>,
        _ harness: PipelineHarness
    ) throws -> Set<String> {
        let decoder = EventDecoder(harness.source)
        var row = SourceRow(harness.source)
        func isSound(_ record: PipelineHarness.Record) -> Bool {
            guard record.partition == nil, let value = record.value else { return false }
            return (try? decoder.decode(value.span, into: &row)) != nil
        }
        var ids = Set<String>()
        for record in earlier where isSound(record) { ids.insert(row.eventID) }
        var cards = Set<String>()
        for record in records where isSound(record) && !ids.contains(row.eventID) { cards.insert(row.key) }
        return cards
    }

    @Test(.timeLimit(.minutes(5)))
    func `one lost key changes no row`() throws {
        let harness = try PipelineHarness("lost-key")
        let records = try harness.troubledRecords(rows: 2_000, seed: 35)
        let running = try harness.startTransform()
        // A lost key is made again by its card's next event: only cards that have one are taken.
        let cards = try cardsWithEvents(in: records[1_000...], notIn: records[..<1_000], harness)
        try harness.feed(records, piece: 200) { piece in
            guard piece == 5 else { return }
            var keys: [String] = []
            let isThere = try TestEnvironment.waits(seconds: 30) {
                keys = try blobs(harness).filter { key in cards.contains { key.hasSuffix(":\($0)") } }
                return keys.count >= 60
            }
            #expect(isThere)
            for key in keys.prefix(keys.count / 2) { try redis(harness).command("DEL", key) }
            // What is in memory would hide it: the successor finds the keys gone.
            #expect(running.terminate())
        }
        try finish(harness)
    }

    @Test(.timeLimit(.minutes(5)))
    func `a topic made anew while transform runs stops it, and nothing of the new log is skipped`() throws {
        let harness = try PipelineHarness("anew", ownBroker: true)
        let rows = try harness.generatedRows(400, seed: 36, cards: 40)
        try harness.send(rows[..<200].map(harness.record))
        let running = try harness.startTransform()
        let connection = try harness.store().connection
        #expect(try TestEnvironment.waits(seconds: 30) { try stored(harness, connection) == 200 })
        usleep(1_500_000)
        let admin = try KafkaAdmin(bootstrapServers: harness.kafka.bootstrapServers)
        try admin.deleteTopics([harness.topic])
        _ = try TestEnvironment.waits(seconds: 10) {
            try admin.partitionCount(topic: harness.topic) == nil
        }
        try admin.createTopics(
            [KafkaTopicDefinition(harness.topic, partitions: harness.partitionCount)])
        try harness.send((rows[200...] + rows[200...]).map(harness.record))
        #expect(TestEnvironment.waits(seconds: 60) { !running.isRunning }, "\(running.log.suffix(2_000))")
        #expect(running.log.contains("another log"))
        #expect(try stored(harness, connection) == 200, "nothing of another log was stored")
    }

    /// The partitions of the events that a process has by its log, where a partition is said to come and to go.
    private func ownedPartitions(_ process: TestProcess, _ harness: PipelineHarness) -> Set<Int> {
        var owned: Set<Int> = []
        for line in process.log.split(separator: "\n") where line.contains("\"partition ") {
            guard let fields = try? JSONTree.parse(Array(line.utf8)), fields["topic"]?.string == harness.topic,
                let partition = fields["partition"]?.int
            else { continue }
            switch fields["message"]?.string {
            case "partition assigned": owned.insert(partition)
            case "partition given up": owned.remove(partition)
            default: break
            }
        }
        return owned
    }

    @Test(.timeLimit(.minutes(5)), arguments: [1, 3])
    func `a process that was killed is back within two seconds`(processes: Int) throws {
        let harness = try PipelineHarness("back-\(processes)")
        let rows = try harness.generatedRows(1_200, seed: 37, cards: 100)
        var running = try (0..<processes).map { _ in try harness.startTransform() }
        try harness.send(rows[..<400].map(harness.record))
        let connection = try harness.store().connection
        func wait(_ count: Int) throws -> Double {
            let start = Date()
            #expect(
                try TestEnvironment.waits(seconds: 60) {
                    try stored(harness, connection) >= count
                })
            return Date().timeIntervalSince(start)
        }
        _ = try wait(400)
        // All have found each other, and every partition has its owner.
        let isShared = TestEnvironment.waits(seconds: 30) {
            let owned = running.map { ownedPartitions($0, harness) }
            return owned.allSatisfy { !$0.isEmpty } && Set(owned.joined()).count == harness.partitionCount
        }
        #expect(isShared)
        running[0].killNow()
        running[0] = try harness.startTransform()
        try harness.send(rows[400..<800].map(harness.record))
        let seconds = try wait(800)
        #expect(seconds < 2, "it took \(seconds) s")
        for process in running { #expect(process.terminate()) }
        try harness.send(rows[800...].map(harness.record))
        try finish(harness)
    }
}
