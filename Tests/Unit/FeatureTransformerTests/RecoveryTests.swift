import FeatureStore
import Testing

@testable import FeatureTransformer

@Suite struct RecoveryTests {
    @Test func `a log is read on only where it can be the one that was read before`() {
        // (N, low, high)
        #expect(LogStart.plan(next: 0, low: 0, high: 0) == .begin(at: 0, isBefore: false))
        #expect(LogStart.plan(next: 0, low: 7, high: 20) == .begin(at: 7, isBefore: false), "nothing was read yet")
        #expect(LogStart.plan(next: 10, low: 0, high: 20) == .begin(at: 9, isBefore: true))
        #expect(LogStart.plan(next: 20, low: 0, high: 20) == .begin(at: 19, isBefore: true))
        #expect(
            LogStart.plan(next: 20, low: 20, high: 20) == .begin(at: 20, isBefore: false),
            "retention took all that was read")
        func isRefused(_ start: LogStart) -> Bool { if case .refuse = start { true } else { false } }
        #expect(isRefused(LogStart.plan(next: 21, low: 0, high: 20)), "shorter than what was read")
        #expect(isRefused(LogStart.plan(next: 10, low: 11, high: 20)), "records between are gone")
    }

    @Test func `the online state is gone on with only where Postgres has every event it may lack`() {
        func plan(_ generation: UInt64?, _ mark: Int64, under current: Int64, next: Int64) -> OnlineStart {
            OnlineStart.plan(
                watermark: generation.map { Watermark(generation: $0, nextOffset: mark) }, generation: current,
                next: next)
        }
        #expect(plan(nil, 0, under: 0, next: 0) == .rebuild, "a first start")
        #expect(plan(nil, 0, under: 3, next: 10) == .rebuild, "Redis was emptied")
        #expect(plan(3, 10, under: 3, next: 10) == .replay(from: 10))
        #expect(plan(3, 4, under: 3, next: 10) == .replay(from: 4), "stopped between Postgres and Redis")
        #expect(plan(3, 11, under: 3, next: 10) == .rebuild, "Postgres went back")
        #expect(plan(2, 10, under: 3, next: 10) == .rebuild)
        #expect(plan(4, 10, under: 3, next: 10) == .rebuild)
        #expect(plan(3, -1, under: 3, next: 10) == .rebuild)
        let beyond = Watermark(generation: 3, nextOffset: 4, target: 11)
        #expect(OnlineStart.plan(watermark: beyond, generation: 3, next: 10) == .rebuild, "a target nobody can reach")
    }

    @Test func `a blob is gone on from only within its generation and before N`() {
        #expect(BlobStanding.of(generation: 3, offset: 9, under: 3, next: 10) == .usable)
        #expect(BlobStanding.of(generation: 3, offset: 10, under: 3, next: 10) == .ahead)
        #expect(BlobStanding.of(generation: 4, offset: 0, under: 3, next: 10) == .ahead)
        #expect(BlobStanding.of(generation: 2, offset: 99, under: 3, next: 10) == .outdated)
    }
}
