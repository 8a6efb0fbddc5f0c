import KafkaProtocol

/// What is known to be on the disk of one partition: written once a second after the log itself was synchronised, and at
/// a clean end. Recovery trusts it up to its end and scans only what lies behind.
struct Checkpoint: Equatable, Sendable {
    struct Segment: Equatable, Sendable {
        var base: Int64
        var end: Int64
        var size: Int64
        var maxTimestamp: Int64
        var createdMillis: Int64
        var indexCount: UInt32
        var indexChecksum: UInt32
    }

    static let fileName = "checkpoint"
    private static let magic: UInt32 = 0x4E54_4350

    var topic = TopicID()
    var partition: Int32 = 0
    /// First offset that may be read.
    var logStart: Int64 = 0
    var segments: [Segment] = []
    var producers = ProducerTable()

    func encoded() -> [UInt8] {
        var writer = ByteWriter()
        writer.write(Self.magic)
        writer.write(topic.high)
        writer.write(topic.low)
        writer.write(partition)
        writer.write(logStart)
        writer.write(Int32(segments.count))
        for segment in segments {
            writer.write(segment.base)
            writer.write(segment.end)
            writer.write(segment.size)
            writer.write(segment.maxTimestamp)
            writer.write(segment.createdMillis)
            writer.write(segment.indexCount)
            writer.write(segment.indexChecksum)
        }
        producers.encode(to: &writer)
        writer.write(CRC32C.checksum(writer.output[...]))
        return writer.output
    }

    init() {}

    /// Nil for bytes that are not a whole checkpoint.
    init?(_ bytes: [UInt8]) {
        guard bytes.count > 4 else { return nil }
        var tail = ByteReader(bytes.suffix(4))
        guard (try? tail.read(UInt32.self)) == CRC32C.checksum(bytes.dropLast(4)) else { return nil }
        var reader = ByteReader(bytes.dropLast(4))
        do {
            guard try reader.read(UInt32.self) == Self.magic else { return nil }
            topic = TopicID(high: try reader.read(), low: try reader.read())
            partition = try reader.read()
            logStart = try reader.read()
            for _ in 0..<(try reader.read(UInt32.self)) {
                segments.append(
                    Segment(
                        base: try reader.read(), end: try reader.read(), size: try reader.read(),
                        maxTimestamp: try reader.read(), createdMillis: try reader.read(),
                        indexCount: try reader.read(), indexChecksum: try reader.read()))
            }
            producers = try ProducerTable(from: &reader)
        } catch { return nil }
    }
}
