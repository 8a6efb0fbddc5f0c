import KafkaProtocol
import Testing

@Suite struct HeaderTests {
    @Test(arguments: ApiKey.allCases)
    func `a header comes back in every version served`(key: ApiKey) throws {
        for version in key.served {
            for client in ["rdkafka", nil, ""] {
                let header = RequestHeader(key: key, version: version, correlationID: 7, clientID: client)
                var writer = ByteWriter()
                try header.encode(to: &writer)
                var reader = ByteReader(writer.output[...])
                #expect(try RequestHeader(from: &reader) == header)
                #expect(reader.remaining == 0)
                #expect(reader.flexible == key.isFlexible(version))
            }
        }
    }

    @Test func `the client id of a flexible header keeps its old length`() throws {
        // ApiVersions 3: key 18, version 3, correlation 1, "ab" with a 16-bit length, no tags.
        var reader = ByteReader([0, 18, 0, 3, 0, 0, 0, 1, 0, 2, 0x61, 0x62, 0])
        let header = try RequestHeader(from: &reader)
        #expect(header.clientID == "ab")
        #expect(reader.flexible)
    }

    @Test func `an API or a version that is not served is an error`() {
        for bytes: [UInt8] in [[0, 99, 0, 0], [0, 0, 0, 2], [0, 0, 0, 8], [0, 1, 0, 3], [0xFF, 0xFF, 0, 0]] {
            #expect(throws: ProtocolError.self) {
                var reader = ByteReader((bytes + [0, 0, 0, 1, 0xFF, 0xFF])[...])
                _ = try RequestHeader(from: &reader)
            }
        }
    }

    @Test func `an unknown version of ApiVersions is answered in version 0`() throws {
        var reader = ByteReader([0, 18, 0, 9, 0, 0, 0, 5, 0xFF, 0xFF, 1, 2, 3])
        var header = try RequestHeader(from: &reader)
        #expect(header.version == 9)
        header.version = 0
        var writer = ByteWriter()
        try header.beginResponse(&writer)
        try ApiVersionsResponse.fallback().encode(to: &writer, version: 0)
        // Correlation, error 35, one key: 18 with versions 0 to 4. Nothing after it.
        #expect(writer.output == [0, 0, 0, 5, 0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 4])
    }

    @Test func `the answer to ApiVersions 3 has no tags in its header`() throws {
        let header = RequestHeader(key: .apiVersions, version: 3, correlationID: 1, clientID: nil)
        var writer = ByteWriter()
        try header.beginResponse(&writer)
        #expect(writer.output == [0, 0, 0, 1])
        try ApiVersionsResponse.everything().encode(to: &writer, version: 3)
        #expect(writer.output[4...6] == [0, 0, UInt8(ApiKey.allCases.count + 1)])
    }

    @Test func `produce is advertised from 0 and served from 3`() {
        // librdkafka 2.0.2 stops compressing when version 0 is not advertised.
        #expect(ApiKey.produce.advertised == 0...7)
        #expect(ApiKey.produce.served == 3...7)
        #expect(ApiKey.allCases.count == 24)
        // Metadata is in flexible encoding for the topic ids it tells.
        for key in ApiKey.allCases where key != .apiVersions && key != .metadata {
            #expect(!key.isFlexible(key.advertised.upperBound), "\(key)")
        }
    }

    @Test(arguments: [
        ("librdkafka", "2.0.2", true), ("apache-kafka-java", "4.1.1", true), ("a", "1", true), ("", "1", false),
        ("-a", "1", false), ("a", "1.", false), ("a b", "1", false), ("ä", "1", false),
    ])
    func `software names are letters and digits with dots and dashes inside`(name: String, version: String, good: Bool)
    {
        var request = ApiVersionsRequest()
        request.softwareName = name
        request.softwareVersion = version
        #expect(request.isWellFormed == good)
    }

    @Test(arguments: 1...9)
    func `frames survive any split`(chunk: Int) throws {
        let frames: [[UInt8]] = [[1, 2, 3], [], [9], Array(repeating: 7, count: 100)]
        var stream: [UInt8] = []
        for frame in frames {
            var writer = ByteWriter()
            writer.write(Int32(frame.count))
            stream += writer.output + frame
        }
        var decoder = FrameDecoder()
        var found: [[UInt8]] = []
        var start = 0
        while start < stream.count {
            var piece = stream[start..<min(start + chunk, stream.count)]
            while let frame = try decoder.next(&piece) { found.append(frame) }
            #expect(piece.isEmpty)
            start += chunk
        }
        #expect(found == frames)
        #expect(decoder.buffered == 0)
    }

    @Test func `a size that cannot be ends the stream and takes no memory`() {
        for size: [UInt8] in [[0xFF, 0xFF, 0xFF, 0xFF], [0x7F, 0xFF, 0xFF, 0xFF], [0x06, 0x40, 0x00, 0x01]] {
            #expect(throws: ProtocolError.self) {
                var decoder = FrameDecoder()
                var input = size[...]
                _ = try decoder.next(&input)
            }
        }
    }

    @Test func `variable-length integers come back and refuse what does not fit`() throws {
        for value: Int64 in [0, 1, -1, 63, 64, -64, -65, 300, .max, .min] {
            var writer = ByteWriter()
            writer.varint(value)
            var reader = ByteReader(writer.output[...])
            #expect(try reader.varint() == value)
            #expect(reader.remaining == 0)
        }
        for bytes: [UInt8] in [Array(repeating: 0x80, count: 11), Array(repeating: 0xFF, count: 10)] {
            #expect(throws: ProtocolError.self) {
                var reader = ByteReader(bytes[...])
                _ = try reader.varint()
            }
            #expect(throws: ProtocolError.self) {
                var reader = ByteReader(bytes[...])
                _ = try reader.varuint()
            }
        }
    }
}
