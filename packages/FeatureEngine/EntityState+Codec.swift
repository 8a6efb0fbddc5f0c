/// Why a blob was refused.
public enum BlobError: Error, Hashable, Sendable {
    /// It ends before its events do, or has bytes left after them.
    case truncated
    /// Its checksum, order or a number does not hold.
    case corrupt
    /// It is of a format this version does not read.
    case unknownFormat(UInt8)
}

/// One entity's state as one Redis string.
///
///     0  generation u64   8  offset u64   16 format u8   17 count u32   21 last time i64   29 checksum u64   37 events
///
/// Integers of the header are big-endian, so that the first 16 bytes compare as (generation, offset). An event is the
/// varint of its time minus the one before, then its columns: an integer as zigzag varint, a double as the varint of its
/// bits XOR those before, a hash as 8 bytes, text as varint length and bytes. The checksum covers all other bytes and their
/// number. Changing it: docs/design.md, Formats.
extension EntityState {
    /// Bytes before the events.
    public static let headerSize = 37
    static let format: UInt8 = 1
    private static let checksumStart = 29

    /// The (generation, offset) a blob starts with, or nil when it is too short to be one.
    public static func position(ofBlob blob: some RandomAccessCollection<UInt8>) -> (generation: UInt64, offset: Int64)?
    {
        guard blob.count >= 16 else { return nil }
        let generation = blob.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        let offset = blob.dropFirst(8).prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        return (generation, Int64(bitPattern: offset))
    }

    /// How many events a blob says it has; 0 when it is too short to say.
    public static func eventCount(ofBlob blob: Span<UInt8>) -> Int {
        guard blob.count >= headerSize else { return 0 }
        return Int(blob.bigEndian(at: 13) & 0xFFFF_FFFF)
    }

    /// The state as a blob. `bytes` is emptied first and keeps its room.
    public func encode(into bytes: inout [UInt8]) {
        let stride = view.stride
        let textStride = view.textStride
        // A varint of 64 bits is 10 bytes at most; texts bring their own length.
        var room = Self.headerSize + count * 10 * (1 + view.columns.count)
        for text in texts[(head * textStride)...] { room += text.utf8.count }
        bytes.removeAll(keepingCapacity: true)
        bytes.append(contentsOf: repeatElement(0, count: room))
        var writer = bytes.mutableSpan
        var end = 0
        writer.put(generation, at: &end)
        writer.put(UInt64(bitPattern: offset), at: &end)
        writer[end] = Self.format
        end += 1
        writer.put(UInt64(UInt32(count)) << 32, at: &end)  // Its last four bytes are written again below.
        end -= 4
        writer.put(UInt64(bitPattern: newestMillis ?? 0), at: &end)
        end = Self.headerSize
        let cells = cells.span
        var previousTime: Int64 = 0
        for index in head..<cells.count / stride {
            let row = index * stride
            writer.put(varint: UInt64(bitPattern: cells[row] &- previousTime), at: &end)
            previousTime = cells[row]
            for column in view.columns {
                switch column.storage {
                case .integer:
                    let value = cells[row + column.place]
                    writer.put(varint: UInt64(bitPattern: (value << 1) ^ (value >> 63)), at: &end)
                case .double:
                    let previous = index > head ? cells[row - stride + column.place] : 0
                    writer.put(varint: UInt64(bitPattern: cells[row + column.place] ^ previous), at: &end)
                case .hash: writer.put(UInt64(bitPattern: cells[row + column.place]), at: &end)
                case .bytes:
                    let text = texts[index * textStride + column.place]
                    writer.put(varint: UInt64(text.utf8.count), at: &end)
                    for byte in text.utf8 {
                        writer[end] = byte
                        end += 1
                    }
                }
            }
        }
        bytes.removeLast(bytes.count - end)
        let checksum = Self.checksum(bytes.span)
        var place = Self.checksumStart
        var header = bytes.mutableSpan
        header.put(checksum, at: &place)
    }

    /// Reads a blob of `view`; whatever is not exactly what `encode` wrote is refused.
    public init(_ view: StreamView, blob: Span<UInt8>) throws(BlobError) {
        self.init(view)
        try load(blob: blob)
    }

    /// Replaces the state by a blob's and keeps the room of the old one. A refused blob leaves an entity without events.
    public mutating func load(blob: Span<UInt8>) throws(BlobError) {
        cells.removeAll(keepingCapacity: true)
        texts.removeAll(keepingCapacity: true)
        head = 0
        (generation, offset) = (0, -1)
        do throws(BlobError) {
            try decode(blob)
        } catch {
            cells.removeAll(keepingCapacity: true)
            texts.removeAll(keepingCapacity: true)
            throw error
        }
    }

    private mutating func decode(_ blob: Span<UInt8>) throws(BlobError) {
        guard blob.count >= Self.headerSize else { throw .truncated }
        let generation = blob.bigEndian(at: 0)
        let offset = Int64(bitPattern: blob.bigEndian(at: 8))
        guard blob[16] == Self.format else { throw .unknownFormat(blob[16]) }
        let count = Int(blob.bigEndian(at: 13) & 0xFFFF_FFFF)
        let newest = Int64(bitPattern: blob.bigEndian(at: 21))
        guard blob.bigEndian(at: Self.checksumStart) == Self.checksum(blob) else { throw .corrupt }
        // No position of a log or generation comes near these; arithmetic on them must not trap.
        guard generation < 1 << 62, offset >= -1, offset < 1 << 62 else { throw .corrupt }
        let stride = view.stride
        let columns = view.columns
        // An event is a byte for its time and one a column at least.
        guard count <= (blob.count - Self.headerSize) / (1 + columns.count) else { throw .corrupt }

        // Taken out of the state while it is filled, so that its storage is known to have one owner.
        var stored = cells
        cells = []
        stored.append(contentsOf: repeatElement(0, count: count * stride))
        var cells = stored.mutableSpan
        var cursor = Self.headerSize
        var time: Int64 = 0
        for row in Swift.stride(from: 0, to: count * stride, by: stride) {
            let (next, overflow) = time.addingReportingOverflow(Int64(bitPattern: try blob.varint(at: &cursor)))
            guard !overflow, next >= time, PlausibleTime.range.contains(next) else { throw .corrupt }
            time = next
            cells[row] = time
            for column in columns {
                switch column.storage {
                case .integer:
                    let bits = try blob.varint(at: &cursor)
                    cells[row + column.place] = Int64(bitPattern: bits >> 1) ^ -Int64(bitPattern: bits & 1)
                case .double:
                    let previous = row > 0 ? cells[row - stride + column.place] : 0
                    cells[row + column.place] = Int64(bitPattern: try blob.varint(at: &cursor)) ^ previous
                case .hash:
                    guard cursor <= blob.count - 8 else { throw .truncated }
                    cells[row + column.place] = Int64(bitPattern: blob.bigEndian(at: cursor))
                    cursor += 8
                case .bytes:
                    let length = Int(clamping: try blob.varint(at: &cursor))
                    texts.append(try blob.text(at: &cursor, count: length))
                }
            }
        }
        self.cells = stored
        guard cursor == blob.count else { throw .truncated }
        guard time == newest else { throw .corrupt }
        (self.generation, self.offset) = (generation, offset)
        if count > 0 { drop(before: newest - view.retentionMillis - StreamView.disorderMillis) }
    }

    /// FNV-1a's step over 64-bit words instead of bytes. Each step is a bijection of the state, so that no change within one
    /// word goes unseen; the shift carries high bits down, where later words meet them.
    private static func checksum(_ blob: Span<UInt8>) -> UInt64 {
        var hash = 0xcbf2_9ce4_8422_2325 ^ UInt64(blob.count)
        func take(_ word: UInt64) {
            hash = (hash ^ word) &* 0x0000_0100_0000_01b3
            hash ^= hash >> 32
        }
        for cursor in Swift.stride(from: 0, to: 24, by: 8) { take(blob.bigEndian(at: cursor)) }
        take(blob.bigEndian(at: 21) & 0xFF_FFFF_FFFF)  // bytes 24 to 28
        var cursor = headerSize
        while cursor + 8 <= blob.count {
            take(blob.bigEndian(at: cursor))
            cursor += 8
        }
        var rest: UInt64 = 0
        while cursor < blob.count {
            rest = rest << 8 | UInt64(blob[cursor])
            cursor += 1
        }
        take(rest)
        return hash
    }
}

/// Writing a blob into room that is there.
extension MutableSpan<UInt8> {
    /// Eight bytes, the highest first.
    @inline(__always) mutating func put(_ value: UInt64, at cursor: inout Int) {
        precondition(cursor >= 0 && cursor <= count - 8)
        let start = cursor
        withUnsafeMutableBytes { $0.storeBytes(of: value.bigEndian, toByteOffset: start, as: UInt64.self) }
        cursor += 8
    }

    /// Seven bits a byte, the lowest first; all but the last have their top bit set.
    @inline(__always) mutating func put(varint value: UInt64, at cursor: inout Int) {
        var rest = value
        while rest >= 0x80 {
            self[cursor] = UInt8(truncatingIfNeeded: rest) | 0x80
            cursor += 1
            rest >>= 7
        }
        self[cursor] = UInt8(truncatingIfNeeded: rest)
        cursor += 1
    }
}

/// Reading a blob, never past its end.
extension Span<UInt8> {
    /// Eight bytes as one number; they must be there.
    @inline(__always) func bigEndian(at index: Int) -> UInt64 {
        UInt64(bigEndian: bytes.unsafeLoadUnaligned(fromByteOffset: index, as: UInt64.self))
    }

    @inline(__always) func varint(at cursor: inout Int) throws(BlobError) -> UInt64 {
        guard count - cursor >= 8 else { return try slowVarint(at: &cursor) }
        // Eight bytes at once: lengths vary from event to event, and a branch for each byte would be guessed wrong.
        let word = UInt64(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: cursor, as: UInt64.self))
        let ends = ~word & 0x8080_8080_8080_8080
        guard ends != 0 else { return try slowVarint(at: &cursor) }
        cursor += ends.trailingZeroBitCount >> 3 + 1
        var value = word & (ends ^ (ends &- 1)) & 0x7F7F_7F7F_7F7F_7F7F
        value = value & 0x007F_007F_007F_007F | (value & 0x7F00_7F00_7F00_7F00) >> 1
        value = value & 0x0000_3FFF_0000_3FFF | (value & 0x3FFF_0000_3FFF_0000) >> 2
        return value & 0x0FFF_FFFF | (value >> 4) & 0x00FF_FFFF_F000_0000
    }

    private func slowVarint(at cursor: inout Int) throws(BlobError) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while true {
            guard cursor < count else { throw .truncated }
            let byte = self[cursor]
            cursor += 1
            guard shift < 63 || byte <= 1 else { throw .corrupt }
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
            shift += 7
        }
    }

    func text(at cursor: inout Int, count length: Int) throws(BlobError) -> String {
        guard length <= count - cursor else { throw .truncated }
        let range = cursor..<cursor + length
        cursor += length
        do {
            return String(copying: try UTF8Span(validating: extracting(range)))
        } catch {
            throw .corrupt
        }
    }
}
