import KafkaProtocol
import Testing

@testable import KafkaBroker

@Suite struct ProducerTableTests {
    static func batch(_ producer: Int64, _ sequence: Int32, _ count: Int32, epoch: Int16 = 0) throws -> RecordBatch {
        let bytes = RecordBatch.encode(
            (0..<count).map { _ in (timestamp: 1, key: nil, value: [1]) }, producerID: producer, producerEpoch: epoch,
            baseSequence: sequence)
        return try #require(RecordBatch(head: bytes[...]))
    }

    /// A producer's batches in order: sequence, count, epoch, and what is to come of it.
    struct Step: Sendable {
        var sequence: Int32
        var count: Int32
        var epoch: Int16 = 0
        var verdict: ProducerTable.Verdict
    }

    static let stories: [(String, [Step])] = [
        (
            "next follows last",
            [.init(sequence: 0, count: 3, verdict: .append), .init(sequence: 3, count: 1, verdict: .append)]
        ),
        ("an unknown producer may begin anywhere", [.init(sequence: 77, count: 2, verdict: .append)]),
        (
            "a gap is refused",
            [
                .init(sequence: 0, count: 3, verdict: .append),
                .init(sequence: 4, count: 1, verdict: .refuse(.outOfOrderSequenceNumber)),
            ]
        ),
        (
            "an older sequence is refused unless it is a repeat",
            [
                .init(sequence: 0, count: 3, verdict: .append), .init(sequence: 3, count: 3, verdict: .append),
                .init(sequence: 0, count: 2, verdict: .refuse(.outOfOrderSequenceNumber)),
                .init(sequence: 0, count: 3, verdict: .duplicate(baseOffset: 0)),
                .init(sequence: 3, count: 3, verdict: .duplicate(baseOffset: 3)),
            ]
        ),
        (
            "five batches are remembered",
            [
                .init(sequence: 0, count: 1, verdict: .append), .init(sequence: 1, count: 1, verdict: .append),
                .init(sequence: 2, count: 1, verdict: .append), .init(sequence: 3, count: 1, verdict: .append),
                .init(sequence: 4, count: 1, verdict: .append), .init(sequence: 5, count: 1, verdict: .append),
                .init(sequence: 1, count: 1, verdict: .duplicate(baseOffset: 1)),
                .init(sequence: 0, count: 1, verdict: .refuse(.outOfOrderSequenceNumber)),
            ]
        ),
        (
            "sequences wrap to zero",
            [
                .init(sequence: 2_147_483_646, count: 4, verdict: .append),
                .init(sequence: 2, count: 2, verdict: .append),
                .init(sequence: 2_147_483_646, count: 4, verdict: .duplicate(baseOffset: 0)),
                .init(sequence: 4, count: 1, verdict: .append),
            ]
        ),
        (
            "a newer epoch begins at zero",
            [
                .init(sequence: 0, count: 3, verdict: .append),
                .init(sequence: 3, count: 1, epoch: 1, verdict: .refuse(.outOfOrderSequenceNumber)),
                .init(sequence: 0, count: 1, epoch: 1, verdict: .append),
                .init(sequence: 3, count: 1, epoch: 0, verdict: .refuse(.invalidProducerEpoch)),
                .init(sequence: 0, count: 3, epoch: 0, verdict: .refuse(.invalidProducerEpoch)),
            ]
        ),
    ]

    @Test(arguments: stories.indices)
    func `judges a producer's batches as Kafka does`(index: Int) throws {
        let (name, steps) = Self.stories[index]
        var table = ProducerTable()
        var end: Int64 = 0
        for (number, step) in steps.enumerated() {
            let batch = try Self.batch(9, step.sequence, step.count, epoch: step.epoch)
            #expect(table.check(batch) == step.verdict, "\(name), step \(number)")
            if step.verdict == .append {
                table.note(batch, baseOffset: end, nowMillis: 0)
                end += Int64(step.count)
            }
        }
    }

    @Test func `producers do not know of each other, and those without an id are not remembered`() throws {
        var table = ProducerTable()
        table.note(try Self.batch(1, 0, 5), baseOffset: 0, nowMillis: 0)
        #expect(table.check(try Self.batch(2, 0, 5)) == .append)
        table.note(try Self.batch(-1, -1, 5), baseOffset: 5, nowMillis: 0)
        #expect(table.producers.keys.sorted() == [1])
    }

    @Test func `an idle producer is forgotten after a day`() throws {
        var table = ProducerTable()
        table.note(try Self.batch(1, 0, 1), baseOffset: 0, nowMillis: 1_000)
        table.note(try Self.batch(2, 0, 1), baseOffset: 1, nowMillis: 80_000_000)
        table.forgetIdle(nowMillis: 1_000 + ProducerTable.idleMillis)
        #expect(table.producers.keys.sorted() == [2])
    }

    @Test func `the table comes back from its bytes`() throws {
        var table = ProducerTable()
        for producer in Int64(0)..<5 {
            for sequence in Int32(0)..<7 {
                table.note(try Self.batch(producer, sequence, 1), baseOffset: Int64(sequence), nowMillis: producer)
            }
        }
        var writer = ByteWriter()
        table.encode(to: &writer)
        var reader = ByteReader(writer.output[...])
        #expect(try ProducerTable(from: &reader) == table)
    }

    @Test func `above the limit those silent for longest are forgotten`() throws {
        var table = ProducerTable()
        let count = Int64(3 * ProducerTable.maxProducers)
        for producer in 0..<count {
            table.note(try Self.batch(producer, 0, 1), baseOffset: producer, nowMillis: producer)
            #expect(table.producers.count <= ProducerTable.maxProducers)
        }
        #expect(table.producers[count - 1] != nil && table.producers[0] == nil)
        #expect(table.check(try Self.batch(count - 1, 0, 1)) == .duplicate(baseOffset: count - 1))
    }
}
