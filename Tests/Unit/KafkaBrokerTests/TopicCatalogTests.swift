import Glibc
import KafkaProtocol
import TestSupport
import Testing

@testable import KafkaBroker

@Suite struct TopicCatalogTests {
    static func open(_ folder: String) throws -> (TopicCatalog, [TopicCatalog.Finding]) {
        var findings: [TopicCatalog.Finding] = []
        let catalog = try TopicCatalog(folder: folder, nowMillis: 0) { findings.append($0) }
        return (catalog, findings)
    }

    @Test func `topics, partitions and configurations outlive the broker`() throws {
        let folder = try TestEnvironment.temporaryFolder("catalog")
        var (catalog, _) = try Self.open(folder)
        var config = TopicConfig()
        #expect(config.set("retention.ms", "1234") == nil)
        let topic = try catalog.create(
            "t", id: TopicID(high: 1, low: 2), partitionCount: 2, config: config, nowMillis: 0)
        try LogFixture.append([(1, "a")], to: topic.partitions[1])
        try catalog.addPartitions(topic, to: 3, nowMillis: 0)
        try catalog.save()
        let (again, findings) = try Self.open(folder)
        let same = try #require(again.topics["t"])
        #expect(same.id == topic.id)
        #expect(same.partitions.map(\.end) == [0, 1, 0])
        #expect(same.partitions.map(\.leaderEpoch) == [0, 0, 0])
        #expect(same.partitions[0].limits.retentionMillis == 1_234)
        #expect(findings == [])
    }

    @Test func `a topic made again is another topic and starts empty`() throws {
        let folder = try TestEnvironment.temporaryFolder("catalog")
        var (catalog, _) = try Self.open(folder)
        let first = try catalog.create(
            "t", id: TopicID(high: 1, low: 1), partitionCount: 1, config: .init(), nowMillis: 0)
        try LogFixture.append([(1, "old")], to: first.partitions[0])
        try catalog.save()
        catalog.delete("t")
        try catalog.save()
        let second = try catalog.create(
            "t", id: TopicID(high: 2, low: 2), partitionCount: 1, config: .init(), nowMillis: 0)
        #expect(second.partitions[0].end == 0)
        #expect(second.partitions[0].leaderEpoch > first.partitions[0].leaderEpoch, "readers of the first can tell")
        try catalog.save()
        TopicCatalog.removeDeleted(folder: folder)
        #expect(try Files.list(folder).sorted() == ["t-0", "topics.json"])
        #expect(try Self.open(folder).0.topics["t"]?.id == TopicID(high: 2, low: 2))
    }

    @Test func `a folder that was left behind is not taken for the new topic's`() throws {
        let folder = try TestEnvironment.temporaryFolder("catalog")
        var (catalog, _) = try Self.open(folder)
        let first = try catalog.create(
            "t", id: TopicID(high: 1, low: 1), partitionCount: 1, config: .init(), nowMillis: 0)
        try LogFixture.append([(1, "old")], to: first.partitions[0])
        try catalog.save()
        catalog.delete("t")
        try catalog.save()
        // As if the broker had died before it moved the folder away.
        let moved = try #require(try Files.list(folder).first { $0.hasSuffix(TopicCatalog.deletedSuffix) })
        try Files.move(folder + "/" + moved, to: folder + "/t-0")
        var (again, _) = try Self.open(folder)
        #expect(again.topics.isEmpty)
        let second = try again.create(
            "t", id: TopicID(high: 2, low: 2), partitionCount: 1, config: .init(), nowMillis: 0)
        #expect(second.partitions[0].end == 0)
    }

    @Test func `a log that is gone gets a new leader epoch and is told`() throws {
        let folder = try TestEnvironment.temporaryFolder("catalog")
        var (catalog, _) = try Self.open(folder)
        _ = try catalog.create("t", id: TopicID(high: 1, low: 1), partitionCount: 2, config: .init(), nowMillis: 0)
        try catalog.save()
        Files.removeFolder(folder + "/t-1")
        var (again, findings) = try Self.open(folder)
        #expect(again.topics["t"]?.partitions.map(\.leaderEpoch) == [0, 1])
        #expect(findings.map(\.lostRecords) == [true])
        (again, findings) = try Self.open(folder)
        #expect(again.topics["t"]?.partitions.map(\.leaderEpoch) == [0, 1], "once")
        #expect(findings == [])
    }

    @Test func `a catalog that cannot be read stops the broker with its path`() throws {
        let folder = try TestEnvironment.temporaryFolder("catalog")
        try Files.replace(folder + "/" + TopicCatalog.fileName, with: Array("[{".utf8))
        #expect { try Self.open(folder) } throws: { "\($0)".contains(TopicCatalog.fileName) }
    }

    @Test func `the epoch at which a topic begins again outlives the broker; what was not saved does not`() throws {
        let folder = try TestEnvironment.temporaryFolder("catalog")
        var (catalog, _) = try Self.open(folder)
        var random = SeededRandom(seed: 4)
        func make(_ name: String, in catalog: inout TopicCatalog) throws -> Topic {
            try catalog.create(
                name, id: TopicID.random(using: &random), partitionCount: 1, config: .init(), nowMillis: 0)
        }
        for round in Int32(0)..<3 {
            #expect(try make("t", in: &catalog).partitions[0].leaderEpoch == round)
            try catalog.save()
            catalog.delete("t")
            try catalog.save()
            (catalog, _) = try Self.open(folder)
            #expect(catalog.topics.isEmpty && catalog.partitionCount == 0)
        }
        _ = try make("a.b", in: &catalog)
        #expect(catalog.collision(with: "a_b") == "a.b")
        #expect(try Self.open(folder).0.topics.isEmpty)
    }

    @Test func `when the disk does not take a change, nothing has changed`() throws {
        let folder = try TestEnvironment.temporaryFolder("catalog")
        var (catalog, _) = try Self.open(folder)
        let kept = try catalog.create(
            "kept", id: TopicID(high: 1, low: 1), partitionCount: 2, config: .init(), nowMillis: 0)
        try catalog.save()
        try Files.makeFolder(folder + "/" + TopicCatalog.fileName + ".tmp")  // Where the next version would be written.
        _ = try catalog.create("new", id: TopicID(high: 2, low: 2), partitionCount: 3, config: .init(), nowMillis: 0)
        try catalog.addPartitions(kept, to: 5, nowMillis: 0)
        var config = TopicConfig()
        #expect(config.set("retention.ms", "5") == nil)
        catalog.setConfig(kept, config)
        #expect(throws: LogError.self) { try catalog.save() }
        #expect(catalog.topics.keys.sorted() == ["kept"])
        #expect(catalog.partitionCount == 2 && kept.partitions.count == 2 && kept.config == .init())
        catalog.delete("kept")
        #expect(throws: LogError.self) { try catalog.save() }
        #expect(catalog.topics["kept"] === kept && Files.exists(kept.partitions[0].folder))
    }

    @Test func `folders and files are their owner's alone`() throws {
        let folder = try TestEnvironment.temporaryFolder("catalog") + "/data"
        try Files.makeFolder(folder)
        var (catalog, _) = try Self.open(folder)
        let topic = try catalog.create(
            "t", id: TopicID(high: 1, low: 1), partitionCount: 1, config: .init(), nowMillis: 0)
        try catalog.save()
        try LogFixture.append([(1, "a card's number")], to: topic.partitions[0])
        try topic.partitions[0].flushNow()
        _ = try OffsetStore(folder: folder)
        for name in [""] + (try Files.list(folder)) + (try Files.list(folder + "/t-0").map { "t-0/" + $0 }) {
            var info = stat()
            #expect(stat(folder + "/" + name, &info) == 0)
            #expect(info.st_mode & 0o077 == 0, "\(name)")
        }
    }

    @Test(arguments: [
        ("cleanup.policy", "compact", false), ("cleanup.policy", "delete", true), ("retention.ms", "-1", true),
        ("retention.ms", "-2", false), ("retention.ms", "x", false), ("retention.bytes", "100", true),
        ("message.timestamp.type", "LogAppendTime", false), ("message.timestamp.type", "CreateTime", true),
        ("compression.type", "gzip", false), ("min.insync.replicas", "2", false), ("no.such.config", "1", false),
        ("segment.bytes", "1048576", true), ("segment.bytes", "3", false), ("max.message.bytes", "1000", true),
    ])
    func `a configuration is checked before it is taken`(name: String, value: String, good: Bool) {
        var config = TopicConfig()
        #expect((config.set(name, value) == nil) == good)
        #expect(config.overrides.isEmpty == !good)
    }

    @Test(arguments: [
        ("transactions", true), ("a.b_c-9", true), ("", false), (".", false), ("..", false), ("a b", false),
        ("é", false),
        ("a/b", false), (String(repeating: "x", count: 249), true), (String(repeating: "x", count: 250), false),
    ])
    func `topic names are those of Kafka`(name: String, good: Bool) {
        #expect((TopicName.complaint(name) == nil) == good)
    }

    @Test func `dots and underscores collide`() {
        #expect(TopicName.family("a.b") == TopicName.family("a_b"))
        #expect(TopicName.family("a.b") != TopicName.family("a-b"))
    }

    @Test func `an id comes back from its text`() {
        var random = SeededRandom(seed: 3)
        for _ in 0..<50 {
            let id = TopicID.random(using: &random)
            #expect(id.text.count == 22)
            #expect(TopicID(text: id.text) == id)
        }
        #expect(TopicID(text: "short") == nil)
    }
}
