public import FeatureEngine

/// Which partition of a topic an entity lies in: the one of its key by the hash that the topic's producers use, so that one key is
/// on one partition, and the state of an entity is looked for where its events were.
public enum EntityPlacement {
    /// The partition of a key among `partitionCount`, which is at least 1: Java's `toPositive(murmur2(key)) % n`, or librdkafka's
    /// `crc32(key) % n`.
    public static func partition(
        of key: Span<UInt8>, among partitionCount: Int, by partitioner: Partitioner
    ) -> Int32 {
        switch partitioner {
        case .murmur2: return Int32(murmur2(key) & 0x7fff_ffff) % Int32(partitionCount)
        case .consistent:
            var crc = CRC32()
            crc.combine(key)
            return Int32(crc.value % UInt32(partitionCount))
        }
    }

    /// The partition of a key given as an array.
    public static func partition(of key: [UInt8], among partitionCount: Int, by partitioner: Partitioner) -> Int32 {
        partition(of: key.span, among: partitionCount, by: partitioner)
    }

    /// The partition of a key given as text: its UTF-8 bytes.
    public static func partition(of key: String, among partitionCount: Int, by partitioner: Partitioner) -> Int32 {
        partition(of: Array(key.utf8), among: partitionCount, by: partitioner)
    }

    /// Austin Appleby's MurmurHash2, 32 bits, seed 0x9747b28c, signed, as Java's `Utils.murmur2` gives it.
    static func murmur2(_ key: Span<UInt8>) -> Int32 {
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
}
