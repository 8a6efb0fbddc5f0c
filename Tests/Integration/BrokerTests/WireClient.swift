import Glibc
import KafkaProtocol
import TestSupport

/// A connection that speaks the protocol directly, for what no client library would send.
final class WireClient {
    let socket: Int32
    private var nextCorrelation: Int32 = 1

    init(port: Int) throws {
        socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        address.sin_port = UInt16(port).bigEndian
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard status == 0 else { throw TestServerError("cannot connect to port \(port)") }
        var limit = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(socket) }

    /// Writes bytes as they are.
    func write(_ bytes: [UInt8]) throws {
        var done = 0
        while done < bytes.count {
            let sent = bytes.withUnsafeBytes {
                send(socket, $0.baseAddress?.advanced(by: done), $0.count - done, Int32(MSG_NOSIGNAL))
            }
            guard sent > 0 else { throw TestServerError("the broker does not take bytes") }
            done += sent
        }
    }

    /// Reads exactly `count` bytes; nil when the broker closed the connection.
    func read(_ count: Int) throws -> [UInt8]? {
        var bytes: [UInt8] = []
        while bytes.count < count {
            var buffer = [UInt8](repeating: 0, count: count - bytes.count)
            let got = recv(socket, &buffer, buffer.count, 0)
            if got == 0 || (got < 0 && errno == ECONNRESET) { return nil }
            guard got > 0 else { throw TestServerError("the broker does not answer") }
            bytes += buffer[0..<got]
        }
        return bytes
    }

    /// The next frame; nil when the broker closed the connection.
    func readFrame() throws -> [UInt8]? {
        guard let head = try read(4) else { return nil }
        return try read(Int(head.reduce(UInt32(0)) { $0 << 8 | UInt32($1) }))
    }

    static func frame(_ body: [UInt8]) -> [UInt8] {
        var writer = ByteWriter()
        writer.write(Int32(body.count))
        return writer.output + body
    }

    /// Sends a request; its correlation id.
    @discardableResult
    func post(_ key: ApiKey, _ version: Int16, _ request: some KafkaMessage) throws -> Int32 {
        let header = RequestHeader(key: key, version: version, correlationID: nextCorrelation, clientID: "wire")
        nextCorrelation += 1
        var writer = ByteWriter()
        try header.encode(to: &writer)
        try request.encode(to: &writer, version: version)
        try write(Self.frame(writer.output))
        return header.correlationID
    }

    /// Reads the answer to a request.
    func answer<Answer: KafkaMessage>(_ key: ApiKey, _ version: Int16, _ correlation: Int32) throws -> Answer {
        guard let frame = try readFrame() else { throw TestServerError("the broker closed the connection") }
        var reader = ByteReader(frame[...])
        guard try reader.read(Int32.self) == correlation else { throw TestServerError("an answer out of order") }
        reader.flexible = key.isFlexible(version)
        if key != .apiVersions { try reader.tags() }
        return try Answer(from: &reader, version: version)
    }

    func ask<Answer: KafkaMessage>(_ key: ApiKey, _ version: Int16, _ request: some KafkaMessage) throws -> Answer {
        try answer(key, version, try post(key, version, request))
    }

    /// Produces one batch; what the broker said.
    func produce(_ topic: String, _ records: [UInt8], acks: Int16 = -1) throws -> ProduceResponse.Partition {
        let answer: ProduceResponse = try ask(.produce, 7, Self.produceRequest(topic, records, acks: acks))
        guard let partition = answer.topics.first?.partitions.first else { throw TestServerError("an empty answer") }
        return partition
    }

    static func produceRequest(_ topic: String, _ records: [UInt8], acks: Int16 = -1) -> ProduceRequest {
        var partition = ProduceRequest.Partition()
        partition.records = records[...]
        var wanted = ProduceRequest.Topic()
        wanted.name = topic
        wanted.partitions = [partition]
        var request = ProduceRequest()
        request.acks = acks
        request.topics = [wanted]
        return request
    }

    static func fetchRequest(
        _ topic: String, from offset: Int64, maxWait: Int32 = 0, minBytes: Int32 = 1, maxBytes: Int32 = 1 << 20
    ) -> FetchRequest {
        var partition = FetchRequest.Partition()
        partition.fetchOffset = offset
        partition.maxBytes = maxBytes
        var wanted = FetchRequest.Topic()
        wanted.name = topic
        wanted.partitions = [partition]
        var request = FetchRequest()
        request.maxWaitMillis = maxWait
        request.minBytes = minBytes
        request.topics = [wanted]
        return request
    }

    func fetch(_ topic: String, from offset: Int64, maxBytes: Int32 = 1 << 20) throws -> FetchResponse.Partition {
        let answer: FetchResponse = try ask(.fetch, 11, Self.fetchRequest(topic, from: offset, maxBytes: maxBytes))
        guard let partition = answer.topics.first?.partitions.first else { throw TestServerError("an empty answer") }
        return partition
    }

    /// Makes a topic by asking for it.
    func make(_ topic: String) throws {
        var wanted = MetadataRequest.Topic()
        wanted.name = topic
        var request = MetadataRequest()
        request.topics = [wanted]
        let _: MetadataResponse = try ask(.metadata, 8, request)
    }
}
