import Glibc
import KafkaBroker
import KafkaProtocol
import TestSupport
import Testing

/// Clients that mean harm, or do not know better: only their own connections end.
@Suite(.timeLimit(.minutes(2))) struct HostileClientTests {
    /// Whether an honest client is served now.
    static func serves(_ broker: KafkaBroker) throws -> Bool {
        let answer: ApiVersionsResponse = try WireClient(port: broker.port).ask(.apiVersions, 0, ApiVersionsRequest())
        return answer.keys.count == ApiKey.allCases.count
    }

    @Test(arguments: UInt64(1)...4)
    func `random frames end their connection and nothing else`(seed: UInt64) throws {
        let broker = try WireTests.start()
        defer { broker.stop() }
        var random = SeededRandom(seed: seed)
        for _ in 0..<300 {
            let client = try WireClient(port: broker.port)
            let key = ApiKey.allCases.randomElement(using: &random) ?? .fetch
            let version = key.served.randomElement(using: &random) ?? 0
            var header = ByteWriter()
            header.write(key.rawValue)
            header.write(version)
            header.write(Int32(1))
            header.write(Int16(-1))
            let noise = (0..<Int.random(in: 0...60, using: &random)).map { _ in
                [0, 0, 0, 1, 0xFF, UInt8.random(in: 0...255, using: &random)].randomElement(using: &random) ?? 0
            }
            try client.write(WireClient.frame(header.output + noise))
            if Bool.random(using: &random) { try? client.write(WireClient.frame(noise)) }
        }
        #expect(try Self.serves(broker))
    }

    @Test func `impossible sizes, unknown requests and half frames are hung up on`() throws {
        let broker = try WireTests.start()
        defer { broker.stop() }
        for bytes: [UInt8] in [
            [0xFF, 0xFF, 0xFF, 0xFF], [0x7F, 0xFF, 0xFF, 0xFF], WireClient.frame([]),
            WireClient.frame([0, 99, 0, 0, 0, 0, 0, 0]),
            WireClient.frame([0, 0, 0, 2, 0, 0, 0, 0, 0xFF, 0xFF]), Array("GET / HTTP/1.1\r\n\r\n".utf8),
        ] {
            let client = try WireClient(port: broker.port)
            try client.write(bytes)
            #expect(try client.readFrame() == nil)
        }
        let half = try WireClient(port: broker.port)
        try half.write([0, 0, 1, 0, 0, 18])
        #expect(try Self.serves(broker))
    }

    @Test func `a client that never reads holds up nobody, and costs little memory`() throws {
        let broker = try WireTests.start()
        defer { broker.stop() }
        let writer = try WireClient(port: broker.port)
        try writer.make("t")
        for _ in 0..<40 { #expect(try writer.produce("t", WireTests.batch(1, bytes: 900_000)).error == .none) }
        let before = Self.residentMegabytes()
        var lazy: [WireClient] = []
        for _ in 0..<50 {
            let client = try WireClient(port: broker.port)
            for _ in 0..<10 {
                var request = WireClient.fetchRequest("t", from: 0, maxBytes: 40 << 20)
                request.maxBytes = 40 << 20
                try client.post(.fetch, 11, request)
            }
            lazy.append(client)
        }
        #expect(try writer.produce("t", WireTests.batch(1)).error == .none)
        #expect(try writer.fetch("t", from: 39).head.error == .none)
        // 50 clients asked for 20 GB.
        withExtendedLifetime(lazy) { #expect(Self.residentMegabytes() - before < 100) }
    }

    @Test func `large requests that never end are cut off when together they take too much`() throws {
        let broker = try WireTests.start { $0.maxUnfinishedBytes = 8 << 20 }
        defer { broker.stop() }
        let part = [UInt8](repeating: 0, count: 3 << 20)
        let clients = try (0..<4).map { _ in try WireClient(port: broker.port) }
        for client in clients {
            try? client.write([0x06, 0, 0, 0])  // 100 MB are announced, 3 MiB come.
            try? client.write(part)
        }
        let isCutOff = TestEnvironment.waits(seconds: 10) {
            clients.contains { recv($0.socket, nil, 0, Int32(MSG_DONTWAIT)) == 0 || errno == ECONNRESET }
        }
        #expect(isCutOff)
        #expect(try Self.serves(broker))
    }

    static func residentMegabytes() -> Int {
        guard let file = fopen("/proc/self/statm", "r") else { return 0 }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 200)
        guard fgets(&line, 200, file) != nil else { return 0 }
        let fields = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self).split(
            separator: " ")
        return (fields.count > 1 ? Int(fields[1]) ?? 0 : 0) * 4_096 >> 20
    }

    @Test func `two thousand connections are served, and those above the limit are turned away`() throws {
        let broker = try WireTests.start { $0.maxConnections = 2_000 }
        defer { broker.stop() }
        let clients = try (0..<2_000).map { _ in try WireClient(port: broker.port) }
        for client in [clients[0], clients[999], clients[1_999]] {
            let answer: ApiVersionsResponse = try client.ask(.apiVersions, 0, ApiVersionsRequest())
            #expect(!answer.keys.isEmpty)
        }
        try withExtendedLifetime(clients) {  // The optimiser would close them after their last use.
            let late = try WireClient(port: broker.port)
            #expect(try late.read(1) == nil)
        }
    }

    @Test func `requests sent in one burst are answered in their order`() throws {
        let broker = try WireTests.start()
        defer { broker.stop() }
        let client = try WireClient(port: broker.port)
        try client.make("t")
        var correlations: [Int32] = []
        for round in 0..<200 {
            correlations.append(
                round % 3 == 0
                    ? try client.post(.fetch, 11, WireClient.fetchRequest("t", from: 0, maxWait: 2))
                    : try client.post(.metadata, 8, MetadataRequest()))
        }
        for (round, correlation) in correlations.enumerated() {
            if round % 3 == 0 {
                let _: FetchResponse = try client.answer(.fetch, 11, correlation)
            } else {
                let _: MetadataResponse = try client.answer(.metadata, 8, correlation)
            }
        }
    }

    @Test func `requests cut into single bytes are understood`() throws {
        let broker = try WireTests.start()
        defer { broker.stop() }
        let client = try WireClient(port: broker.port)
        var writer = ByteWriter()
        try RequestHeader(key: .apiVersions, version: 0, correlationID: 1, clientID: "slow").encode(to: &writer)
        for byte in WireClient.frame(writer.output) {
            try client.write([byte])
            usleep(1_000)
        }
        let answer: ApiVersionsResponse = try client.answer(.apiVersions, 0, 1)
        #expect(!answer.keys.isEmpty)
    }
}
