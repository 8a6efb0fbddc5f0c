import FeatureEngine
import FeatureStore
import StreamRecovery
import TestSupport
import Testing

@testable import FeatureTransformer

@Suite struct OnlineEntitiesTests {
    let repository: FeatureRepository
    let source: SourceSchema
    let view: StreamView
    let store = MemoryOnlineStore()
    let watermark = Watermark(generation: 3, nextOffset: 10, target: 10)

    init() throws {
        repository = try FeatureRepository.load(
            directory: TestEnvironment.packageRoot + "/feature_repo", environment: [:])
        source = try #require(repository.source(named: "transactions"))
        view = try #require(repository.view(named: "card_activity"))
        store.values["wm"] = watermark.bytes
    }

    private func entities() -> OnlineEntities {
        OnlineEntities(ViewFeed.feeds(of: [view])[0], project: repository.project, hash8: repository.hash8)
    }

    private func key(_ entity: String) -> String {
        OnlineKeys.blob(project: repository.project, view: view.name, hash8: repository.hash8, entity: entity)
    }

    private func load(_ entities: inout OnlineEntities, _ names: [String]) throws -> [ByteString] {
        for name in names { _ = entities.place(of: Array(name.utf8).span) }
        return try entities.load(watermarkKey: "wm", generation: 3, from: 10, next: 10, store: store).lost
    }

    private func blob(generation: UInt64, offset: Int64) -> [UInt8] {
        var bytes: [UInt8] = []
        EntityState(view, generation: generation, offset: offset).encode(into: &bytes)
        return bytes
    }

    @Test func `two spellings of one letter are two entities`() {
        var entities = entities()
        let composed = entities.place(of: Array("caf\u{e9}".utf8).span)
        let decomposed = entities.place(of: Array("cafe\u{301}".utf8).span)
        #expect(composed != decomposed)
        #expect(entities.place(of: Array("caf\u{e9}".utf8).span) == composed)
    }

    @Test func `an entity without a blob is new, unless it has events: then its blob is lost`() throws {
        var entities = entities()
        entities.note(key: FNV1a64.hash("known".utf8), at: 4)
        entities.note(key: FNV1a64.hash("stale".utf8), at: 2)
        entities.note(key: FNV1a64.hash("later".utf8), at: 10)
        store.values[ByteString(key("stale"))] = blob(generation: 2, offset: 9)
        store.values[ByteString(key("kept"))] = blob(generation: 3, offset: 9)
        #expect(try load(&entities, ["known", "new", "stale", "kept", "later"]) == ["known", "stale"])
    }

    @Test func `whatever byte of a blob is changed, cut or added, it is gone on from only if it is whole`() throws {
        let good = blob(generation: 3, offset: 9)
        var damaged: [[UInt8]] = [[], Array("x".utf8), Array(good.dropLast()), good + [0]]
        for index in good.indices {
            for bit in 0..<8 {
                var bytes = good
                bytes[index] ^= 1 << bit
                damaged.append(bytes)
            }
        }
        for bytes in damaged {
            var entities = entities()
            entities.note(key: FNV1a64.hash("card".utf8), at: 4)
            store.values[ByteString(key("card"))] = bytes
            #expect(try load(&entities, ["card"]) == ["card"], "computed from Postgres: \(bytes.prefix(24))")
            // Nothing of it is in the way of the owner's own write, below whatever position the damage claims.
            let own = blob(generation: 3, offset: 10)
            #expect(store.write([(key("card"), own)]) == .accepted)
            #expect(store.values[ByteString(key("card"))] == own)
        }
    }

    @Test func `a blob that is ahead asks for a rebuild above it`() throws {
        for (generation, offset) in [(UInt64(3), Int64(10)), (7, 1)] {
            var entities = entities()
            store.values[ByteString(key("card"))] = blob(generation: generation, offset: offset)
            let failure = #expect(throws: StepError.self) { try load(&entities, ["card"]) }
            #expect(failure?.failure == .unusable(generation: generation))
        }
    }

    @Test func `where very many blobs are gone everything is made again`() throws {
        var entities = entities()
        let names = (0...OnlineEntities.lostMax).map { "card-\($0)" }
        for name in names { entities.note(key: FNV1a64.hash(name.utf8), at: 1) }
        let failure = #expect(throws: StepError.self) { try load(&entities, names) }
        #expect(failure?.failure == .unusable(generation: 3))
    }

    @Test func `under another watermark no blob means anything`() throws {
        var entities = entities()
        store.values["wm"] = Watermark(generation: 4, nextOffset: 0, target: 10).bytes
        entities.note(key: FNV1a64.hash("card".utf8), at: 1)
        #expect(try load(&entities, ["card"]).isEmpty)
        store.values["wm"] = Array("garbage".utf8)
        #expect(try entities.load(watermarkKey: "wm", generation: 3, from: 10, next: 10, store: store).mark == nil)
    }
}
