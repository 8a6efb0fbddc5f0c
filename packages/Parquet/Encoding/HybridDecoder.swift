/// Reads what `HybridEncoder` describes, any number of values at a time, from bytes that nobody vouches for. A run may claim to be
/// as long as it likes: nothing is made of it before it is asked for.
struct HybridDecoder {
    private let width: Int  // bits a value, 0...32
    private var cursor: Int  // of the next run or, inside packed groups, of the first byte not used up
    private let end: Int
    private var runLeft: UInt64 = 0
    private var repeated: UInt32?  // nil inside packed groups
    private var bit = 0  // in the byte at the cursor

    /// Reads the bytes of a range.
    init(_ range: Range<Int>, width: Int) throws(PageError) {
        guard (0...32).contains(width) else { throw .damaged("\(width) bits a value") }
        self.width = width
        (cursor, end) = (range.lowerBound, range.upperBound)
    }

    /// Appends the next `count` values. `bytes` are those that the range is of.
    mutating func read(_ count: Int, of bytes: [UInt8], into values: inout [UInt32]) throws(PageError) {
        var wanted = count
        while wanted > 0 {
            if runLeft == 0 { try startRun(bytes) }
            let taken = Int(min(UInt64(wanted), runLeft))
            if let repeated {
                values.append(contentsOf: repeatElement(repeated, count: taken))
            } else {
                try unpack(taken, bytes, &values)
            }
            runLeft -= UInt64(taken)
            wanted -= taken
        }
    }

    private mutating func startRun(_ bytes: [UInt8]) throws(PageError) {
        var head: UInt64 = 0
        var shift: UInt64 = 0
        while true {
            guard cursor < end else { throw .damaged("there are fewer values than rows") }
            let byte = bytes[cursor]
            cursor += 1
            guard shift < 56 else { throw .damaged("the length of a run has more than 56 bits") }
            head |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { break }
            shift += 7
        }
        guard head > 1 else { throw .damaged("a run of no values") }
        if head & 1 == 1 {
            runLeft = (head >> 1) * 8
            repeated = nil
        } else {
            runLeft = head >> 1
            let size = (width + 7) / 8
            guard size <= end - cursor else { throw .damaged("there are fewer values than rows") }
            var value: UInt64 = 0
            for index in 0..<size { value |= UInt64(bytes[cursor + index]) << UInt64(8 * index) }
            guard value >> UInt64(width) == 0 else { throw .damaged("a repeated value has more than \(width) bits") }
            repeated = UInt32(value)
            cursor += size
        }
    }

    private mutating func unpack(_ count: Int, _ bytes: [UInt8], _ values: inout [UInt32]) throws(PageError) {
        // A writer may leave out the filling of the last group: what counts is that the values asked for are there.
        let (bits, isHuge) = count.multipliedReportingOverflow(by: width)
        guard !isHuge, bits <= (end - cursor) * 8 - bit else { throw .damaged("there are fewer values than rows") }
        let mask = (UInt64(1) << UInt64(width)) - 1
        var (at, shift) = (cursor, bit)
        bytes.withUnsafeBytes { raw in
            for _ in 0..<count {
                var word: UInt64 = 0
                if at + 8 <= end {
                    word = UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: at, as: UInt64.self))
                } else {
                    for index in at..<end { word |= UInt64(raw[index]) << UInt64(8 * (index - at)) }
                }
                values.append(UInt32(truncatingIfNeeded: word >> UInt64(shift) & mask))
                shift += width
                at += shift >> 3
                shift &= 7
            }
        }
        (cursor, bit) = (at, shift)
    }
}
