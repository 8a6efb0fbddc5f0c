import FoundationEssentials
import KafkaProtocol

/// Who this broker is, for as long as its folder lives: `meta.json`.
struct ClusterIdentity: Codable, Equatable, Sendable {
    /// Producer ids are taken in blocks, so that none is given twice after a crash.
    static let producerIDBlock: Int64 = 1_000
    static let fileName = "meta.json"

    var clusterID: String
    var nodeID: Int32
    var nextProducerIDBlock: Int64

    /// Reads the folder's identity, or gives it one.
    static func open(folder: String, using generator: inout some RandomNumberGenerator) throws -> ClusterIdentity {
        let path = folder + "/" + fileName
        if let bytes = try Files.contents(path) {
            do {
                return try JSONDecoder().decode(ClusterIdentity.self, from: Data(bytes))
            } catch {
                throw BrokerError.dataFolder(path: path, reason: "is not readable as JSON")
            }
        }
        let identity = ClusterIdentity(
            clusterID: TopicID.random(using: &generator).text, nodeID: 1, nextProducerIDBlock: 0)
        try identity.save(folder: folder)
        return identity
    }

    func save(folder: String) throws {
        try Files.replace(folder + "/" + Self.fileName, with: Array(try JSONFiles.encode(self)))
    }
}

/// How this package writes its JSON files: for people to read, the same bytes for the same values.
enum JSONFiles {
    static func encode(_ value: some Encodable) throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        return try encoder.encode(value)
    }
}

extension TopicID {
    /// The 22 characters that Kafka prints: base64 for URLs, without padding.
    var text: String {
        var writer = ByteWriter()
        writer.write(high)
        writer.write(low)
        return Data(writer.output).base64EncodedString().filter { $0 != "=" }.map { character in
            character == "+" ? "-" : character == "/" ? "_" : String(character)
        }.joined()
    }

    /// Reads `text`.
    init?(text: String) {
        let standard = text.map { $0 == "-" ? "+" : $0 == "_" ? "/" : String($0) }.joined() + "=="
        guard let data = Data(base64Encoded: standard), data.count == 16 else { return nil }
        var reader = ByteReader(Array(data)[...])
        guard let high = try? reader.read(UInt64.self), let low = try? reader.read(UInt64.self) else { return nil }
        self.init(high: high, low: low)
    }
}
