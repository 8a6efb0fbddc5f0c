import PostgresClient
import RedisClient
import TestSupport
import Testing

/// Servers behind a network that swallows packets: nobody waits for ever, and what was locked is free again.
@Suite struct SilentServerTests {
    private static let limits: PostgresLimits = {
        var limits = PostgresLimits()
        (limits.silenceMillis, limits.scanSilenceMillis, limits.idleTransactionMillis) = (400, 800, 500)
        return limits
    }()

    private func postgres() throws -> (proxy: TestProxy, url: String, direct: String) {
        let direct = try TestServers.postgres().makeDatabase("silent")
        let parts = try #require(direct.wholeMatch(of: /(.*:)(\d+)(\/.*)/))
        let proxy = try TestProxy(to: #require(Int(parts.2)))
        return (proxy, "\(parts.1)\(proxy.port)\(parts.3)", direct)
    }

    private func isLost(_ error: any Error) -> Bool {
        if case PostgresError.connectionLost(let reason) = error { reason.hasPrefix("no answer for") } else { false }
    }

    private func measured(_ body: () throws -> Void) rethrows -> Duration { try ContinuousClock().measure(body) }

    enum Statement: CaseIterable { case execute, query, copyIn, copyOut, commit }

    @Test(arguments: Statement.allCases)
    func `a statement whose packets vanish is given up, and a new connection works`(statement: Statement) throws {
        let (proxy, url, direct) = try postgres()
        defer { proxy.close() }
        let connection = try PostgresConnection(url: url, limits: Self.limits)
        try connection.execute("CREATE TABLE t (id int PRIMARY KEY, text text); INSERT INTO t VALUES (0, '')")
        if statement == .commit { try connection.execute("BEGIN; UPDATE t SET id = 1") }
        let rows = PostgresCopyBuffer()
        for id in 10..<200_000 {
            rows.beginRow(columns: 2)
            rows.add(Int32(id))
            rows.add("a text that is long enough to fill every buffer between here and there, \(id)")
        }
        proxy.holdConnections()
        let taken = measured {
            #expect {
                switch statement {
                case .execute: try connection.execute("SELECT 1")
                case .query: try connection.query("SELECT $1::text", ["x"])
                case .copyIn: try connection.copyIn(table: "t", columns: ["id", "text"], rows: rows)
                case .copyOut: try connection.copyOut("SELECT id FROM t") { _ in }
                case .commit: try connection.execute("COMMIT")
                }
            } throws: {
                isLost($0)
            }
        }
        #expect(taken > .milliseconds(350) && taken < .seconds(10))
        #expect(!connection.isOpen)
        #expect(throws: PostgresError.connectionLost(reason: "it was closed")) { try connection.execute("SELECT 1") }
        let next = try PostgresConnection(url: url, limits: Self.limits)
        #expect(try next.execute("SELECT count(*) FROM t").integer(0, 0) == 1)
        // The server ends the session that stands in a transaction, so its row is free.
        let writer = try PostgresConnection(url: direct)
        #expect(try writer.execute("UPDATE t SET text = 'free'").affected == 1)
    }

    @Test func `a scan that goes on is not given up, however long it takes`() throws {
        let (proxy, url, _) = try postgres()
        defer { proxy.close() }
        let connection = try PostgresConnection(url: url, limits: Self.limits)
        var rows = 0
        let taken = try measured {
            try connection.copyOut("SELECT repeat('x', 10000), pg_sleep(0.1) FROM generate_series(1, 12)") { _ in
                rows += 1
            }
        }
        #expect(rows == 12)
        #expect(taken > .milliseconds(1_100))
        #expect {
            try connection.execute("SELECT pg_sleep(5)")
        } throws: {
            isLost($0)
        }
    }

    @Test func `a server that accepts and says nothing is no connection`() throws {
        let (proxy, url, _) = try postgres()
        defer { proxy.close() }
        proxy.holdAll()
        var limits = Self.limits
        limits.connectSeconds = 2
        let taken = measured {
            #expect {
                _ = try PostgresConnection(url: url, limits: limits)
            } throws: { error in
                if case PostgresError.connect = error { true } else { false }
            }
        }
        #expect(taken < .seconds(8))
    }

    @Test func `a Redis whose packets vanish is given up, reading and writing`() throws {
        let address = try RedisAddress(url: TestServers.redis().url)
        let proxy = try TestProxy(to: address.port)
        defer { proxy.close() }
        let behind = RedisAddress(host: "127.0.0.1", port: proxy.port)
        for size in [1, 50_000_000] {
            let redis = try RedisConnection(behind, connectTimeoutMillis: 500, commandTimeoutMillis: 300)
            try redis.command("PING")
            proxy.holdConnections()
            var pipeline = RedisPipeline()
            pipeline.begin(arguments: 3)
            pipeline.add("SET")
            pipeline.add("silent-server")
            pipeline.add(Array(repeating: 65, count: size))
            #expect {
                _ = try redis.run(&pipeline)
            } throws: { error in
                if case RedisError.connectionLost = error { true } else { false }
            }
            #expect(!redis.isOpen)
        }
        proxy.holdAll()
        #expect(throws: RedisError.self) {
            try RedisConnection(behind, connectTimeoutMillis: 500, commandTimeoutMillis: 300).command("PING")
        }
    }
}
