import Glibc
import KafkaProtocol

/// Asks the brokers for the ids of topics. A topic that was deleted and made again under its name has another id, and nothing
/// else tells of it for sure: librdkafka goes on at its offset without a word when the new log has grown past it.
///
/// An id that is still the same after records have arrived says that all of them are of that log, for ids never come back. So
/// the id is read before the log is looked at, and again after each poll, before anything of it is stored: one small request on
/// a connection that stays open. librdkafka 2.0.2 cannot read ids, so this is a client of its own, of one request. Not thread-safe.
final class TopicIdentity {
    /// The first version of Metadata that tells ids; brokers have it since Kafka 2.8.
    private static let version: Int16 = 10
    /// A broker that does not answer within this costs a poll that long; then there are no ids for twenty times as long.
    private static let silenceSeconds = 2
    private static let pauseMillis: Int64 = 1_000
    private static let longestAnswer = 16 << 20

    private let addresses: [(host: String, port: String)]
    private var connection: Int32 = -1
    private var correlation: Int32 = 0
    private var notBeforeMillis = Int64.min

    init(bootstrapServers: String) {
        addresses = Self.addresses(bootstrapServers)
    }

    /// The servers of a list, read as librdkafka reads it: a port that is not given is 9092.
    static func addresses(_ servers: String) -> [(host: String, port: String)] {
        servers.split(separator: ",").compactMap { server -> (host: String, port: String)? in
            // One that names its protocol has slashes before it.
            let address = (server.split(separator: "/").last ?? server).filter { $0 != " " }
            var (host, port) = (address[...], "9092")
            // IPv6 hosts come in brackets; several colons without them are an IPv6 host without a port.
            if let colon = address.lastIndex(of: ":"),
                address[..<colon].hasSuffix("]") || address.firstIndex(of: ":") == colon
            {
                (host, port) = (address[..<colon], String(address[address.index(after: colon)...]))
            }
            let name = host.filter { $0 != "[" && $0 != "]" }
            guard !name.isEmpty else { return nil }
            return (name, port)
        }
    }

    deinit { close() }

    /// The ids that are told at this moment. A topic is left out when it is not there; all are when no broker answers or none
    /// knows ids, and then only the records themselves can be compared.
    func ids(of topics: Set<String>) -> [String: TopicID] {
        let began = StageClock.millis()
        guard !topics.isEmpty, began >= notBeforeMillis else { return [:] }
        if connection >= 0, let answer = ask(topics) { return answer }
        // A broker may have closed a connection that was idle, and another one may be there.
        for address in addresses {
            close()
            guard connect(address), tellsIDs() else { continue }
            if let answer = ask(topics) { return answer }
        }
        close()
        let now = StageClock.millis()
        notBeforeMillis = now + max(Self.pauseMillis, 20 * (now - began))
        return [:]
    }

    private func ask(_ topics: Set<String>) -> [String: TopicID]? {
        var request = MetadataRequest()
        request.allowAutoCreation = false
        request.topics = topics.map { name in
            var topic = MetadataRequest.Topic()
            topic.name = name
            return topic
        }
        guard let answer: MetadataResponse = exchange(.metadata, Self.version, request) else { return nil }
        var ids: [String: TopicID] = [:]
        for topic in answer.topics where topic.error == .none && topic.id != TopicID() {
            ids[topic.name ?? ""] = topic.id
        }
        return ids
    }

    private func tellsIDs() -> Bool {
        guard let answer: ApiVersionsResponse = exchange(.apiVersions, 0, ApiVersionsRequest()) else { return false }
        return answer.keys.contains {
            $0.key == ApiKey.metadata.rawValue && $0.minVersion <= Self.version && $0.maxVersion >= Self.version
        }
    }

    // MARK: The connection

    private func close() {
        if connection >= 0 { Glibc.close(connection) }
        connection = -1
    }

    private func connect(_ address: (host: String, port: String)) -> Bool {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(address.host, address.port, &hints, &list) == 0 else { return false }
        defer { freeaddrinfo(list) }
        var next = list
        while let place = next?.pointee {
            next = place.ai_next
            connection = socket(place.ai_family, place.ai_socktype | Int32(SOCK_CLOEXEC.rawValue), place.ai_protocol)
            guard connection >= 0 else { continue }
            // Linux also ends a connect by the limit on sending.
            var limit = timeval(tv_sec: Self.silenceSeconds, tv_usec: 0)
            var one: Int32 = 1
            let size = socklen_t(MemoryLayout<timeval>.size)
            setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &limit, size)
            setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &limit, size)
            setsockopt(connection, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
            if Glibc.connect(connection, place.ai_addr, place.ai_addrlen) == 0 { return true }
            close()
        }
        return false
    }

    /// Sends one request and waits for its answer; nil when the connection is of no use any more.
    private func exchange<Answer: KafkaMessage>(
        _ key: ApiKey, _ version: Int16, _ request: some KafkaMessage
    ) -> Answer? {
        correlation &+= 1
        let header = RequestHeader(
            key: key, version: version, correlationID: correlation, clientID: "needletail-transform-ids")
        var writer = ByteWriter()
        writer.write(Int32(0))
        do throws(ProtocolError) {
            try header.encode(to: &writer)
            try request.encode(to: &writer, version: version)
            guard let size = Int32(exactly: writer.output.count - 4) else { return nil }
            writer.patch(size, at: 0)
            guard send(writer.output), let frame = receive() else { return nil }
            var reader = ByteReader(frame[...])
            guard try reader.read(Int32.self) == correlation else { return nil }
            reader.flexible = key.isFlexible(version)
            if key != .apiVersions { try reader.tags() }
            return try Answer(from: &reader, version: version)
        } catch { return nil }
    }

    private func send(_ bytes: [UInt8]) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }

    private func receive() -> [UInt8]? {
        var decoder = FrameDecoder()
        var buffer = [UInt8](repeating: 0, count: 4_096)
        while true {
            let count = buffer.withUnsafeMutableBytes { Glibc.recv(connection, $0.baseAddress, $0.count, 0) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return nil }
            var input = buffer[..<count]
            do throws(ProtocolError) {
                if let frame = try decoder.next(&input) { return frame }
            } catch { return nil }
            guard decoder.buffered <= Self.longestAnswer else { return nil }
        }
    }
}
