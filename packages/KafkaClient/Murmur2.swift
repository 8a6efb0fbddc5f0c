/// The hash by which Java's producer places keys (Austin Appleby's MurmurHash2, 32 bits, seed 0x9747b28c), so that every
/// client puts one key on one partition.
public enum Murmur2 {
    /// The signed 32-bit hash, as Java's `Utils.murmur2` gives it.
    public static func hash(_ key: Span<UInt8>) -> Int32 {
        let multiplier: UInt32 = 0x5bd1_e995
        var hash = 0x9747_b28c ^ UInt32(truncatingIfNeeded: key.count)
        var index = 0
        while index + 4 <= key.count {
            var word =
                UInt32(key[index]) | UInt32(key[index + 1]) << 8 | UInt32(key[index + 2]) << 16
                | UInt32(key[index + 3]) << 24
            word = word &* multiplier
            word ^= word >> 24
            word = word &* multiplier
            hash = (hash &* multiplier) ^ word
            index += 4
        }
        let rest = key.count - index
        if rest == 3 { hash ^= UInt32(key[index + 2]) << 16 }
        if rest >= 2 { hash ^= UInt32(key[index + 1]) << 8 }
        if rest >= 1 { hash = (hash ^ UInt32(key[index])) &* multiplier }
        hash ^= hash >> 13
        hash = hash &* multiplier
        hash ^= hash >> 15
        return Int32(bitPattern: hash)
    }

    /// The partition of a key among `partitionCount`: Java's `toPositive(murmur2(key)) % n`.
    public static func partition(key: Span<UInt8>, partitionCount: Int) -> Int32 {
        Int32(hash(key) & 0x7fff_ffff) % Int32(partitionCount)
    }

    /// The partition of a key given as an array.
    public static func partition(key: [UInt8], partitionCount: Int) -> Int32 {
        partition(key: key.span, partitionCount: partitionCount)
    }

    /// The partition of a key given as text: its UTF-8 bytes.
    public static func partition(key: String, partitionCount: Int) -> Int32 {
        partition(key: Array(key.utf8), partitionCount: partitionCount)
    }
}
