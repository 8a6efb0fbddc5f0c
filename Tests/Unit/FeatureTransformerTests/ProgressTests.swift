import AdminServer
import KafkaClient
import Testing

@testable import FeatureTransformer

@Suite struct ProgressTests {
    let partition = KafkaPartition("transactions", 2)

    @Test func `a partition whose records wait is not ready after 30 s without progress, and says why`() {
        let board = ProgressBoard()
        board.change(partition, nowMillis: 1_000) { ($0.isWaiting, $0.reason) = (true, "Postgres is away") }
        #expect(board.readiness(nowMillis: 30_999) == .ready)
        #expect(
            board.readiness(nowMillis: 31_000)
                == .notReady(
                    "topic \"transactions\" partition 2 has waiting records and made no progress for 30 s: Postgres is away"
                ))
        board.change(partition, nowMillis: 40_000) { ($0.progressMillis, $0.reason) = (40_000, "") }
        #expect(board.readiness(nowMillis: 41_000) == .ready, "ready again by itself")
    }

    @Test func `a process that owns nothing for 30 s is not ready, though no partition of its own is late`() {
        let board = ProgressBoard()
        #expect(board.readiness(nowMillis: 0, absence: (29, "Postgres is away")) == .ready)
        #expect(
            board.readiness(nowMillis: 0, absence: (30, "Postgres is away"))
                == .notReady("this process has owned no partition for 30 s: Postgres is away"))
    }

    @Test func `events that are not read on purpose make the process not ready, with the reason`() {
        let board = ProgressBoard()
        board.pauseReason = "Redis evicts"
        #expect(board.readiness(nowMillis: 0) == .notReady("events wait in the log: Redis evicts"))
        board.pauseReason = nil
        #expect(board.readiness(nowMillis: 0) == .ready)
    }

    @Test func `nothing waits, so nothing stands still`() {
        let board = ProgressBoard()
        board.change(partition, nowMillis: 0) { $0.isWaiting = false }
        #expect(board.readiness(nowMillis: .max) == .ready)
        board.change(partition, nowMillis: 0) { $0.isWaiting = true }
        board.change(KafkaPartition("labels", 0), nowMillis: 5_000) { $0.isWaiting = true }
        #expect(board.stalled(nowMillis: 50_000).map(\.partition) == [partition, KafkaPartition("labels", 0)])
        board.remove(partition)
        #expect(board.stalled(nowMillis: 50_000).map(\.seconds) == [45])
    }

    @Test func `a burst of dead letters is one line with counts by reason`() {
        var tally = LetterTally()
        #expect(tally.report(nowMillis: 0) == nil)
        for _ in 0..<3 { tally.note("amt: is missing") }
        tally.note("is not a JSON object")
        let first = tally.report(nowMillis: 5)
        #expect(first?.total == 4)
        #expect(first?.reasons == "3 × amt: is missing; 1 × is not a JSON object")
        for number in 0..<7 { tally.note("reason \(number)") }
        #expect(tally.report(nowMillis: 9_000) == nil, "not more often than every ten seconds")
        let second = tally.report(nowMillis: 10_005)
        #expect(second?.total == 7)
        #expect(second?.reasons.hasSuffix("2 × other reasons") == true)
        #expect(tally.report(nowMillis: 90_000) == nil)
    }

    @Test(arguments: [Int64.min, .min + 5, -1, 0, 1_700_000_000_000, .max])
    func `no timestamp is too strange for an age`(timestamp: Int64) {
        #expect(TransformMetrics.seconds(from: timestamp, to: 1_800_000_000_000) >= 0)
    }
}
