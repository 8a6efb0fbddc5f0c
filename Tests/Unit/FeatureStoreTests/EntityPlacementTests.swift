import FeatureEngine
import Testing

@testable import FeatureStore

@Suite struct EntityPlacementTests {
    @Test func `places keys where Java's producer does`() {
        let keys = ["fd7af248-ce5c-46a5-93d7-1c0c9005b99d", "4992346398065154184", "é"]
        #expect(keys.map { EntityPlacement.partition(of: $0, among: 32, by: .murmur2) } == [26, 19, 7])
        #expect(keys.map { EntityPlacement.partition(of: $0, among: 4, by: .murmur2) } == [2, 3, 3])
    }

    @Test func `places keys where librdkafka does by default`() {
        // zlib.crc32(key) % n
        let keys = ["fd7af248-ce5c-46a5-93d7-1c0c9005b99d", "4992346398065154184", "é"]
        #expect(keys.map { EntityPlacement.partition(of: $0, among: 32, by: .consistent) } == [23, 4, 30])
        #expect(keys.map { EntityPlacement.partition(of: $0, among: 4, by: .consistent) } == [3, 0, 2])
    }

    @Test func `gives Java's published hashes for every length of the rest`() {
        // From the unit test of Kafka's own Utils.murmur2.
        let known: [(String, Int32)] = [
            ("21", -973_932_308), ("foobar", -790_332_482), ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971), ("abc", 479_470_107),
        ]
        for (text, hash) in known { #expect(EntityPlacement.murmur2(Array(text.utf8).span) == hash, "\(text)") }
    }
}
