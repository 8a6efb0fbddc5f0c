/// Unpacks snappy, as Kafka's clients write it: one raw block, or the frames of Java's `SnappyOutputStream` (a magic of
/// eight bytes, two versions, and then each block behind its length).
public enum Snappy {
    private static let magic: [UInt8] = [0x82, 0x53, 0x4E, 0x41, 0x50, 0x50, 0x59, 0x00]

    /// The bytes, or nil when they are not snappy, or are more than `limit`.
    public static func unpack(_ bytes: ArraySlice<UInt8>, limit: Int) -> [UInt8]? {
        var output = UnpackedBytes(limit: limit)
        guard bytes.starts(with: magic) else { return block(bytes, &output) ? output.finished() : nil }
        var input = PackedBytes(bytes.dropFirst(magic.count))
        guard input.take(8) != nil else { return nil }
        while !input.isAtEnd {
            guard let length = input.big(), let packed = input.take(length), block(packed, &output) else { return nil }
        }
        return output.finished()
    }

    /// One block: its length when unpacked, then literals and repetitions.
    private static func block(_ bytes: ArraySlice<UInt8>, _ output: inout UnpackedBytes) -> Bool {
        var input = PackedBytes(bytes)
        guard let wanted = length(&input) else { return false }
        let start = output.count
        while !input.isAtEnd {
            guard let tag = input.byte() else { return false }
            let isGood: Bool
            switch tag & 3 {
            case 0:
                var length = tag >> 2
                if length >= 60 {
                    guard let long = input.little(length - 59) else { return false }
                    length = long
                }
                guard let literal = input.take(length + 1) else { return false }
                isGood = output.append(literal)
            case 1:
                guard let low = input.byte() else { return false }
                isGood = output.repeat(distance: (tag >> 5) << 8 | low, length: (tag >> 2 & 7) + 4, since: start)
            default:
                guard let distance = input.little(tag & 3 == 2 ? 2 : 4) else { return false }
                isGood = output.repeat(distance: distance, length: (tag >> 2) + 1, since: start)
            }
            guard isGood, output.count - start <= wanted else { return false }
        }
        return output.count - start == wanted
    }

    /// An unsigned variable-length number of at most 32 bits.
    private static func length(_ input: inout PackedBytes) -> Int? {
        var value = 0
        for shift in stride(from: 0, through: 28, by: 7) {
            guard let byte = input.byte() else { return nil }
            value |= (byte & 0x7F) << shift
            if byte < 0x80 { return value <= Int(UInt32.max) ? value : nil }
        }
        return nil
    }
}
