import EventLoop
import Glibc
import RedisClient
import TestSupport
import Testing

/// Runs a loop in the test's own thread until a condition holds.
private final class Harness {
    let loop: EventLoop
    let redis: AsyncRedisConnection
    private(set) var changes: [String?] = []
    private var timers: [LoopTimer] = []

    init(_ address: RedisAddress, _ limits: AsyncRedisConnection.Limits = .init()) throws {
        loop = try EventLoop()
        redis = AsyncRedisConnection(address, on: loop, limits: limits)
        redis.onChange = { [unowned self] lost in changes.append(lost) }
    }

    deinit { redis.close() }

    func runs(seconds: Double = 10, until condition: @escaping () -> Bool) -> Bool {
        let end = EventLoop.monotonicMicros() + Int64(seconds * 1e6)
        var poll: LoopTimer?
        let step = loop.timer { [unowned self] in
            if condition() || EventLoop.monotonicMicros() > end { loop.stop() } else { poll?.schedule(afterMillis: 2) }
        }
        poll = step
        step.schedule(afterMillis: 0)
        loop.run()
        step.cancel()
        return condition()
    }

    /// Asks for keys; the outcome appears in `outcomes` in the order of the answers.
    private(set) var outcomes: [Outcome] = []
    enum Outcome: Equatable {
        case values([[UInt8]?])
        case failure(RedisReadFailure)
    }

    func read(_ keys: String...) {
        var command = RedisPipeline()
        command.begin(arguments: keys.count + 1)
        command.add("MGET")
        for key in keys { command.add(key) }
        redis.read(&command, keys: keys.count) { [unowned self] values in
            if let failure = values.failure { return outcomes.append(.failure(failure)) }
            var copies: [[UInt8]?] = []
            for index in 0..<values.count {
                copies.append(
                    values.withValue(index) { bytes in
                        guard let bytes else { return nil }
                        return (0..<bytes.count).map { bytes[$0] }
                    })
            }
            outcomes.append(.values(copies))
        }
    }
}

@Suite(.serialized) struct AsyncRedisConnectionTests {
    @Test func `values come back in order, missing keys as none`() throws {
        let url = try TestServers.redis().url
        let sync = try RedisConnection(RedisAddress(url: url))
        try sync.command("SET", "async:a", "1\u{0}2")
        try sync.command("DEL", "async:none")
        let harness = try Harness(RedisAddress(url: url))
        harness.read("async:a")
        #expect(harness.outcomes == [.failure(.notConnected)])
        #expect(harness.runs { harness.redis.isConnected })
        for _ in 0..<100 { harness.read("async:a", "async:none", "async:a") }
        #expect(harness.redis.readsOut == 100)
        #expect(harness.runs { harness.outcomes.count == 101 })
        let value = Array("1\u{0}2".utf8)
        #expect(harness.outcomes.dropFirst().allSatisfy { $0 == .values([value, nil, value]) })
        #expect(harness.redis.readsOut == 0)
    }

    @Test func `an error reply is a failure, not a missing key`() throws {
        let url = try TestServers.redis().url
        let sync = try RedisConnection(RedisAddress(url: url))
        let harness = try Harness(RedisAddress(url: url))
        #expect(harness.runs { harness.redis.isConnected })
        try sync.command("CONFIG", "SET", "requirepass", "secret")
        defer { _ = try? sync.command("CONFIG", "SET", "requirepass", "") }
        let locked = try Harness(RedisAddress(url: url))
        #expect(locked.runs { !locked.changes.isEmpty })
        #expect(locked.changes.first??.contains("NOAUTH") == true)
        #expect(!locked.redis.isConnected)
        var address = try RedisAddress(url: url)
        address.password = "secret"
        address.database = 1
        let opened = try Harness(address)
        #expect(opened.runs { opened.redis.isConnected })
        opened.read("async:a")
        #expect(opened.runs { opened.outcomes == [.values([nil])] })
        var command = RedisPipeline()
        command.command("GET")
        var failure: RedisReadFailure?
        opened.redis.read(&command, keys: 1) { failure = $0.failure }
        #expect(opened.runs { failure != nil })
        #expect(failure == .reply("ERR wrong number of arguments for 'get' command"))
    }

    @Test func `a server that hangs costs the deadline, then answers again`() throws {
        let server = try RedisServer()
        try server.start()
        let address = try RedisAddress(url: server.url)
        var limits = AsyncRedisConnection.Limits()
        limits.readsMax = 3
        let harness = try Harness(address, limits)
        #expect(harness.runs { harness.redis.isConnected })
        let sync = try RedisConnection(address)
        var sleep = RedisPipeline()
        sleep.command("CLIENT", "PAUSE", "300", "ALL")
        _ = try sync.run(&sleep)
        let start = EventLoop.monotonicMicros()
        for _ in 0..<4 { harness.read("a") }
        #expect(harness.outcomes == [.failure(.tooManyReads)])
        #expect(harness.runs { harness.outcomes.count == 4 })
        let taken = EventLoop.monotonicMicros() - start
        #expect(taken >= 20_000 && taken < 250_000)
        #expect(harness.outcomes.dropFirst().allSatisfy { $0 == .failure(.deadline) })
        #expect(harness.redis.readsOut == 3)
        #expect(harness.runs { harness.redis.readsOut == 0 })
        harness.read("a")
        #expect(harness.runs { harness.outcomes.last == .values([nil]) })
        #expect(harness.outcomes.count == 5)
        server.kill()
    }

    @Test func `a host is found by its name, and an unknown one is an error that is tried again`() throws {
        var address = try RedisAddress(url: TestServers.redis().url)
        address.host = "localhost"
        let harness = try Harness(address)
        #expect(harness.runs { harness.redis.isConnected })
        address.host = "no-such-host.invalid"
        let lost = try Harness(address)
        #expect(lost.runs { !lost.changes.isEmpty })
        #expect(lost.changes == ["the host no-such-host.invalid is not known"])
    }

    @Test func `a Redis is reached by its Unix socket, and an absent one is an error that is tried again`() throws {
        let server = try RedisServer()
        let path = server.folder + "/r.sock"
        let address = try RedisAddress(url: "unix://\(path)?db=1")
        let harness = try Harness(address)
        #expect(harness.runs { !harness.changes.isEmpty })
        #expect(harness.changes == ["No such file or directory"])
        try server.start()
        #expect(harness.runs { harness.redis.isConnected })
        let sync = try RedisConnection(address)
        try sync.command("SET", "socket:a", "1")
        harness.read("socket:a")
        #expect(harness.runs { harness.outcomes == [.values([[0x31]])] })
        server.kill()
    }

    @Test func `more than a socket holds goes out and comes back`() throws {
        let url = try TestServers.redis().url
        let sync = try RedisConnection(RedisAddress(url: url))
        let value = String(repeating: "v", count: 3_000_000)
        try sync.command("SET", "async:long", value)
        var limits = AsyncRedisConnection.Limits()
        limits.deadlineMillis = 5_000
        let harness = try Harness(RedisAddress(url: url), limits)
        #expect(harness.runs { harness.redis.isConnected })
        // The names of the keys that are not there are long, too: the socket takes the commands in pieces.
        let names = (0..<40).map { "async:" + String(repeating: "n", count: 200_000) + "\($0)" }
        for name in names { harness.read("async:long", name) }
        #expect(harness.runs(seconds: 20) { harness.outcomes.count == 40 })
        #expect(harness.outcomes.allSatisfy { $0 == .values([Array(value.utf8), nil]) })
        try sync.command("DEL", "async:long")
    }

    @Test func `a server that speaks another language is left`() throws {
        let listener = try Listener(host: "127.0.0.1", port: 0)
        let harness = try Harness(RedisAddress(host: "127.0.0.1", port: listener.port))
        var clients: [Int32] = []
        listener.accept(on: harness.loop) { client in
            clients.append(client)
            _ = "HTTP/1.1 400 Bad Request\r\n\r\n".withCString { write(client, $0, 28) }
        }
        #expect(harness.runs { !harness.changes.isEmpty })
        #expect(harness.changes == ["its answer is not Redis's protocol"])
        #expect(!harness.redis.isConnected)
        for client in clients { close(client) }
        listener.stop()
    }

    @Test func `a silent server is left and found again, and a stopped one too`() throws {
        let server = try RedisServer()
        try server.start()
        let address = try RedisAddress(url: server.url)
        var limits = AsyncRedisConnection.Limits()
        limits.silenceMillis = 200
        let harness = try Harness(address, limits)
        #expect(harness.runs { harness.redis.isConnected })
        var pause = RedisPipeline()
        pause.command("CLIENT", "PAUSE", "600", "ALL")
        _ = try RedisConnection(address).run(&pause)
        harness.read("a")
        #expect(harness.runs { !harness.redis.isConnected })
        #expect(harness.outcomes == [.failure(.deadline)])
        #expect(harness.runs { harness.redis.isConnected })
        server.kill()
        #expect(harness.runs { !harness.redis.isConnected })
        harness.read("a")
        #expect(harness.outcomes.last == .failure(.notConnected))
        try server.start()
        #expect(harness.runs { harness.redis.isConnected })
        harness.read("a")
        #expect(harness.runs { harness.outcomes.last == .values([nil]) })
        harness.read("a")
        harness.redis.close()
        #expect(harness.outcomes.last == .failure(.connectionLost))
        #expect(harness.redis.readsOut == 0)
        server.kill()
    }
}
