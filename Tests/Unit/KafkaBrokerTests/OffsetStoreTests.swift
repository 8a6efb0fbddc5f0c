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
            try store.rewriteIfWorthwhile()
            largest = max(largest, store.size)
        }
        #expect(largest < 2 * OffsetStore.smallestRewrite)
        #expect(store.size < largest)
        #expect(try OffsetStore(folder: folder).offsets["g"]?[a]?.offset == 30_000)
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
