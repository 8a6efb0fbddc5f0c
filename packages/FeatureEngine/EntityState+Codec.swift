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
/// bits XOR those before, a hash as 8 bytes, text as varint length and bytes. The checksum is FNV-1a-64 over the events and
/// then the 29 bytes before it, so events can be appended without reading the ones before.
extension EntityState {
    /// Bytes before the events.
    public static let headerSize = 37
    static let format: UInt8 = 1

    /// The (generation, offset) a blob starts with, or nil when it is too short to be one.
    public static func position(ofBlob blob: some RandomAccessCollection<UInt8>) -> (generation: UInt64, offset: Int64)?
    {
        guard blob.count >= 16 else { return nil }
        let generation = blob.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        let offset = blob.dropFirst(8).prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        return (generation, Int64(bitPattern: offset))
    }

    /// The state as a blob. `bytes` is emptied first and keeps its room.
    public func encode(into bytes: inout [UInt8]) {
        bytes.removeAll(keepingCapacity: true)
        bytes.appendBigEndian(generation)
        bytes.appendBigEndian(UInt64(bitPattern: offset))
        bytes.append(Self.format)
        bytes.appendBigEndian(UInt32(count))
        bytes.appendBigEndian(UInt64(bitPattern: newestMillis ?? 0))
        bytes.appendBigEndian(UInt64(0))
        var previousTime: Int64 = 0
        for index in retained {
            bytes.appendVarint(UInt64(bitPattern: times[index] &- previousTime))
            previousTime = times[index]
            for (column, definition) in view.columns.enumerated() {
                switch definition.storage {
                case .integer:
                    let value = numbers[column][index]
                    bytes.appendVarint(UInt64(bitPattern: (value << 1) ^ (value >> 63)))
                case .double:
                    let previous = index > retained.lowerBound ? numbers[column][index - 1] : 0
                    bytes.appendVarint(UInt64(bitPattern: numbers[column][index] ^ previous))
                case .hash: bytes.appendBigEndian(UInt64(bitPattern: numbers[column][index]))
                case .bytes:
                    let utf8 = texts[column][index].utf8
                    bytes.appendVarint(UInt64(utf8.count))
                    bytes.append(contentsOf: utf8)
                }
            }
        }
        var checksum = FNV1a64()
        checksum.combine(bytes[Self.headerSize...])
        checksum.combine(bytes[..<29])
        for index in 0..<8 { bytes[29 + index] = UInt8(truncatingIfNeeded: checksum.value >> (56 - 8 * UInt64(index))) }
    }

    /// Reads a blob of `view`; whatever is not exactly what `encode` wrote is refused.
    public init(_ view: StreamView, blob: Span<UInt8>) throws(BlobError) {
        guard blob.count >= Self.headerSize else { throw .truncated }
        var reader = BlobReader(blob)
        let generation = try reader.bigEndian(8)
        let offset = Int64(bitPattern: try reader.bigEndian(8))
        let format = UInt8(try reader.bigEndian(1))
        guard format == Self.format else { throw .unknownFormat(format) }
        let count = Int(try reader.bigEndian(4))
        let newest = Int64(bitPattern: try reader.bigEndian(8))
        let checksum = try reader.bigEndian(8)
        var expected = FNV1a64()
        for index in Self.headerSize..<blob.count { expected.combine(blob[index]) }
        for index in 0..<29 { expected.combine(blob[index]) }
        guard checksum == expected.value else { throw .corrupt }
        guard count <= blob.count - Self.headerSize else { throw .corrupt }  // An event is a byte at least.

        var times: [Int64] = []
        times.reserveCapacity(count)
        var numbers: [[Int64]] = Array(repeating: [], count: view.columns.count)
        var texts: [[String]] = Array(repeating: [], count: view.columns.count)
        for (column, definition) in view.columns.enumerated() where definition.storage != .bytes {
            numbers[column].reserveCapacity(count)
        }
        var time: Int64 = 0
        for _ in 0..<count {
            let (next, overflow) = time.addingReportingOverflow(Int64(bitPattern: try reader.varint()))
            guard !overflow, next >= time else { throw .corrupt }
            time = next
            times.append(time)
            for (column, definition) in view.columns.enumerated() {
                switch definition.storage {
                case .integer:
                    let bits = try reader.varint()
                    numbers[column].append(Int64(bitPattern: bits >> 1) ^ -Int64(bitPattern: bits & 1))
                case .double:
                    let previous = numbers[column].last ?? 0
                    numbers[column].append(Int64(bitPattern: try reader.varint()) ^ previous)
                case .hash: numbers[column].append(Int64(bitPattern: try reader.bigEndian(8)))
                case .bytes: texts[column].append(try reader.text(Int(clamping: try reader.varint())))
                }
            }
        }
        guard reader.isAtEnd else { throw .truncated }
        guard time == newest else { throw .corrupt }
        self.init(view, generation: generation)
        restore(times: times, numbers: numbers, texts: texts, offset: offset)
    }
}

extension [UInt8] {
    mutating func appendBigEndian<Number: FixedWidthInteger>(_ value: Number) {
        var shift = Number.bitWidth
        while shift > 0 {
            shift -= 8
            append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }

    mutating func appendVarint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        append(UInt8(truncatingIfNeeded: rest))
    }
}

/// Reads a blob, never past its end.
struct BlobReader: ~Escapable {
    private let bytes: Span<UInt8>
    private var cursor = 0

    @_lifetime(copy bytes)
    init(_ bytes: Span<UInt8>) { self.bytes = bytes }

    var isAtEnd: Bool { cursor == bytes.count }

    mutating func bigEndian(_ count: Int) throws(BlobError) -> UInt64 {
        guard count <= bytes.count - cursor else { throw .truncated }
        var value: UInt64 = 0
        for _ in 0..<count {
            value = value << 8 | UInt64(bytes[cursor])
            cursor += 1
        }
        return value
    }

    mutating func varint() throws(BlobError) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while true {
            guard cursor < bytes.count else { throw .truncated }
            let byte = bytes[cursor]
            cursor += 1
            guard shift < 63 || byte <= 1 else { throw .corrupt }
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
            shift += 7
        }
    }

    mutating func text(_ count: Int) throws(BlobError) -> String {
        guard count <= bytes.count - cursor else { throw .truncated }
        let utf8 = (cursor..<cursor + count).map { bytes[$0] }
        cursor += count
        guard let text = String(validating: utf8, as: UTF8.self) else { throw .corrupt }
        return text
    }
}
