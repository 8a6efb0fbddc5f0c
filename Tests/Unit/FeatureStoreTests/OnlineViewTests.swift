import FeatureEngine
import FeatureStore
import TestSupport
import Testing

@Suite struct OnlineViewTests {
    private static let source = SourceSchema(
        name: "tx", topic: "tx",
        fields: [
            Field("id", .string), Field("time", .integer), Field("card", .string), Field("amt", .decimal(places: 2)),
            Field("shop", .string),
        ], eventIDIndex: 0, eventTimeIndex: 1, eventTimeFormat: .unixMillis, keyIndex: 2, label: nil)
    private static let view = StreamView(
        name: "v", entityName: "card", source: source, joinKeyIndex: 2,
        features: [
            WindowFeature(name: "count", function: .count, field: nil, windowMillis: 3_600_000),
            WindowFeature(name: "sum", function: .sum, field: 3, windowMillis: 3_600_000),
            WindowFeature(name: "shops", function: .distinctCount, field: 4, windowMillis: 3_600_000),
            WindowFeature(name: "last", function: .last, field: 4, windowMillis: nil),
        ])
    private static let mark = Watermark(generation: 3, nextOffset: 25, target: 20, newestMillis: 1_700_000_000_000)

    private static func state(generation: UInt64 = 3, events: Int = 5) throws -> EntityState {
        var state = EntityState(view, generation: generation)
        for number in 0..<events {
            var row = SourceRow(source)
            let texts = [
                "\(number)", "\(1_700_000_000_000 + number * 60_000)", "c", "\(number).25", "shop \(number % 3)",
            ]
            for (index, text) in texts.enumerated() { try row.set(index, text: Array(text.utf8).span) }
            try row.finish()
            _ = state.insert(row, offset: Int64(number) * 4)
        }
        return state
    }

    private static func blob(_ state: EntityState) -> [UInt8] {
        var blob: [UInt8] = []
        state.encode(into: &blob)
        return blob
    }

    /// The fault of a blob, or nil when it is read.
    private static func fault(_ blob: [UInt8]?, _ mark: Watermark = mark, before next: Int64? = nil) -> OnlineFault? {
        do throws(OnlineFault) {
            guard let blob else { throw .absent }
            _ = try OnlineView.state(view, blob: blob.span, under: mark, before: next)
            return nil
        } catch {
            return error
        }
    }

    @Test func `a store tells an entity's states with the place they are of`() throws {
        let repository = try FeatureRepository.load(
            directory: TestEnvironment.packageRoot + "/feature_repo", environment: [:])
        let feed = try #require(repository.feeds.first)
        let store = MemoryOnlineStore()
        let nothing = store.states(of: "4", in: feed, repository, partitions: 4)
        #expect(nothing.watermark == nil && nothing.states.count == feed.views.count)
        #expect(nothing.states.allSatisfy { $0 == nil })
        let mark = Watermark(generation: 3, nextOffset: 25)
        #expect(store.plant(nothing.watermarkKey, mark) == .accepted)
        #expect(store.states(of: "4", in: feed, repository, partitions: 4).states.allSatisfy { $0 == nil }, "lost?")
        let view = try #require(feed.views.first)
        var blob: [UInt8] = []
        EntityState(view, generation: 3, offset: 7).encode(into: &blob)
        let key = OnlineKeys.blob(
            project: repository.project, view: view.name, hash8: repository.hash8, entity: "4")
        #expect(store.write([(key, blob)]) == .accepted)
        let found = store.states(of: "4", in: feed, repository, partitions: 4)
        #expect(found.partition == nothing.partition && found.watermark == mark)
        #expect(found.states.first??.offset == 7)
    }

    @Test func `watermark and blob mean one thing to everybody`() throws {
        let blob = Self.blob(try Self.state())
        #expect(Self.fault(blob) == nil)
        #expect(Self.fault(nil) == .absent)
        #expect(Self.fault(blob, Watermark(generation: 4, nextOffset: 0, target: 9)) == .outdated)
        #expect(Self.fault(blob, Watermark(generation: 2, nextOffset: 99)) == .ahead)
        #expect(Self.fault(blob, Watermark(generation: 3, nextOffset: 4)) == nil, "the watermark follows the blobs")
        #expect(Self.fault(blob, before: 17) == nil)
        #expect(Self.fault(blob, before: 16) == .ahead, "the owner knows that nobody wrote it")
        #expect(Self.fault([]) == .unreadable)
        #expect(Self.fault(Self.blob(EntityState(Self.view, generation: 1 << 62, offset: 1))) == .unreadable)
        #expect(Self.fault(Self.blob(EntityState(Self.view, generation: 3, offset: .max))) == .unreadable)
        #expect(Self.fault(Self.blob(EntityState(Self.view, generation: 3, offset: .min))) == .unreadable)
    }

    @Test func `a reader serves what is certain and asks whether an entity without a blob is new`() throws {
        let blob = Self.blob(try Self.state())
        func answer(_ blob: [UInt8]?, _ mark: Watermark?, _ known: KnownEntities.Answer?) -> String {
            let answer =
                blob.map { OnlineView.answer(Self.view, blob: $0.span, under: mark, known: known) }
                ?? OnlineView.answer(Self.view, blob: nil, under: mark, known: known)
            return switch answer {
            case .state(let state): "\(state.count) events at \(state.offset)"
            case .ask: "ask"
            case .missing: "missing"
            }
        }
        #expect(answer(blob, Self.mark, nil) == "5 events at 16")
        #expect(answer(blob, nil, nil) == "missing")
        #expect(answer(blob, Watermark(generation: 3, nextOffset: 19, target: 20), nil) == "missing")
        #expect(answer(nil, Watermark(generation: 3, nextOffset: 19, target: 20), .new) == "missing")
        #expect(answer([1], Self.mark, .new) == "missing")
        #expect(answer(blob, Watermark(generation: 2, nextOffset: 99), .new) == "missing")
        for blob in [nil, Self.blob(try Self.state(generation: 2))] {
            #expect(answer(blob, Self.mark, nil) == "ask")
            #expect(answer(blob, Self.mark, .new) == "0 events at 24")
            #expect(answer(blob, Self.mark, .known) == "missing", "its blob was lost")
            #expect(answer(blob, Self.mark, .absent) == "missing")
            #expect(answer(blob, Watermark(generation: 3, nextOffset: 0), .absent) == "0 events at -1")
        }
    }

    /// Every single-byte damage of a blob: found by its checksum, whatever the byte claims to be.
    @Test func `no damaged blob is served, and none stops the program`() throws {
        let blob = Self.blob(try Self.state())
        for place in blob.indices {
            var damaged = blob
            for value in UInt8.min...UInt8.max where value != blob[place] {
                damaged[place] = value
                if let fault = Self.fault(damaged), fault == .unreadable { continue }
                Issue.record("byte \(place) as \(value) is believed")
            }
        }
        for count in 0..<blob.count { #expect(Self.fault(Array(blob.prefix(count))) == .unreadable) }
        for byte in [UInt8(0), 1, 255] { #expect(Self.fault(blob + [byte]) == .unreadable) }
    }

    /// Every single-byte damage of a watermark: nothing is served under it, and it keeps no owner from going on.
    @Test func `a damaged watermark is seen by readers, and gives way to its owner`() throws {
        let blob = Self.blob(try Self.state())
        for place in 0..<Watermark.size {
            for value in UInt8.min...UInt8.max where value != Self.mark.bytes[place] {
                var damaged = Self.mark.bytes
                damaged[place] = value
                let mark = Watermark(bytes: damaged)
                guard case .missing = OnlineView.answer(Self.view, blob: blob.span, under: mark) else {
                    Issue.record("byte \(place) as \(value) is believed")
                    continue
                }
                let store = MemoryOnlineStore()
                store.values["wm"] = damaged
                #expect(store.move("wm", from: Self.mark, to: Self.mark.moved(to: 30, newestMillis: 1)) == .overtaken)
                let planted = Watermark(generation: 4, nextOffset: 0, target: 25)
                #expect(store.plant("wm", planted) == .accepted)
                #expect(store.read(watermarkKey: "wm", blobKeys: []).0 == planted)
            }
        }
    }

    /// Every damaged byte of the filter: a bit too many makes a new entity unknown, a bit too few is only asked of an entity
    /// whose blob is lost, and another length is no filter. What has a blob is served as it is.
    @Test func `a damaged filter of known entities makes no wrong answer by itself`() throws {
        let blob = Self.blob(try Self.state())
        let (known, new) = (ByteString("c"), ByteString("new card"))
        var filter = KnownEntities(room: 8)
        _ = filter.insert(known)
        let store = MemoryOnlineStore()
        func check(_ damaged: [UInt8], isCut: Bool) {
            store.values["known"] = damaged
            let ofKnown = store.known(known.bytes.span, key: "known")
            let ofNew = store.known(new.bytes.span, key: "known")
            guard case .state(let state) = OnlineView.answer(Self.view, blob: blob.span, under: Self.mark, known: nil)
            else {
                Issue.record("a blob needs no filter")
                return
            }
            #expect(state.count == 5)
            switch OnlineView.answer(Self.view, blob: nil, under: Self.mark, known: ofNew) {
            case .state(let state): #expect(state.count == 0)
            case .missing: break
            case .ask: Issue.record("was asked")
            }
            if isCut, damaged.count.nonzeroBitCount != 1 || damaged.count < 8 { #expect(ofKnown == .absent) }
        }
        for place in filter.bytes.indices {
            for value in [UInt8(0), 0xFF, 0x01, 0x80, 0x55] {
                var damaged = filter.bytes
                damaged[place] = value
                check(damaged, isCut: false)
            }
        }
        for count in 0..<filter.byteCount { check(Array(filter.bytes.prefix(count)), isCut: true) }
    }

    /// The same blob damages seen by an owner: written over or removed, after which its write is accepted.
    @Test func `every damaged blob gives way to its owner`() throws {
        let (older, newer) = (Self.blob(try Self.state(events: 3)), Self.blob(try Self.state()))
        let store = MemoryOnlineStore()
        for place in older.indices {
            for value in UInt8.min...UInt8.max where value != older[place] {
                var damaged = older
                damaged[place] = value
                store.values["b"] = damaged
                if store.write([("b", newer)]) == .overtaken {
                    #expect(place < 16, "only a position can refuse a write")
                    #expect(Self.fault(damaged) == .unreadable)
                    store.discard([("b", damaged)])
                    #expect(store.write([("b", newer)]) == .accepted)
                }
                if store.values["b"] != newer {
                    // Its position seemed the same: what is there does not decode, and goes when it is read.
                    #expect(Self.fault(store.values["b"]) == .unreadable)
                }
            }
        }
    }
}
