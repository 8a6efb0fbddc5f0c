import Foundation
import KafkaClient
import PostgresClient
import RedisClient
import TestSupport
import Testing

/// Whatever is killed, emptied or cut off while events flow: afterwards both stores hold each event once, bit for bit.
@Suite(.enabled(if: PipelineHarness.isPossible, Comment(rawValue: PipelineHarness.absence)), .serialized)
struct CrashTests {
    private static let rows = 6_000
    private static let piece = 150

    private func finish(_ harness: PipelineHarness) throws {
        let run = try harness.transformToEnd()
        #expect(run.exitCode == 0, "\(run.output.suffix(3_000))")
        try LogOracle(harness).check(harness)
    }

    @Test(.timeLimit(.minutes(5)), arguments: [UInt64(1), 2, 3])
    func `transform killed at random moments`(seed: UInt64) throws {
        let harness = try PipelineHarness("killed")
        var random = SeededRandom(seed: seed)
        var running = try harness.startTransform()
        var kills = 0
        try harness.feed(harness.troubledRecords(rows: Self.rows, seed: seed), piece: Self.piece) { piece in
            guard piece % 5 == 0 else { return }
            // From the first moments of an assignment to the middle of a batch.
            usleep(UInt32.random(in: 0..<700_000, using: &random))
            running.killNow()
            kills += 1
            running = try harness.startTransform()
        }
        running.killNow()
        #expect(kills >= 3)
        try finish(harness)
    }

    @Test(.timeLimit(.minutes(5))) func `Redis stopped, emptied, made to forget its scripts and its clients`() throws {
        let harness = try PipelineHarness("redis")
        let running = try harness.startTransform()
        try harness.feed(harness.troubledRecords(rows: Self.rows, seed: 11), piece: Self.piece) { piece in
            switch piece {
            case 8: harness.redis.stop()
            case 12: try harness.redis.start()
            case 20: try RedisConnection(RedisAddress(url: harness.redis.url)).command("SCRIPT", "FLUSH")
            case 22:
                try RedisConnection(RedisAddress(url: harness.redis.url)).command("CLIENT", "KILL", "TYPE", "normal")
            case 25:
                harness.redis.kill()
                try harness.redis.eraseData()
                try harness.redis.start()
            case 30: try RedisConnection(RedisAddress(url: harness.redis.url)).command("FLUSHALL")
            default: break
            }
        }
        #expect(running.isRunning, "\(running.log.suffix(2_000))")
        #expect(running.terminate())
        try finish(harness)
    }

    @Test(.timeLimit(.minutes(5))) func `Postgres stopped, killed and its sessions terminated`() throws {
        let harness = try PipelineHarness("postgres")
        let running = try harness.startTransform()
        var terminated: Int64 = 0
        try harness.feed(harness.troubledRecords(rows: Self.rows, seed: 12), piece: Self.piece) { piece in
            switch piece {
            case 8: harness.postgres.stop()
            case 12: try harness.postgres.start()
            case 16:
                harness.postgres.kill()
                try harness.postgres.start()
            case 20...29:
                let killer = try PostgresConnection(url: harness.postgres.url, applicationName: "killer")
                _ = try TestEnvironment.waits(seconds: 10) {
                    let result = try killer.execute(
                        """
                        SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                        WHERE application_name LIKE 'needletail-transform-events%'
                        """)
                    terminated += result.integer(0, 0) ?? 0
                    return result.integer(0, 0) != 0
                }
            default: break
            }
        }
        #expect(terminated >= 10)
        #expect(running.isRunning, "\(running.log.suffix(2_000))")
        #expect(running.terminate())
        try finish(harness)
        let idle = try PostgresConnection(url: harness.postgres.url).execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'needletail-transform%'")
        #expect(idle.integer(0, 0) == 0, "no session is left behind")
    }

    @Test(.timeLimit(.minutes(5))) func `Postgres goes back to a copy of an hour ago`() throws {
        let harness = try PipelineHarness("restored")
        let records = try harness.troubledRecords(rows: 4_000, seed: 13)
        let copy = harness.folder + "/copy"
        try harness.send(Array(records[..<2_000]))
        #expect(try harness.transformToEnd().exitCode == 0)
        harness.postgres.stop()
        try FileManager.default.copyItem(atPath: harness.postgres.folder + "/data", toPath: copy)
        try harness.postgres.start()
        try harness.send(Array(records[2_000..<3_000]))
        #expect(try harness.transformToEnd().exitCode == 0)
        harness.postgres.stop()
        try FileManager.default.removeItem(atPath: harness.postgres.folder + "/data")
        try FileManager.default.moveItem(atPath: copy, toPath: harness.postgres.folder + "/data")
        try harness.postgres.start()
        try harness.send(Array(records[3_000...]))
        try finish(harness)
    }

    @Test(.timeLimit(.minutes(5))) func `two processes share the partitions, and one is killed`() throws {
        let harness = try PipelineHarness("shared")
        let first = try harness.startTransform()
        var second = try harness.startTransform()
        try harness.feed(harness.troubledRecords(rows: Self.rows, seed: 14), piece: Self.piece) { piece in
            guard piece == 15 || piece == 28 else { return }
            second.killNow()
            second = try harness.startTransform()
        }
        #expect(first.terminate())
        #expect(second.terminate())
        try finish(harness)
    }

    @Test(.timeLimit(.minutes(5))) func `a process that slept while others took over is fenced when it wakes`() throws {
        let harness = try PipelineHarness("zombie")
        let sleeper = try harness.startTransform()
        let records = try harness.troubledRecords(rows: Self.rows, seed: 20)
        let half = records.count / 2
        try harness.feed(Array(records[..<half]), piece: Self.piece) { piece in
            if piece == 10 { sleeper.signal(SIGSTOP) }
        }
        // The group gives its partitions away after its session has timed out.
        let heir = try harness.startTransform()
        #expect(TestEnvironment.waits(seconds: 60) { heir.log.contains("partition assigned") })
        try harness.feed(Array(records[half...]), piece: Self.piece) { piece in
            if piece == 8 { sleeper.signal(SIGCONT) }
        }
        #expect(sleeper.terminate())
        #expect(heir.terminate())
        try finish(harness)
    }

    @Test(.timeLimit(.minutes(5))) func `a broker killed and started again`() throws {
        let harness = try PipelineHarness("broker", ownBroker: true)
        let running = try harness.startTransform()
        try harness.feed(harness.troubledRecords(rows: Self.rows, seed: 19), piece: Self.piece) { piece in
            guard piece % 12 == 0 else { return }
            harness.kafka.kill()
            usleep(500_000)
            try harness.kafka.start()
        }
        #expect(running.isRunning, "\(running.log.suffix(2_000))")
        #expect(running.terminate())
        #expect(
            !running.log.contains("the log lost records"),
            "a killed process loses nothing: \(running.log.suffix(6_000))")
        try finish(harness)
    }

    @Test(.timeLimit(.minutes(5))) func `a topic that was deleted and made again stops transform, which names it`()
        throws
    {
        let harness = try PipelineHarness("deleted")
        try harness.send(harness.troubledRecords(rows: 100, seed: 15))
        #expect(try harness.transformToEnd().exitCode == 0)
        let admin = try KafkaAdmin(bootstrapServers: harness.kafka.bootstrapServers)
        try admin.deleteTopics([harness.topic], timeoutMillis: 20_000)
        #expect(
            try TestEnvironment.waits(seconds: 20) {
                try admin.partitionCount(topic: harness.topic, timeoutMillis: 5_000) == nil
            })
        try admin.createTopics(
            [KafkaTopicDefinition(harness.topic, partitions: harness.partitionCount)], timeoutMillis: 20_000)
        try harness.send(harness.troubledRecords(rows: 5, seed: 16))
        let short = try harness.transformToEnd()
        #expect(short.exitCode == 65)
        #expect(short.output.contains(harness.topic))
        // Longer than what was read: still not the log that was read.
        try harness.send(harness.troubledRecords(rows: 400, seed: 17))
        let long = try harness.transformToEnd()
        #expect(long.exitCode == 65)
        #expect(long.output.contains(harness.topic))
    }

    @Test(.timeLimit(.minutes(5))) func `a table that lost rows stops transform, which says what does not add up`()
        throws
    {
        let harness = try PipelineHarness("lost")
        try harness.send(harness.troubledRecords(rows: 200, seed: 18))
        #expect(try harness.transformToEnd().exitCode == 0)
        try PostgresConnection(url: harness.postgres.url).execute(
            "DELETE FROM transactions WHERE trans_num IN (SELECT trans_num FROM transactions LIMIT 1)")
        let run = try harness.transformToEnd()
        #expect(run.exitCode == 65)
        #expect(run.output.contains("do not add up"))
    }
}
