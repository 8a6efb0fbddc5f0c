import TestSupport
import Testing

@testable import KafkaBroker

@Suite struct SparseIndexTests {
    @Test(arguments: UInt64(1)...5)
    func `answers as if it looked at every batch`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var index = SparseIndex()
        var batches: [(offset: UInt32, position: Int, time: Int64)] = []
        var (offset, position, latest) = (UInt32(0), 0, Int64(-1))
        for _ in 0..<2_000 {
            let time = Int64.random(in: 0...10_000, using: &random)
            index.note(offset: offset, position: position, earlierMaxTimestamp: latest)
            batches.append((offset, position, time))
            latest = max(latest, time)
            offset += UInt32.random(in: 1...50, using: &random)
            position += Int.random(in: 61...9_000, using: &random)
        }
        for _ in 0..<2_000 {
            let wanted = UInt32.random(in: 0...offset, using: &random)
            let start = index.position(forOffset: wanted)
            let holder = batches.last { $0.offset <= wanted }?.position ?? 0
            #expect(start <= holder && holder - start < SparseIndex.interval + 9_000)
            let time = Int64.random(in: 0...10_000, using: &random)
            let first = batches.first { $0.time >= time }?.position
            if let first { #expect(index.position(forTime: time) <= first) }
            let place = Int.random(in: 0...position, using: &random)
            let boundary = index.boundary(atMost: place) ?? 0
            #expect(boundary <= place && batches.contains { $0.position == boundary })
        }
        #expect(SparseIndex.decode(index.encoded()) == index)
        #expect(SparseIndex.decode(Array(index.encoded().dropLast())) == nil)
    }
}
