import Glibc

/// Rows in the binary COPY format, built in one growing buffer that is reused from batch to batch.
@safe public final class PostgresCopyBuffer {
    private static let header: [UInt8] = Array("PGCOPY\n".utf8) + [0xFF, 0x0D, 0x0A, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    private var base: UnsafeMutableRawPointer
    private var capacity: Int
    private var length = 0
    /// Rows begun so far.
    public private(set) var rowCount = 0
    /// A value that is larger than any the server takes; NULL stands in its place, and the COPY is refused.
    private(set) var oversizedBytes: Int?
    /// The largest value the server takes.
    private static let valueBytesMax = 0x3FFF_FFFF

    /// An empty buffer.
    public init(capacity: Int = 64 * 1_024) {
        self.capacity = max(capacity, 64)
        unsafe base = UnsafeMutableRawPointer.allocate(byteCount: self.capacity, alignment: 16)
        removeAll()
    }

    deinit { unsafe base.deallocate() }

    /// Whether no row was begun.
    public var isEmpty: Bool { rowCount == 0 }

    /// Forgets the rows, keeping the room.
    public func removeAll() {
        (length, rowCount, oversizedBytes) = (0, 0, nil)
        for byte in Self.header { append(byte) }
    }

    /// Starts a row; each column is then one call of `add` or `addNull`, in order.
    public func beginRow(columns: Int) {
        append(UInt16(columns))
        rowCount += 1
    }

    /// NULL.
    public func addNull() { append(UInt32.max) }

    /// A boolean.
    public func add(_ value: Bool) {
        append(UInt32(1))
        append(UInt8(value ? 1 : 0))
    }

    /// A `smallint` column.
    public func add(_ value: Int16) {
        append(UInt32(2))
        append(UInt16(bitPattern: value))
    }

    /// An `integer` column.
    public func add(_ value: Int32) {
        append(UInt32(4))
        append(UInt32(bitPattern: value))
    }

    /// A `bigint` column.
    public func add(_ value: Int64) {
        append(UInt32(8))
        append(UInt64(bitPattern: value))
    }

    /// A `double precision` column; the bits are kept.
    public func add(_ value: Double) {
        append(UInt32(8))
        append(value.bitPattern)
    }

    /// A `real` column.
    public func add(_ value: Float) {
        append(UInt32(4))
        append(value.bitPattern)
    }

    /// A `timestamptz` column from milliseconds since 1970; what Postgres cannot hold becomes the nearest that it can.
    public func add(millis: Int64) {
        append(UInt32(8))
        append(UInt64(bitPattern: (PostgresTime.clamped(millis) - PostgresTime.epochMillis) * 1_000))
    }

    /// A text or bytea column.
    public func add(bytes: ArraySlice<UInt8>) {
        guard appendLength(bytes.count) else { return }
        unsafe bytes.withUnsafeBytes { unsafe append($0) }
    }

    /// A text or bytea column.
    public func add(bytes: [UInt8]) { add(bytes: bytes[...]) }

    /// A text column.
    public func add(_ text: String) {
        var text = text
        text.withUTF8 { utf8 in
            guard appendLength(utf8.count) else { return }
            unsafe append(UnsafeRawBufferPointer(utf8))
        }
    }

    /// A jsonb column from its text.
    public func add(jsonb text: ArraySlice<UInt8>) {
        guard appendLength(text.count + 1) else { return }
        append(UInt8(1))  // the version of jsonb's binary form
        unsafe text.withUnsafeBytes { unsafe append($0) }
    }

    /// A `numeric` column from minor units: 1230 with 2 places is 12.30.
    public func add(minorUnits: Int64, places: Int) {
        // Postgres counts in groups of four decimal digits, aligned at the point.
        let fractionGroups = (places + 3) / 4
        var rest = minorUnits.magnitude
        var groups: InlineArray<10, UInt16> = .init(repeating: 0)  // lowest first
        var count = 0
        if fractionGroups * 4 > places, rest > 0 {
            // The lowest group has fewer digits of its own; zeros follow them.
            let (own, zeros): (UInt64, UInt64) =
                switch places % 4 {
                case 1: (10, 1_000)
                case 2: (100, 100)
                default: (1_000, 10)
                }
            groups[0] = UInt16(rest % own * zeros)
            rest /= own
            count = 1
        }
        while rest > 0 {
            groups[count] = UInt16(rest % 10_000)
            rest /= 10_000
            count += 1
        }
        var skipped = 0
        while skipped < count, groups[skipped] == 0 { skipped += 1 }
        let digits = count - skipped
        append(UInt32(8 + 2 * digits))
        append(UInt16(digits))
        append(UInt16(bitPattern: Int16(digits == 0 ? 0 : count - 1 - fractionGroups)))
        append(UInt16(minorUnits < 0 ? 0x4000 : 0))
        append(UInt16(places))
        var index = count
        while index > skipped {
            index -= 1
            append(groups[index])
        }
    }

    /// The rows with the format's end behind them, which the buffer itself does not keep.
    func withFinishedBytes<Value, Failure: Error>(
        _ body: (UnsafeBufferPointer<CChar>) throws(Failure) -> Value
    ) throws(Failure) -> Value {
        reserve(2)
        unsafe base.storeBytes(of: UInt16.max, toByteOffset: length, as: UInt16.self)
        return try unsafe body(UnsafeBufferPointer(start: base.assumingMemoryBound(to: CChar.self), count: length + 2))
    }

    /// The length of a value; false where it is too large, and NULL was written.
    private func appendLength(_ count: Int) -> Bool {
        guard count <= Self.valueBytesMax else {
            oversizedBytes = count
            addNull()
            return false
        }
        append(UInt32(count))
        return true
    }

    private func append<Number: FixedWidthInteger & BitwiseCopyable>(_ value: Number) {
        let size = MemoryLayout<Number>.size
        reserve(size)
        unsafe base.storeBytes(of: value.bigEndian, toByteOffset: length, as: Number.self)
        length += size
    }

    private func append(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress, bytes.count > 0 else { return }
        reserve(bytes.count)
        unsafe memcpy(base + length, source, bytes.count)
        length += bytes.count
    }

    private func reserve(_ more: Int) {
        guard length + more > capacity else { return }
        let larger = max(capacity * 2, length + more)
        let room = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 16)
        unsafe memcpy(room, base, length)
        unsafe base.deallocate()
        unsafe base = room
        capacity = larger
    }
}
