import KafkaProtocol
import Testing

@testable import KafkaBroker

/// A group and its clients: asks, and remembers what each was told.
struct GroupFixture {
    var group = GroupState(id: "g", initialDelayMillis: 50, nowMillis: 0)
    var now: Int64 = 0
    var joined: [UInt64: JoinGroupResponse] = [:]
    var synced: [UInt64: SyncGroupResponse] = [:]
    var generationChanges = 0
    private var nextToken: UInt64 = 0

    mutating func take(_ actions: [GroupState.Action]) {
        for action in actions {
            switch action {
            case .joined(let token, let response):
                #expect(joined[token] == nil, "answered twice")
                joined[token] = response
            case .synced(let token, let response):
                #expect(synced[token] == nil, "answered twice")
                synced[token] = response
            case .generationChanged: generationChanges += 1
            }
        }
    }

    mutating func join(
        _ member: String, instance: String? = nil, strategies: [String] = ["range"], metadata: [UInt8] = [],
        session: Int64 = 10_000, rebalance: Int64 = 60_000, knowsItsID: Bool = false, fresh: String? = nil,
        type: String = "consumer"
    ) -> UInt64 {
        nextToken += 1
        take(
            group.join(
                GroupState.Join(
                    token: nextToken, memberID: member, instanceID: instance, clientID: "c", clientHost: "h",
                    sessionTimeoutMillis: session, rebalanceTimeoutMillis: rebalance, protocolType: type,
                    strategies: strategies.map { GroupStrategy(name: $0, metadata: metadata[...]) },
                    mustKnowItsID: knowsItsID, freshID: fresh ?? "fresh\(nextToken)"), nowMillis: now))
        return nextToken
    }

    mutating func sync(
        _ member: String, _ generation: Int32? = nil, instance: String? = nil, _ parts: [String: [UInt8]] = [:]
    )
        -> UInt64
    {
        nextToken += 1
        take(
            group.sync(
                token: nextToken, memberID: member, instanceID: instance, generation: generation ?? group.generation,
                assignments: parts.mapValues { $0[...] }, nowMillis: now))
        return nextToken
    }

    mutating func advance(to millis: Int64) {
        // Time passes the way the broker lets it: from deadline to deadline.
        while let deadline = group.nextDeadlineMillis, deadline <= millis {
            now = max(now, deadline)
            let before = group
            take(group.tick(nowMillis: now))
            if group == before, group.nextDeadlineMillis == deadline {
                Issue.record("a deadline at \(deadline) does nothing and comes back")
                return
            }
        }
        now = millis
    }

    mutating func heartbeat(_ member: String, _ generation: Int32? = nil) -> ErrorCode {
        group.heartbeat(memberID: member, instanceID: nil, generation: generation ?? group.generation, nowMillis: now)
    }

    /// A stable group of two dynamic members, `a` (the leader) and `b`, of generation 1.
    static func stable() -> GroupFixture {
        var fixture = GroupFixture()
        let a = fixture.join("", fresh: "a")
        let b = fixture.join("", fresh: "b")
        fixture.advance(to: 200)
        #expect(fixture.joined[a]?.leader == "a" && fixture.joined[b]?.leader == "a")
        let follower = fixture.sync("b")
        #expect(fixture.synced[follower] == nil, "waits for the leader")
        let leader = fixture.sync("a", nil, ["a": [1], "b": [2]])
        #expect(fixture.synced[leader]?.assignment == [1])
        #expect(fixture.synced[follower]?.assignment == [2])
        #expect(fixture.group.phase == .stable)
        return fixture
    }
}

@Suite struct GroupStateTests {
    @Test func `the first members wait for each other and share one generation`() {
        var fixture = GroupFixture()
        let a = fixture.join("", fresh: "a")
        fixture.advance(to: 40)
        let b = fixture.join("", fresh: "b")
        fixture.advance(to: 60)
        #expect(fixture.joined.isEmpty, "an arrival makes the others wait a little more")
        fixture.advance(to: 100)
        #expect(fixture.joined[a]?.generation == 1 && fixture.joined[b]?.generation == 1)
        #expect(fixture.joined[a]?.members.map(\.memberID) == ["a", "b"], "the leader hears who is there")
        #expect(fixture.joined[b]?.members.isEmpty == true, "the others do not")
        #expect(fixture.group.phase == .completing)
        #expect(fixture.generationChanges == 1)
    }

    @Test func `a newer client gets an id first and comes back with it`() {
        var fixture = GroupFixture()
        let first = fixture.join("", knowsItsID: true, fresh: "a")
        #expect(fixture.joined[first]?.error == .memberIDRequired)
        #expect(fixture.joined[first]?.memberID == "a")
        #expect(fixture.group.phase == .empty)
        let second = fixture.join("a", knowsItsID: true)
        fixture.advance(to: 100)
        #expect(fixture.joined[second]?.error == ErrorCode.none)
        #expect(fixture.joined[second]?.leader == "a")
        let stranger = fixture.join("nobody", knowsItsID: true)
        #expect(fixture.joined[stranger]?.error == .unknownMemberID)
    }

    @Test func `an id that does not come back lapses and keeps nobody waiting`() {
        var fixture = GroupFixture.stable()
        _ = fixture.join("", session: 6_000, knowsItsID: true, fresh: "lost")
        let a = fixture.join("a")
        let b = fixture.join("b")
        #expect(fixture.joined[a] == nil, "one id is still out")
        fixture.advance(to: 7_000)
        #expect(fixture.joined[a]?.generation == 2 && fixture.joined[b]?.generation == 2)
        let late = fixture.join("lost", knowsItsID: true)
        #expect(fixture.joined[late]?.error == .unknownMemberID)
    }

    @Test func `whoever syncs in a stable group gets the stored part at once`() {
        var fixture = GroupFixture.stable()
        let again = fixture.sync("b")
        #expect(fixture.synced[again]?.error == ErrorCode.none)
        #expect(fixture.synced[again]?.assignment == [2])
    }

    @Test func `members whom the leader leaves out get an empty part`() {
        var fixture = GroupFixture()
        _ = fixture.join("", fresh: "a")
        _ = fixture.join("", fresh: "b")
        fixture.advance(to: 200)
        let b = fixture.sync("b")
        _ = fixture.sync("a", nil, ["a": [1]])
        #expect(fixture.synced[b]?.error == ErrorCode.none)
        #expect(fixture.synced[b]?.assignment == [])
    }

    @Test func `a join during completing sends everybody back`() {
        var fixture = GroupFixture()
        _ = fixture.join("", fresh: "a")
        _ = fixture.join("", fresh: "b")
        fixture.advance(to: 200)
        let parked = fixture.sync("b")
        let c = fixture.join("", fresh: "c")
        #expect(fixture.synced[parked]?.error == .rebalanceInProgress)
        #expect(fixture.group.phase == .preparing)
        #expect(fixture.heartbeat("a") == .rebalanceInProgress)
        _ = fixture.join("a")
        _ = fixture.join("b")
        #expect(fixture.joined[c]?.generation == 2)
        #expect(fixture.joined[c]?.leader == "a", "the leader stays while it comes back")
    }

    @Test func `a follower with the same words is answered, the leader always rebalances`() {
        var fixture = GroupFixture.stable()
        let b = fixture.join("b")
        #expect(fixture.joined[b]?.generation == 1)
        #expect(fixture.group.phase == .stable)
        let a = fixture.join("a")
        #expect(fixture.joined[a] == nil)
        #expect(fixture.group.phase == .preparing)
        _ = fixture.join("b")
        #expect(fixture.joined[a]?.generation == 2)
    }

    @Test func `a follower with other words rebalances`() {
        var fixture = GroupFixture.stable()
        _ = fixture.join("b", metadata: [9])
        #expect(fixture.group.phase == .preparing)
    }

    @Test func `a lost answer is given again while completing`() {
        var fixture = GroupFixture()
        _ = fixture.join("", fresh: "a")
        _ = fixture.join("", fresh: "b")
        fixture.advance(to: 200)
        let a = fixture.join("a")
        #expect(fixture.joined[a]?.generation == 1)
        #expect(fixture.joined[a]?.members.count == 2)
    }

    @Test func `a silent member is dropped and the others share anew`() {
        var fixture = GroupFixture.stable()
        fixture.advance(to: 9_000)
        #expect(fixture.heartbeat("a") == ErrorCode.none)
        fixture.advance(to: 11_000)
        #expect(fixture.group.members.keys.sorted() == ["a"])
        #expect(fixture.group.phase == .preparing)
        let a = fixture.join("a")
        #expect(fixture.joined[a]?.generation == 2)
        #expect(fixture.heartbeat("b", 1) == .unknownMemberID)
    }

    @Test func `members that do not join again in time are dropped`() {
        var fixture = GroupFixture.stable()
        let c = fixture.join("", rebalance: 3_000, fresh: "c")
        let a = fixture.join("a", rebalance: 3_000)
        // b beats but does not join: its heart keeps its session, not its place.
        for second in 1...60 where fixture.joined[c] == nil {
            fixture.advance(to: Int64(second) * 1_000 + 200)
            _ = fixture.heartbeat("b")
        }
        #expect(fixture.joined[a]?.generation == 2)
        #expect(fixture.group.members.keys.sorted() == ["a", "c"])
    }

    @Test func `a member that never syncs is dropped`() {
        var fixture = GroupFixture()
        _ = fixture.join("", session: 30_000, rebalance: 5_000, fresh: "a")
        _ = fixture.join("", session: 30_000, rebalance: 5_000, fresh: "b")
        fixture.advance(to: 200)
        _ = fixture.sync("b")
        fixture.advance(to: 6_000)
        #expect(fixture.group.members.keys.sorted() == ["b"], "the leader was silent")
        #expect(fixture.group.phase == .preparing)
    }

    @Test func `the last one to leave empties the group`() {
        var fixture = GroupFixture.stable()
        for member in ["a", "b"] {
            let (code, actions) = fixture.group.leave([.init(memberID: member)], nowMillis: 300)
            #expect(code == [.none])
            fixture.take(actions)
        }
        #expect(fixture.group.phase == .empty)
        #expect(fixture.group.emptySinceMillis == 300)
        #expect(fixture.group.leave([.init(memberID: "a")], nowMillis: 0).0 == [.unknownMemberID])
        #expect(fixture.heartbeat("a", 2) == .unknownMemberID)
        #expect(fixture.group.nextDeadlineMillis == nil)
    }

    @Test func `strategies must have something in common, and most votes win`() {
        var fixture = GroupFixture()
        let a = fixture.join("", strategies: ["range", "roundrobin"], fresh: "a")
        _ = fixture.join("", strategies: ["roundrobin", "range"], fresh: "b")
        _ = fixture.join("", strategies: ["roundrobin", "sticky", "range"], fresh: "c")
        let stranger = fixture.join("", strategies: ["other"])
        #expect(fixture.joined[stranger]?.error == .inconsistentGroupProtocol)
        let otherKind = fixture.join("", strategies: ["range"], type: "connect")
        #expect(fixture.joined[otherKind]?.error == .inconsistentGroupProtocol)
        fixture.advance(to: 200)
        #expect(fixture.joined[a]?.protocolName == "roundrobin")
    }

    @Test(arguments: [Int64(5_999), 1_800_001, 0, -1])
    func `a session timeout outside the limits is refused`(session: Int64) {
        var fixture = GroupFixture()
        let token = fixture.join("", session: session)
        #expect(fixture.joined[token]?.error == .invalidSessionTimeout)
    }

    @Test func `positions are taken from members of the generation, and from outsiders while nobody is in`() {
        var fixture = GroupFixture()
        #expect(fixture.group.commit(memberID: "", instanceID: nil, generation: -1, nowMillis: 0) == .none)
        fixture = GroupFixture.stable()
        #expect(fixture.group.commit(memberID: "a", instanceID: nil, generation: 1, nowMillis: 0) == .none)
        #expect(fixture.group.commit(memberID: "a", instanceID: nil, generation: 0, nowMillis: 0) == .illegalGeneration)
        #expect(fixture.group.commit(memberID: "x", instanceID: nil, generation: 1, nowMillis: 0) == .unknownMemberID)
        #expect(fixture.group.commit(memberID: "", instanceID: nil, generation: -1, nowMillis: 0) == .unknownMemberID)
        _ = fixture.join("a")
        #expect(
            fixture.group.commit(memberID: "b", instanceID: nil, generation: 1, nowMillis: 0) == .none,
            "while preparing")
        _ = fixture.join("b")
        #expect(fixture.group.phase == .completing)
        #expect(
            fixture.group.commit(memberID: "b", instanceID: nil, generation: 2, nowMillis: 0) == .rebalanceInProgress)
    }
}

@Suite struct StaticMemberTests {
    /// A stable group of two static members, `one` and `two`, with ids `a` and `b`.
    static func stable() -> GroupFixture {
        var fixture = GroupFixture()
        _ = fixture.join("", instance: "one", fresh: "a")
        _ = fixture.join("", instance: "two", fresh: "b")
        fixture.advance(to: 200)
        _ = fixture.sync("b", instance: "two")
        _ = fixture.sync("a", instance: "one", ["a": [1], "b": [2]])
        return fixture
    }

    @Test func `one that comes back takes its place without a rebalance`() {
        var fixture = Self.stable()
        let token = fixture.join("", instance: "two", fresh: "b2")
        #expect(fixture.joined[token]?.error == ErrorCode.none)
        #expect(fixture.joined[token]?.generation == 1)
        #expect(fixture.joined[token]?.memberID == "b2")
        #expect(fixture.group.phase == .stable)
        let part = fixture.sync("b2", instance: "two")
        #expect(fixture.synced[part]?.assignment == [2])
        #expect(
            fixture.group.heartbeat(memberID: "b", instanceID: "two", generation: 1, nowMillis: 0) == .fencedInstanceID)
    }

    @Test func `the leader comes back as a follower, and leads the next generation`() {
        var fixture = Self.stable()
        let token = fixture.join("", instance: "one", fresh: "a2")
        #expect(fixture.joined[token]?.leader == "a")
        #expect(fixture.joined[token]?.members.isEmpty == true)
        let part = fixture.sync("a2", instance: "one")
        #expect(fixture.synced[part]?.assignment == [1])
        #expect(fixture.group.leader == "a2")
    }

    @Test func `with other words it rebalances`() {
        var fixture = Self.stable()
        _ = fixture.join("", instance: "two", metadata: [5], fresh: "b2")
        #expect(fixture.group.phase == .preparing)
    }

    @Test func `whoever waits under the old id is told off`() {
        var fixture = Self.stable()
        let old = fixture.join("b", instance: "two", metadata: [5])
        let new = fixture.join("", instance: "two", metadata: [5], fresh: "b2")
        #expect(fixture.joined[old]?.error == .fencedInstanceID)
        _ = fixture.join("a", instance: "one")
        #expect(fixture.joined[new]?.generation == 2)
    }

    @Test func `it may be removed by its name`() {
        var fixture = Self.stable()
        #expect(fixture.group.leave([.init(memberID: "x", instanceID: "one")], nowMillis: 0).0 == [.fencedInstanceID])
        #expect(fixture.group.leave([.init(memberID: "", instanceID: "one")], nowMillis: 0).0 == [.none])
        #expect(fixture.group.leave([.init(memberID: "", instanceID: "one")], nowMillis: 0).0 == [.unknownMemberID])
        #expect(fixture.group.members.keys.sorted() == ["b"])
    }

    @Test func `one that is away stays in until its session ends`() {
        var fixture = Self.stable()
        let a = fixture.join("a", instance: "one", rebalance: 2_000)
        fixture.group.members["b"]?.rebalanceTimeoutMillis = 2_000
        fixture.advance(to: 9_000)
        fixture.advance(to: 61_000)
        #expect(fixture.joined[a]?.generation != nil)
        #expect(fixture.group.members["b"] == nil)
    }

    @Test func `static members that are away do not make generations`() {
        var fixture = GroupFixture()
        _ = fixture.join("", instance: "one", session: 1_800_000, rebalance: 0, fresh: "one-a")
        _ = fixture.join("", session: 1_800_000, rebalance: 0, fresh: "b")
        fixture.advance(to: 200)
        let (_, actions) = fixture.group.leave([.init(memberID: "b")], nowMillis: 200)
        fixture.take(actions)
        let (generation, changes) = (fixture.group.generation, fixture.generationChanges)
        fixture.advance(to: 600_000)
        #expect(fixture.group.generation == generation && fixture.generationChanges == changes)
        fixture.advance(to: 1_900_000)
        #expect(fixture.group.phase == .empty, "its session ends all the same")
    }

    @Test func `several leave at once, and the rest share anew once`() {
        var fixture = GroupFixture()
        for name in ["a", "b", "c", "d"] { _ = fixture.join("", fresh: name) }
        fixture.advance(to: 200)
        let changes = fixture.generationChanges
        let (codes, actions) = fixture.group.leave(
            [.init(memberID: "b"), .init(memberID: "x"), .init(memberID: "c"), .init(memberID: "b", instanceID: nil)],
            nowMillis: 300)
        #expect(codes == [.none, .unknownMemberID, .none, .unknownMemberID])
        fixture.take(actions)
        _ = fixture.join("a")
        _ = fixture.join("d")
        fixture.advance(to: 400)
        #expect(fixture.generationChanges == changes + 1)
        #expect(fixture.group.members.keys.sorted() == ["a", "d"])
    }

    @Test func `members, strategies and their bytes have limits`() {
        var fixture = GroupFixture()
        let many = fixture.join("", strategies: (0...GroupState.maxStrategies).map { "s\($0)" })
        #expect(fixture.joined[many]?.error == .inconsistentGroupProtocol)
        for index in 0..<GroupState.maxMembers { _ = fixture.join("", knowsItsID: index % 2 == 0, fresh: "m\(index)") }
        let last = fixture.join("", fresh: "last")
        #expect(fixture.joined[last]?.error == .groupMaxSizeReached)
        var other = GroupFixture()
        let half = [UInt8](repeating: 0, count: GroupState.maxBytes / 2)
        for name in ["a", "b", "c"] {
            let token = other.join("", metadata: Array(half.dropLast(16)), fresh: name)
            #expect(other.joined[token]?.error == (name == "c" ? .groupMaxSizeReached : nil))
        }
    }
}
