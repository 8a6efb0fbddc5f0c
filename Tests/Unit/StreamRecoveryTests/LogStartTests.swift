import StreamRecovery
import Testing

@Suite struct LogStartTests {
    @Test func `a log is read on only where it can be the one that was read before`() {
        // (N, low, high)
        #expect(LogStart.plan(next: 0, low: 0, high: 0) == .begin(at: 0, isBefore: false))
        #expect(LogStart.plan(next: 0, low: 7, high: 20) == .begin(at: 7, isBefore: false), "nothing was read yet")
        #expect(LogStart.plan(next: 10, low: 0, high: 20) == .begin(at: 9, isBefore: true))
        #expect(LogStart.plan(next: 20, low: 0, high: 20) == .begin(at: 19, isBefore: true))
        #expect(
            LogStart.plan(next: 20, low: 20, high: 20) == .begin(at: 20, isBefore: false),
            "retention took all that was read")
        #expect(
            LogStart.plan(next: 10, low: 0, high: 20, knowsRecordBefore: false) == .begin(at: 10, isBefore: false),
            "the record before cannot be read by any client")
        #expect(LogStart.plan(next: 21, low: 0, high: 20) == .shortened(last: 19))
        #expect(LogStart.plan(next: 21, low: 20, high: 20) == .refuse(.empty(read: 21)))
        #expect(LogStart.plan(next: 10, low: 11, high: 20) == .refuse(.gone(read: 10, start: 11)))
    }

    @Test func `a blob is gone on from only within its generation and before N`() {
        func plan(_ blob: (generation: UInt64, offset: Int64)?, firstEvent: Int64?) -> BlobUse {
            BlobUse.plan(blob: blob, under: 3, from: 8, next: 10, firstEvent: firstEvent)
        }
        #expect(plan((3, 9), firstEvent: 1) == .usable)
        #expect(plan((3, 10), firstEvent: 1) == .ahead(3))
        #expect(plan((4, 0), firstEvent: 1) == .ahead(4))
        #expect(plan((2, 99), firstEvent: nil) == .fresh)
        #expect(plan((2, 99), firstEvent: 7) == .lost)
        #expect(plan(nil, firstEvent: 8) == .fresh, "its first event is yet to be applied")
        #expect(plan(nil, firstEvent: 7) == .lost)
    }
}
