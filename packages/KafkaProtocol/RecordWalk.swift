/// Records are walked where they lie: nothing is copied, and no count or length of theirs is believed before the bytes
/// bear it out.
extension RecordBatch {
    /// Most records in one batch. A count is a claim of four bytes, and offsets are given out by it.
    public static let maxRecords: Int32 = 1_000_000

    /// Visits the records of the block behind the head, unpacked where it was compressed, with their places and times (ms)
    /// until `visit` returns false. False when the records are not as many as the head says, whole, and in order.
    public func walkRecords(
        inBlock block: ArraySlice<UInt8>, _ visit: (_ index: Int32, _ timestamp: Int64) -> Bool
    ) -> Bool {
        let bytes = block.span
        var cursor = 0
        var index: Int32 = 0
        while index < recordCount {
            guard let length = Self.varint(bytes, &cursor, bytes.count), length >= 0, length <= bytes.count - cursor
            else { return false }
            let end = cursor + Int(length)
            guard cursor < end else { return false }
            cursor += 1  // Attributes: none are defined.
            guard let timeDelta = Self.varint(bytes, &cursor, end), let place = Self.varint(bytes, &cursor, end),
                place == Int64(index), Self.skip(bytes, &cursor, end, nullable: true),
                Self.skip(bytes, &cursor, end, nullable: true), Self.skipHeaders(bytes, &cursor, end), cursor == end
            else { return false }
            let (time, isOverflow) = baseTimestamp.addingReportingOverflow(timeDelta)
            guard !isOverflow else { return false }
            guard visit(index, time) else { return true }
            index += 1
        }
        return cursor == bytes.count
    }

    private static func skipHeaders(_ bytes: Span<UInt8>, _ cursor: inout Int, _ end: Int) -> Bool {
        guard let count = varint(bytes, &cursor, end), count >= 0, count <= end - cursor else { return false }
        for _ in 0..<count {
            guard skip(bytes, &cursor, end, nullable: false), skip(bytes, &cursor, end, nullable: true) else {
                return false
            }
        }
        return true
    }

    /// Steps over bytes with their length in front; −1 is null, where that is allowed.
    private static func skip(_ bytes: Span<UInt8>, _ cursor: inout Int, _ end: Int, nullable: Bool) -> Bool {
        guard let length = varint(bytes, &cursor, end) else { return false }
        guard length != -1 else { return nullable }
        guard length >= 0, length <= end - cursor else { return false }
        cursor += Int(length)
        return true
    }

    /// A zigzag variable-length integer that ends before `end`.
    private static func varint(_ bytes: Span<UInt8>, _ cursor: inout Int, _ end: Int) -> Int64? {
        guard cursor < end else { return nil }
        let first = bytes[cursor]
        if first < 0x80 {  // One byte, nearly always.
            cursor += 1
            return Int64(first >> 1) ^ -Int64(first & 1)
        }
        var raw: UInt64 = 0
        for shift in stride(from: UInt64(0), through: 63, by: 7) {
            guard cursor < end else { return nil }
            let byte = bytes[cursor]
            cursor += 1
            guard shift < 63 || byte < 2 else { return nil }
            raw |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return Int64(bitPattern: raw >> 1) ^ -Int64(bitPattern: raw & 1) }
        }
        return nil
    }
}
