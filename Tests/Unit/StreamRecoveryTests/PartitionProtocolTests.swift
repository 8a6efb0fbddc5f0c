import StreamRecovery
import Testing

/// Single turns of the protocol, each with the failure that once led nowhere.
@Suite struct PartitionProtocolTests {
    private static func claim(next: Int64, generation: UInt64 = 3, epoch: Int64 = 1) -> PartitionClaim {
        var claim = PartitionClaim()
        (claim.epoch, claim.next, claim.published, claim.generation, claim.partitionCount) = (
            epoch, next, next, generation, 4
        )
        claim.duplicates = next  // so that the totals add up without rows
        return claim
    }

    /// A machine that reads on from N, and whose state is whole.
    private static func ready(next: Int64 = 0, isOnline: Bool = true) -> PartitionProtocol {
        var machine = PartitionProtocol(isOnline: isOnline)
        #expect(machine.next(.resume) == .claim)
        #expect(machine.next(.claimed(claim(next: next), partitionCount: 4)) == .loadIDs)
        let restored = machine.next(.counted(rows: 0, letters: 0, removed: 0))
        if isOnline {
            #expect(restored == .readMark)
            #expect(machine.next(.mark(.whole(3, next))) == .inspectLog)
        }
        #expect(machine.next(.log(low: next, high: 100)) == .seek(next))
        #expect(machine.next(.done) == .wait)
        return machine
    }

    /// Drives refusals until the machine asks for something else than another attempt; how many attempts it made.
    private static func attempts(_ machine: inout PartitionProtocol, records: Int, bad: Int, limit: Int = 100) -> Int {
        var (first, left) = (machine.claim.next, records)
        let badPosition = machine.claim.next + Int64(bad)
        var count = 0
        var step = machine.next(.records(left, first: first))
        while case .prepare(let attempt) = step, count < limit {
            count += 1
            let end = first + Int64(attempt.limit)
            let isLetter = attempt.refusals[badPosition] != nil
            #expect(
                machine.next(
                    .prepared(PreparedBatch(records: attempt.limit, to: end, outgoing: isLetter ? 1 : 0)))
                    == .commit(published: first))
            guard !(first..<end).contains(badPosition) || isLetter else {
                step = machine.next(.failed(.refused(isUnique: false, reason: "22003")))
                continue
            }
            if machine.next(.done) == .publish { #expect(machine.next(.done) == .wait) }
            (first, left) = (end, left - attempt.limit)
            guard left > 0 else { return count }
            step = machine.next(.records(left, first: first))
        }
        return count
    }

    @Test(arguments: [1, 2, 3, 64, 500, 5_000])
    func `one record that Postgres refuses is found by halves, and costs only itself`(records: Int) {
        var most = 0
        for bad in Set([0, records / 3, records / 2, records - 1]) {
            var machine = Self.ready(isOnline: false)
            most = max(most, Self.attempts(&machine, records: records, bad: bad))
            #expect(machine.claim.next == Int64(records))
        }
        let halvings = Int.bitWidth - (records - 1).leadingZeroBitCount
        #expect(most <= 2 * halvings + 3, "\(records) records took \(most) transactions")
    }

    @Test func `a letter that is refused itself goes bare, and then it is the server's fault`() {
        var machine = Self.ready(isOnline: false)
        let refused = PartitionProtocol.Event.failed(.refused(isUnique: false, reason: "r"))
        _ = machine.next(.records(1, first: 0))
        guard case .prepare(let whole) = machine.next(refused) else {
            Issue.record("whole")
            return
        }
        #expect(whole.refusals == [0: .whole("r")] && whole.isRepeat)
        guard case .prepare(let bare) = machine.next(refused) else {
            Issue.record("bare")
            return
        }
        #expect(bare.refusals == [0: .bare("r")])
        guard case .retreat = machine.next(refused) else {
            Issue.record("retreat")
            return
        }
    }

    @Test func `a unique violation has every id looked up first`() {
        var machine = Self.ready(isOnline: false)
        _ = machine.next(.records(8, first: 0))
        guard case .prepare(let careful) = machine.next(.failed(.refused(isUnique: true, reason: "u"))) else {
            Issue.record("another attempt")
            return
        }
        #expect(careful.isCareful && careful.limit == 8 && careful.refusals.isEmpty)
    }

    @Test func `a blob met during a replay that must not be there leads to one rebuild above it`() {
        var machine = PartitionProtocol(isOnline: true)
        _ = machine.next(.resume)
        _ = machine.next(.claimed(Self.claim(next: 10), partitionCount: 4))
        _ = machine.next(.counted(rows: 0, letters: 0, removed: 0))
        #expect(machine.next(.mark(.whole(3, 4))) == .replay(from: 4, to: 10))
        guard case .retreat = machine.next(.failed(.unusable(generation: 9))) else {
            Issue.record("retreat")
            return
        }
        _ = machine.next(.resume)
        #expect(machine.next(.claimed(Self.claim(next: 10, epoch: 2), partitionCount: 4)) == .readMark, "ids are known")
        #expect(machine.next(.mark(.whole(3, 4))) == .beginGeneration(10))
        let planted = OnlineMark(generation: 10, next: 0, target: 10)
        #expect(machine.next(.done) == .plant(planted))
        #expect(machine.next(.done) == .replay(from: 0, to: 10))
        let half = OnlineMark(generation: 10, next: 5, target: 10)
        #expect(machine.next(.replayed(mark: planted, next: 5)) == .writeOnline(from: planted, to: half))
        #expect(!half.isWhole)
        #expect(machine.next(.done) == .replay(from: 5, to: 10))
        #expect(machine.next(.replayed(mark: half, next: 10)) == .writeOnline(from: half, to: .whole(10, 10)))
    }

    @Test func `a generation that Postgres cannot have from rebuilds is none`() {
        #expect(OnlineMark.generation(stored: 7) == 7)
        #expect(OnlineMark.generation(stored: (1 << 61) - 1) == (1 << 61) - 1)
        for stored in [Int64.min, -1, 0, 1 << 61, 1 << 62, .max] { #expect(OnlineMark.generation(stored: stored) == 0) }
    }

    @Test(arguments: [OnlineMark.generationLimit, 1 << 62, 1 << 63, UInt64.max])
    func `a generation that no rebuild reached is not risen above`(generation: UInt64) {
        var machine = PartitionProtocol(isOnline: true)
        _ = machine.next(.resume)
        _ = machine.next(.claimed(Self.claim(next: 10), partitionCount: 4))
        _ = machine.next(.counted(rows: 0, letters: 0, removed: 0))
        #expect(machine.next(.mark(.whole(generation, 10))) == .beginGeneration(4))
    }

    @Test func `another partition count, and totals that do not add up, stop it`() {
        var machine = PartitionProtocol(isOnline: true)
        _ = machine.next(.resume)
        #expect(
            machine.next(.claimed(Self.claim(next: 1), partitionCount: 6))
                == .stop(.partitionCount(stored: 4, found: 6)))
        machine = PartitionProtocol(isOnline: true)
        _ = machine.next(.resume)
        let claim = Self.claim(next: 5)
        _ = machine.next(.claimed(claim, partitionCount: 4))
        #expect(
            machine.next(.counted(rows: .max, letters: 1, removed: 0)) == .stop(.totals(rows: .max, letters: 1, claim)))
    }

    @Test func `after a disturbance the record before N is compared, and a log without it stops the stream`() {
        var machine = Self.ready(next: 10, isOnline: false)
        #expect(machine.next(.disturbed) == .inspectLog)
        #expect(machine.next(.log(low: 0, high: 15)) == .seek(9))
        #expect(machine.next(.done) == .wait)
        #expect(machine.next(.records(6, first: 9)) == .compareRecord)
        var step = machine.next(.verdict(false))
        var looks = 0
        while case .identify = step {
            looks += 1
            step = machine.next(.verdict(false))
        }
        #expect(step == .stop(.otherRecord(position: 9)))
        #expect(looks <= 4, "by halves")
    }

    @Test func `a log that lost stored records goes on behind them`() {
        var machine = Self.ready(next: 10, isOnline: false)
        _ = machine.next(.disturbed)
        #expect(machine.next(.log(low: 0, high: 7)) == .identify(6))
        #expect(machine.next(.verdict(true)) == .rebase(3))
        #expect(machine.next(.done) == .seek(9), "the log's last record, as the one before N")
        #expect(machine.claim.base == 3 && machine.claim.next == 10)
    }

    @Test func `a fenced owner does not take the partition back at once`() {
        var machine = Self.ready(isOnline: false)
        guard case .retreat(let fenced) = machine.next(.failed(.fenced)) else {
            Issue.record("retreat")
            return
        }
        #expect(fenced.pauseMillis >= 500 && fenced.closes.isEmpty)
        machine = Self.ready(isOnline: false)
        guard case .retreat(let lost) = machine.next(.failed(.lost(.redis))) else {
            Issue.record("retreat")
            return
        }
        #expect(lost.pauseMillis <= 100 && lost.closes == [.redis])
        _ = machine.next(.resume)
        guard case .retreat(let again) = machine.next(.failed(.other("o"))) else {
            Issue.record("retreat")
            return
        }
        #expect(
            again.closes == [.postgres, .redis], "a new session may cure what is not known to be a session's fault")
    }

    @Test func `what no client can read is one dead letter, and reading begins anew behind it`() {
        var machine = Self.ready(next: 10, isOnline: false)
        guard case .prepare(let attempt) = machine.next(.unreadable(to: 14)) else {
            Issue.record("attempt")
            return
        }
        #expect(attempt.unreadableTo == 14)
        #expect(machine.next(.prepared(PreparedBatch(records: 0, to: 14, outgoing: 1))) == .commit(published: 10))
        #expect(machine.next(.done) == .publish)
        #expect(machine.next(.done) == .inspectLog)
        #expect(machine.next(.log(low: 0, high: 20)) == .seek(14), "the record before cannot be compared")
    }
}
