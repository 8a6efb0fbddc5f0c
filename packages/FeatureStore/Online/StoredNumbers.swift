private import CCRC32C

/// What the small values of the online store have in common: numbers of 64 bits, big-endian, and a CRC-32C of them behind. A CRC of
/// 32 bits finds every damage that lies within 32 bits in a row, so every changed byte; what was cut has another length.
enum StoredNumbers {
    /// Bytes of the checksum.
    static let checksumSize = 4

    /// The stored form of numbers.
    static func bytes(_ numbers: [UInt64]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(numbers.count * 8 + checksumSize)
        for number in numbers {
            for shift in stride(from: 56, through: 0, by: -8) {
                bytes.append(UInt8(truncatingIfNeeded: number >> UInt64(shift)))
            }
        }
        let sum = checksum(bytes.span, bytes.count)
        for shift in stride(from: 24, through: 0, by: -8) {
            bytes.append(UInt8(truncatingIfNeeded: sum >> UInt32(shift)))
        }
        return bytes
    }

    /// Whether these are so many numbers and their checksum.
    static func isIntact(_ bytes: Span<UInt8>, count: Int) -> Bool {
        guard bytes.count == count * 8 + checksumSize else { return false }
        var sum: UInt32 = 0
        for index in count * 8..<bytes.count { sum = sum << 8 | UInt32(bytes[index]) }
        return sum == checksum(bytes, count * 8)
    }

    /// One of the numbers of an intact value.
    static func number(_ index: Int, of bytes: Span<UInt8>) -> UInt64 {
        var number: UInt64 = 0
        for place in index * 8..<index * 8 + 8 { number = number << 8 | UInt64(bytes[place]) }
        return number
    }

    private static func checksum(_ bytes: Span<UInt8>, _ count: Int) -> UInt32 {
        bytes.withUnsafeBytes { buffer in
            guard let start = buffer.baseAddress else { return 0 }
            return needletail_crc32c(0, start, count)
        }
    }
}
