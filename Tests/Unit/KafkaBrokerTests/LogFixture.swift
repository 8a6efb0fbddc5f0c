import KafkaProtocol
import TestSupport

@testable import KafkaBroker

extension PartitionLog {
    /// A lookup that may open as much as a request may.
    func offset(atOrAfter timestamp: Int64) throws -> (offset: Int64, timestamp: Int64)? {
        var opening = BatchOpening()
        return try offset(atOrAfter: timestamp, &opening)
    }
}

/// A partition's folder, opened as often as a test likes, and what should be in it.
final class LogFixture {
    let folder: String
    var limits = LogLimits()
    let topic = TopicID(high: 1, low: 2)

    init() throws { folder = try TestEnvironment.temporaryFolder("log") + "/topic-0" }

    func open(nowMillis: Int64 = 0) throws -> LogRecovery.Outcome {
        try LogRecovery.open(
            folder: folder, topic: topic, partition: 0, leaderEpoch: 0, limits: limits, nowMillis: nowMillis)
    }

    /// A clean end: everything in a checkpoint.
    func close(_ log: PartitionLog) throws { try log.flushNow() }

    @discardableResult
    static func append(
        _ values: [(timestamp: Int64, value: String)], to log: PartitionLog, producer: Int64 = -1, sequence: Int32 = -1,
        nowMillis: Int64 = 0
    ) throws -> PartitionLog.Appended {
        let bytes = RecordBatch.encode(
            values.map { (timestamp: $0.timestamp, key: nil, value: Array($0.value.utf8)) }, producerID: producer,
            producerEpoch: producer < 0 ? -1 : 0, baseSequence: sequence)
        let batch = try RecordBatch.validate(bytes[...], maxBytes: 1 << 30).get()
        let appended = try log.append(bytes[...], batch, nowMillis: nowMillis)
        try log.commitNow()
        return appended
    }

    /// Everything from `offset` on, read the way a consumer does.
    static func values(of log: PartitionLog, from offset: Int64? = nil, maxBytes: Int = 1_000) throws -> [String] {
        try records(of: log, from: offset, maxBytes: maxBytes).map(\.value)
    }

    static func records(
        of log: PartitionLog, from start: Int64? = nil, maxBytes: Int = 1_000
    ) throws -> [(offset: Int64, timestamp: Int64, value: String)] {
        var next = start ?? log.logStart
        var found: [(offset: Int64, timestamp: Int64, value: String)] = []
        while let slice = try log.read(from: next, maxBytes: maxBytes) {
            var rest = try slice.file.read(slice.range.count, at: slice.range.lowerBound)[...]
            while let batch = RecordBatch(head: rest) {
                for record in try RecordBatch.records(of: rest) {
                    let offset = batch.baseOffset + Int64(record.offsetDelta)
                    guard offset >= next else { continue }
                    found.append(
                        (
                            offset, batch.baseTimestamp + record.timestampDelta,
                            String(decoding: record.value ?? [], as: UTF8.self)
                        ))
                }
                next = batch.lastOffset + 1
                rest = rest.dropFirst(batch.size)
            }
        }
        return found
    }

    func bytes(_ name: String) throws -> [UInt8] { try Files.contents(folder + "/" + name) ?? [] }

    func write(_ name: String, _ bytes: [UInt8]) throws {
        let file = try LogFile(path: folder + "/" + name, create: true)
        try file.truncate(to: 0)
        try file.write(bytes[...], at: 0)
    }

    static let firstLog = "00000000000000000000.log"
    static let firstIndex = "00000000000000000000.index"
}
