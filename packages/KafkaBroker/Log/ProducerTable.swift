import KafkaProtocol

/// What a partition remembers of its idempotent producers, so that a batch sent twice is stored once.
struct ProducerTable: Equatable, Sendable {
    /// Batches remembered per producer. A client has at most five requests in flight, so a repeat is one of these.
    static let remembered = 5
    /// A producer silent for this long is forgotten.
    static let idleMillis: Int64 = 86_400_000
    /// Most producers remembered: above it those silent for longest are forgotten, a part at a time.
    static let maxProducers = 2_000

    struct Batch: Equatable, Sendable {
        var firstSequence: Int32
        var lastSequence: Int32
        var lastOffset: Int64
    }

    struct Producer: Equatable, Sendable {
        var epoch: Int16
        var lastUsedMillis: Int64
        var batches: [Batch]
    }

    enum Verdict: Equatable {
        case append
        /// A repeat: answer the first one's offset, store nothing.
        case duplicate(baseOffset: Int64)
        case refuse(ErrorCode)
    }

    var producers: [Int64: Producer] = [:]

    func check(_ batch: RecordBatch) -> Verdict {
        // An unknown producer may begin anywhere: retention may have eaten what was known of it.
        guard batch.producerID >= 0, let known = producers[batch.producerID] else { return .append }
        if batch.producerEpoch < known.epoch { return .refuse(.invalidProducerEpoch) }
        if batch.producerEpoch > known.epoch {
            return batch.baseSequence == 0 ? .append : .refuse(.outOfOrderSequenceNumber)
        }
        for earlier in known.batches
        where earlier.firstSequence == batch.baseSequence && earlier.lastSequence == batch.lastSequence {
            return .duplicate(baseOffset: earlier.lastOffset &- Int64(batch.lastOffsetDelta))
        }
        guard let last = known.batches.last, batch.baseSequence != RecordBatch.sequence(last.lastSequence, plus: 1)
        else {
            return .append
        }
        return .refuse(.outOfOrderSequenceNumber)
    }

    /// Notes an appended batch, whose base offset is `baseOffset`.
    mutating func note(_ batch: RecordBatch, baseOffset: Int64, nowMillis: Int64) {
        guard batch.producerID >= 0 else { return }
        let entry = Batch(
            firstSequence: batch.baseSequence, lastSequence: batch.lastSequence,
            lastOffset: baseOffset &+ Int64(batch.lastOffsetDelta))
        var known = producers[batch.producerID] ?? Producer(epoch: batch.producerEpoch, lastUsedMillis: 0, batches: [])
        if known.epoch != batch.producerEpoch {
            known = Producer(epoch: batch.producerEpoch, lastUsedMillis: 0, batches: [])
        }
        if known.batches.count == Self.remembered { known.batches.removeFirst() }
        known.batches.append(entry)
        known.lastUsedMillis = nowMillis
        producers[batch.producerID] = known
        if producers.count > Self.maxProducers { forgetLongestSilent(but: batch.producerID) }
    }

    private mutating func forgetLongestSilent(but present: Int64) {
        let silent = producers.sorted { ($0.value.lastUsedMillis, $0.key) < ($1.value.lastUsedMillis, $1.key) }
        for (id, _) in silent.prefix(Self.maxProducers / 10) where id != present { producers[id] = nil }
    }

    mutating func forgetIdle(nowMillis: Int64) {
        guard producers.values.contains(where: { nowMillis &- $0.lastUsedMillis >= Self.idleMillis }) else { return }
        producers = producers.filter { nowMillis &- $0.value.lastUsedMillis < Self.idleMillis }
    }

    func encode(to writer: inout ByteWriter) {
        writer.write(Int32(producers.count))
        for (id, producer) in producers.sorted(by: { $0.key < $1.key }) {
            writer.write(id)
            writer.write(producer.epoch)
            writer.write(producer.lastUsedMillis)
            writer.write(UInt8(producer.batches.count))
            for batch in producer.batches {
                writer.write(batch.firstSequence)
                writer.write(batch.lastSequence)
                writer.write(batch.lastOffset)
            }
        }
    }

    init() {}

    init(from reader: inout ByteReader) throws(ProtocolError) {
        for _ in 0..<(try reader.read(UInt32.self)) {
            let id = try reader.read(Int64.self)
            var producer = Producer(epoch: try reader.read(), lastUsedMillis: try reader.read(), batches: [])
            for _ in 0..<(try reader.read(UInt8.self)) {
                producer.batches.append(
                    Batch(
                        firstSequence: try reader.read(), lastSequence: try reader.read(), lastOffset: try reader.read()
                    ))
            }
            producers[id] = producer
        }
    }
}
