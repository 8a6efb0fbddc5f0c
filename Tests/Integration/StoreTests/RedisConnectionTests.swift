import Foundation
import RedisClient
import TestSupport
import Testing

@Suite struct RedisConnectionTests {
    func connect() throws -> RedisConnection { try RedisConnection(RedisAddress(url: TestServers.redis().url)) }

    @Test func `answers come back in order, whatever their bytes`() throws {
        let redis = try connect()
        let value: [UInt8] = [0, 13, 10, 0xC3, 0x28, 255]
        var pipeline = RedisPipeline()
        pipeline.begin(arguments: 3)
        pipeline.add("SET")
        pipeline.add([0, 1, 2] as [UInt8])
        pipeline.add(value)
        pipeline.begin(arguments: 3)
        pipeline.add("MGET")
        pipeline.add([0, 1, 2] as [UInt8])
        pipeline.add("nothing here")
        pipeline.command("NO-SUCH-COMMAND")
        pipeline.command("INCR", "redis-connection-counter")
        let replies = try redis.run(&pipeline)
        #expect(replies[0] == .status("OK"))
        #expect(replies[1] == .array([.bytes(value), .null]))
        #expect(replies[2].isError("ERR"))
        #expect(replies[3] == .integer(1))
        #expect(pipeline.count == 0)
        try redis.command("DEL", "redis-connection-counter")
    }

    @Test func `a closed port, a killed connection and a slow answer are errors a caller can tell apart`() throws {
        let port = try TestEnvironment.freePort()
        #expect(throws: RedisError.self) { try RedisConnection(RedisAddress(host: "127.0.0.1", port: port)) }
        let redis = try connect()
        guard case .integer(let id) = try redis.command("CLIENT", "ID") else { throw TestServerError("no id") }
        try connect().command("CLIENT", "KILL", "ID", "\(id)")
        #expect {
            try redis.command("PING")
        } throws: { error in
            if case RedisError.connectionLost = error { true } else { false }
        }
        #expect(!redis.isOpen)
        let slow = try RedisConnection(RedisAddress(url: TestServers.redis().url), commandTimeoutMillis: 50)
        #expect(throws: RedisError.connectionLost(reason: "no answer in time")) {
            try slow.command("BLPOP", "a list nobody fills", "2")
        }
    }

    @Test func `a password may stand in a file`() throws {
        let folder = try TestEnvironment.temporaryFolder("passfile")
        try "from the file\nmore\n".write(toFile: folder + "/a b", atomically: true, encoding: .utf8)
        let url = "redis://127.0.0.1:7/2?passfile=\(folder)/a%20b"
        #expect(try RedisAddress(url: url).password == "from the file")
        #expect(try RedisAddress(url: url).database == 2)
        #expect(try RedisAddress(url: "redis://:own@h:7?timeout=1&passfile=\(folder)/a%20b").password == "own")
        #expect(try RedisAddress(url: "redis://h:7?passfile=\(folder)/absent").password == nil)
        #expect(try RedisAddress(url: "redis://h:7?passfile=\(folder)").password == nil)
        #expect(throws: RedisError.self) { try RedisAddress(url: "redis://h:7?passfile=%zz") }
    }

    @Test(arguments: [
        ("redis://127.0.0.1:6379", "127.0.0.1", 6379, nil, 0), ("redis://:p%40ss:w@[::1]:7/3", "::1", 7, "p@ss:w", 3),
        ("redis://default:x@localhost", "localhost", 6379, "x", 0), ("redis://", "127.0.0.1", 6379, nil, 0),
    ])
    func `reads a URL`(url: String, host: String, port: Int, password: String?, database: Int) throws {
        let address = try RedisAddress(url: url)
        #expect(address.host == host)
        #expect(address.port == port)
        #expect(address.password == password)
        #expect(address.database == database)
    }

    @Test(arguments: [
        "127.0.0.1:6379", "rediss://h", "redis://h:0", "redis://h:99999", "redis://h/x", "redis://secret@h:1",
    ])
    func `refuses what is no URL, without printing the password`(url: String) {
        #expect {
            _ = try RedisAddress(url: url)
        } throws: { error in
            !"\(error)".contains("secret")
        }
    }
}
