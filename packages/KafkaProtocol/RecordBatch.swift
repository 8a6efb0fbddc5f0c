private import CCRC32C

/// CRC-32C, the checksum of record batches and of the broker's own files.
public enum CRC32C {
    /// The checksum of `bytes`, continuing from `seed`.
    public static func checksum(_ bytes: ArraySlice<UInt8>, seed: UInt32 = 0) -> UInt32 {
        unsafe bytes.withUnsafeBytes { buffer in
            guard let start = buffer.baseAddress else { return seed }
            return unsafe needletail_crc32c(seed, start, buffer.count)
        }
    }

    /// The same by tables; for tests of the other one.
    package static func checksumByTables(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        unsafe bytes.withUnsafeBytes { buffer in
            guard let start = buffer.baseAddress else { return 0 }
            return unsafe needletail_crc32c_tables(0, start, buffer.count)
        }
    }
}

/// The fixed head of a record batch of magic 2.
///
/// ```
///  0 baseOffset i64   8 batchLength i32   12 leaderEpoch i32   16 magic i8   17 crc u32   21 attributes i16
/// 23 lastOffsetDelta i32   27 baseTimestamp i64   35 maxTimestamp i64   43 producerId i64   51 epoch i16
/// 53 baseSequence i32   57 recordCount i32   61 records
/// ```
public struct RecordBatch: Sendable, Equatable {
    /// Bytes of the head.
    public static let headSize = 61
    /// Bytes before those that `batchLength` counts.
    public static let lengthPrefix = 12
    /// The first byte that the checksum covers. Base offset and leader epoch lie before it, so rewriting them is free.
    static let checkedFrom = 21

    /// Offset of the first record, and times of the first and the latest record in ms.
    public var baseOffset: Int64, baseTimestamp: Int64, maxTimestamp: Int64
    /// Bytes of the whole batch.
    public var size: Int
    /// The leader's epoch, the last record's distance from the first, and the number of records.
    public var leaderEpoch: Int32, lastOffsetDelta: Int32, recordCount: Int32
    /// Format, checksum, and flags: codec (bits 0–2), time type (3), transactional (4), control (5).
    public var magic: Int8, checksum: UInt32, attributes: Int16
    /// The idempotent producer (−1 is none), its epoch, and the sequence number of the first record.
    public var producerID: Int64, producerEpoch: Int16, baseSequence: Int32

    /// Reads a head; nil when there are not enough bytes or the length cannot be.
    public init?(head bytes: ArraySlice<UInt8>) {
        guard bytes.count >= Self.headSize else { return nil }
        func integer<T: FixedWidthInteger>(_ offset: Int) -> T {
            var value: UInt64 = 0
            for index in 0..<T.bitWidth / 8 { value = value << 8 | UInt64(bytes[bytes.startIndex + offset + index]) }
            return T(truncatingIfNeeded: value)
        }
        baseOffset = integer(0)
        let length: Int32 = integer(8)
        guard length >= Int32(Self.headSize - Self.lengthPrefix) else { return nil }
        size = Int(length) + Self.lengthPrefix
        leaderEpoch = integer(12)
        magic = integer(16)
        checksum = integer(17)
        attributes = integer(21)
        lastOffsetDelta = integer(23)
        baseTimestamp = integer(27)
        maxTimestamp = integer(35)
        producerID = integer(43)
        producerEpoch = integer(51)
        baseSequence = integer(53)
        recordCount = integer(57)
    }

    /// Offset of the last record.
    public var lastOffset: Int64 { baseOffset &+ Int64(lastOffsetDelta) }
    /// 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
    public var codec: Int16 { attributes & 7 }
    /// Whether times are those of appending, which this broker never writes.
    var isLogAppendTime: Bool { attributes & 8 != 0 }
    /// Whether the batch belongs to a transaction.
    var isTransactional: Bool { attributes & 16 != 0 }
    /// Whether the batch is a transaction's marker.
    var isControl: Bool { attributes & 32 != 0 }
    /// Sequence number of the last record; after 2³¹−1 comes 0.
    public var lastSequence: Int32 { Self.sequence(baseSequence, plus: lastOffsetDelta) }

    /// `sequence` + `count`, going on at 0 after 2³¹−1.
    public static func sequence(_ sequence: Int32, plus count: Int32) -> Int32 {
        Int32((Int64(sequence) + Int64(count)) & 0x7FFF_FFFF)
    }

    /// Whether `bytes`, one whole batch, has the checksum it says.
    public static func isIntact(_ bytes: ArraySlice<UInt8>, checksum: UInt32) -> Bool {
        bytes.count >= headSize && CRC32C.checksum(bytes.dropFirst(checkedFrom)) == checksum
    }

    /// Checks the head and the framing of what a producer sent: exactly one batch with a sound checksum. What the checksum
    /// covers may still be anything; `walkRecords` looks at that.
    public static func validate(_ records: ArraySlice<UInt8>, maxBytes: Int) -> Result<RecordBatch, BatchFault> {
        guard records.count > 16 else { return .failure(BatchFault(.invalidRecord, "no record batch")) }
        guard records[records.startIndex + 16] == 2 else {
            return .failure(BatchFault(.unsupportedForMessageFormat, "record format is not 2"))
        }
        guard let batch = RecordBatch(head: records) else {
            return .failure(BatchFault(.corruptMessage, "record batch is cut short"))
        }
        guard batch.size <= maxBytes else {
            return .failure(BatchFault(.messageTooLarge, "batch above max.message.bytes"))
        }
        guard batch.size <= records.count else {
            return .failure(BatchFault(.corruptMessage, "record batch is cut short"))
        }
        guard batch.size == records.count else {
            return .failure(BatchFault(.invalidRecord, "more than one record batch"))
        }
        guard isIntact(records, checksum: batch.checksum) else {
            return .failure(BatchFault(.corruptMessage, "record batch's checksum is wrong"))
        }
        guard batch.recordCount > 0, Int64(batch.recordCount) == Int64(batch.lastOffsetDelta) + 1 else {
            return .failure(BatchFault(.invalidRecord, "record count does not fit the offsets"))
        }
        guard batch.recordCount <= maxRecords else {
            return .failure(BatchFault(.invalidRecord, "more records than a batch may have"))
        }
        guard !batch.isControl, !batch.isTransactional, !batch.isLogAppendTime, batch.codec <= 4 else {
            return .failure(BatchFault(.invalidRecord, "record batch's flags are not a producer's"))
        }
        guard batch.producerID < 0 || (batch.baseSequence >= 0 && batch.producerEpoch >= 0) else {
            return .failure(BatchFault(.invalidRecord, "idempotent batch without a sequence number"))
        }
        return .success(batch)
    }

    /// The same batch with another latest time in its head, and the checksum that goes with it; `bytes` is all of it.
    public static func bytes(_ bytes: ArraySlice<UInt8>, withMaxTimestamp time: Int64) -> [UInt8] {
        var changed = ByteWriter()
        changed.write(time)
        var result = Array(bytes)
        result.replaceSubrange(35..<43, with: changed.output)
        var checksum = ByteWriter()
        checksum.write(CRC32C.checksum(result.dropFirst(checkedFrom)))
        result.replaceSubrange(17..<21, with: checksum.output)
        return result
    }

    /// The sixteen bytes in front of the magic, as the broker stores them.
    public func storedPrefix(baseOffset: Int64, leaderEpoch: Int32) -> [UInt8] {
        var writer = ByteWriter()
        writer.write(baseOffset)
        writer.write(Int32(size - Self.lengthPrefix))
        writer.write(leaderEpoch)
        return writer.output
    }
}

/// Why a batch is refused.
public struct BatchFault: Error, Equatable, Sendable {
    /// The code to answer with, and why in words.
    public var code: ErrorCode, reason: String

    /// A fault.
    public init(_ code: ErrorCode, _ reason: String) {
        self.code = code
        self.reason = reason
    }
}
