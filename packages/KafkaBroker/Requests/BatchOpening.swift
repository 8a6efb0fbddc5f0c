import Compression
import KafkaProtocol

/// Looks into the batches of one request. What a producer sent is looked into before it is acknowledged: a batch whose checksum
/// is sound may still hold anything, and one that no consumer can read would stop every consumer of its partition for ever. A
/// lookup by time finds its record there.
struct BatchOpening {
    /// Bytes that the compressed batches of one request may unpack to, all together: a small frame can be made to hold
    /// gigabytes.
    static let maxUnpacked = 64 << 20
    /// Bytes of batches that the lookups of one request read, until one cannot be unpacked or unpacks to too much. Behind it
    /// the first record of a batch stands for the one that is looked for, which may be early and is never late.
    static let maxLookedUp = 64 << 20

    private var unpackedLeft = Self.maxUnpacked
    private var lookupsLeft = Self.maxLookedUp

    /// Whether a lookup may read a batch of so many bytes, which then count.
    mutating func mayLookInto(_ size: Int) -> Bool {
        guard size < lookupsLeft else { return false }
        lookupsLeft -= size
        return true
    }

    /// Ends the lookups of the request: a batch that was refused when much of it was unpacked already counts as nothing, and
    /// asking for it again and again would hold the loop.
    mutating func endLookups() { lookupsLeft = 0 }

    /// The records behind a batch's head, unpacked; or why that cannot be.
    mutating func records(of batch: RecordBatch, _ block: ArraySlice<UInt8>) -> Result<ArraySlice<UInt8>, BatchFault> {
        guard batch.codec != 0 else { return .success(block) }
        guard let unpacked = unpack(block, codec: batch.codec) else {
            return .failure(BatchFault(.invalidRecord, "records cannot be unpacked"))
        }
        guard unpacked.count <= unpackedLeft else {
            return .failure(BatchFault(.messageTooLarge, "records unpack to too much"))
        }
        unpackedLeft -= unpacked.count
        return .success(unpacked[...])
    }

    /// The latest time in the batch, found by visiting each record; or why it is refused. `bytes` is the whole batch.
    mutating func latestTime(in batch: RecordBatch, _ bytes: ArraySlice<UInt8>) -> Result<Int64, BatchFault> {
        let block: ArraySlice<UInt8>
        switch records(of: batch, bytes.dropFirst(RecordBatch.headSize)) {
        case .failure(let fault): return .failure(fault)
        case .success(let records): block = records
        }
        var latest = Int64.min
        var isBeforeTime = false
        let note: (Int32, Int64) -> Bool = { _, time in
            latest = max(latest, time)
            if time < -1 { isBeforeTime = true }  // −1 is a record without a time.
            return true
        }
        let isSound = batch.walkRecords(inBlock: block, note)
        guard isSound else { return .failure(BatchFault(.invalidRecord, "records are not what the head says")) }
        guard !isBeforeTime else { return .failure(BatchFault(.invalidTimestamp, "a record's time is before 1970")) }
        return .success(latest)
    }

    /// The block of records, or nil when it is not one of that codec. Unpacking stops a little above what is left.
    private func unpack(_ block: ArraySlice<UInt8>, codec: Int16) -> [UInt8]? {
        let limit = unpackedLeft
        switch codec {
        case 1, 4:
            // The source takes bytes that are no archive as they are.
            guard block.starts(with: codec == 1 ? [0x1F, 0x8B] : [0x28, 0xB5, 0x2F, 0xFD]),
                let source = try? ByteSource(bytes: Array(block))
            else { return nil }
            return Self.readAll(source, limit)
        case 2: return Snappy.unpack(block, limit: limit)
        case 3: return LZ4.unpack(block, limit: limit)
        default: return nil
        }
    }

    private static func readAll(_ source: ByteSource, _ limit: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        var count = 0
        while true {
            if count == bytes.count {
                guard count <= limit else { return bytes }
                bytes.append(contentsOf: repeatElement(0, count: bytes.count))
            }
            guard let read = try? source.read(into: &bytes, from: count) else { return nil }
            guard read > 0 else { break }
            count += read
        }
        bytes.removeLast(bytes.count - count)
        return bytes
    }
}
