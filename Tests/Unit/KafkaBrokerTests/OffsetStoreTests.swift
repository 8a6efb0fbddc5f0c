import TestSupport
import Testing

@testable import KafkaBroker

@Suite struct OffsetStoreTests {
    static func position(_ offset: Int64, _ metadata: String = "") -> CommittedOffset {
        CommittedOffset(offset: offset, leaderEpoch: 3, metadata: metadata, committedMillis: 99)
    }

    @Test func `positions, notes and generations outlive the broker`() throws {
        let folder = try TestEnvironment.temporaryFolder("offsets")
        var store = try OffsetStore(folder: folder)
        let a = TopicPartition(topic: "a", partition: 0)
        let b = TopicPartition(topic: "b", partition: 7)
        try store.commit("g", [(a, Self.position(5)), (b, Self.position(6, "a note, é"))])
        try store.commit("g", [(a, Self.position(8))])
        try store.commit("h", [(a, Self.position(1))])
        try store.note("g", GroupRecord(generation: 4, protocolType: "consumer", changedMillis: 12))
        try store.forget("h", [a])
        let again = try OffsetStore(folder: folder)
        #expect(again.offsets == store.offsets)
        #expect(again.groups == store.groups)
        #expect(again.offsets["g"] == [a: Self.position(8), b: Self.position(6, "a note, é")])
        #expect(again.offsets["h"] == [:])
        #expect(again.bytesDropped == 0)
    }

    @Test func `cut at any byte, what was whole is there`() throws {
        let folder = try TestEnvironment.temporaryFolder("offsets")
        var store = try OffsetStore(folder: folder)
        let a = TopicPartition(topic: "a", partition: 0)
        var ends = [0]
        for offset in Int64(1)...5 {
            try store.commit("g", [(a, Self.position(offset))])
            ends.append(store.size)
        }
        let bytes = try #require(try Files.contents(folder + "/" + OffsetStore.fileName))
        for cut in 0...bytes.count {
            let file = try LogFile(path: folder + "/" + OffsetStore.fileName, create: true)
            try file.truncate(to: 0)
            try file.write(bytes.prefix(cut), at: 0)
            var again = try OffsetStore(folder: folder)
            let whole = ends.filter { $0 <= cut }.count - 1
            #expect(again.offsets["g"]?[a]?.offset == (whole == 0 ? nil : Int64(whole)), "cut at \(cut)")
            try again.commit("g", [(a, Self.position(77))])
            #expect(try OffsetStore(folder: folder).offsets["g"]?[a]?.offset == 77, "cut at \(cut)")
        }
    }

    @Test func `history is thrown away when it is most of the file`() throws {
        let folder = try TestEnvironment.temporaryFolder("offsets")
        var store = try OffsetStore(folder: folder)
        let a = TopicPartition(topic: "a", partition: 0)
        var largest = 0
        for offset in Int64(1)...30_000 {
            try store.commit("g", [(a, Self.position(offset))])
            if let job = store.beginRewrite() {
                try job.run()
                try store.commit("h", [(a, Self.position(offset))])  // While the new file is being written.
                store.endRewrite(job, isWritten: true)
            }
            largest = max(largest, store.size)
        }
        #expect(largest < 2 * OffsetStore.smallestRewrite)
        #expect(store.size < largest)
        let again = try OffsetStore(folder: folder)
        #expect(again.offsets["g"]?[a]?.offset == 30_000)
        #expect(again.offsets == store.offsets && again.size == store.size && again.bytesDropped == 0)
    }

    @Test func `a rewriting that fails leaves the old file in use`() throws {
        let folder = try TestEnvironment.temporaryFolder("offsets")
        var store = try OffsetStore(folder: folder)
        let a = TopicPartition(topic: "a", partition: 0)
        var offset: Int64 = 0
        while store.size < OffsetStore.smallestRewrite {
            offset += 1
            try store.commit("g", [(a, Self.position(offset))])
        }
        let begun = store.beginRewrite()
        let job = try #require(begun)
        let second = store.beginRewrite()
        #expect(second == nil, "one at a time")
        store.endRewrite(job, isWritten: false)
        try store.commit("g", [(a, Self.position(offset + 1))])
        #expect(try OffsetStore(folder: folder).offsets == store.offsets)
        #expect(store.offsets["g"]?[a]?.offset == offset + 1)
    }

    @Test(arguments: UInt64(1)...5)
    func `what is live is counted as it would be written`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var store = try OffsetStore(folder: try TestEnvironment.temporaryFolder("offsets"))
        for _ in 0..<300 {
            let group = "g\(Int.random(in: 0..<4, using: &random))"
            let place = TopicPartition(topic: "topic-\(Int.random(in: 0..<3, using: &random))", partition: 1)
            switch Int.random(in: 0..<10, using: &random) {
            case 0: try store.forget(group: group)
            case 1: try store.forget(group, [place, place])
            case 2: try store.note(group, GroupRecord(generation: 1, protocolType: "consumer"))
            default:
                let note = String(repeating: "é", count: Int.random(in: 0..<9, using: &random))
                try store.commit(group, [(place, Self.position(Int64.random(in: 0..<9, using: &random), note))])
            }
            #expect(store.liveSize == store.rewritten.count)
        }
    }

    @Test func `a deleted group leaves nothing`() throws {
        let folder = try TestEnvironment.temporaryFolder("offsets")
        var store = try OffsetStore(folder: folder)
        try store.commit("g", [(TopicPartition(topic: "a", partition: 0), Self.position(5))])
        try store.note("g", GroupRecord(generation: 4))
        try store.forget(group: "g")
        let again = try OffsetStore(folder: folder)
        #expect(again.offsets.isEmpty && again.groups.isEmpty)
    }
}
