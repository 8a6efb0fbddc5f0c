import KafkaProtocol

/// A consumer group's classic protocol as a value: requests and moments go in, answers come out.
///
/// ```
/// Empty ──join──▶ Preparing ──all joined, or time is up──▶ Completing ──leader's sync──▶ Stable
///                     ▲──────── join, leave, a member gone ────┴──────────────────────────┘
/// ```
/// Time is an argument; answers name the requests by their tokens.
///
/// Preparing: the generation is over. Every member must join again within the longest rebalance timeout of all (they poll at most that
/// seldom); who does not is gone. A group that was empty waits a little for others, so that a start of ten consumers is one
/// rebalance and not ten. Completing: all know the members, the leader computes who gets what and sends it with its sync; the
/// others' syncs wait for that. Stable: heartbeats keep a member alive, and one that is told `REBALANCE_IN_PROGRESS` joins again.
///
/// A new dynamic member is first given an id and turned away (JoinGroup 4): without that, a client that times out and tries
/// again leaves a ghost behind that everybody waits for. A static member (`group.instance.id`) that returns takes its old place
/// without a rebalance, and whoever held it before is fenced.
struct GroupState: Equatable, Sendable {
    enum Phase: String, Equatable, Sendable {
        case empty = "Empty"
        case preparing = "PreparingRebalance"
        case completing = "CompletingRebalance"
        case stable = "Stable"
    }

    enum Action: Equatable, Sendable {
        case joined(token: UInt64, JoinGroupResponse)
        case synced(token: UInt64, SyncGroupResponse)
        /// The generation is new and should outlive the broker.
        case generationChanged
    }

    struct Join: Equatable, Sendable {
        var token: UInt64
        var memberID: String
        var instanceID: String?
        var clientID: String
        var clientHost: String
        var sessionTimeoutMillis: Int64
        var rebalanceTimeoutMillis: Int64
        var protocolType: String
        var strategies: [GroupStrategy]
        /// Whether the client knows how to come back with the id it is given (JoinGroup 4 and later).
        var mustKnowItsID: Bool
        /// The id a member without one gets.
        var freshID: String

        /// Bytes that a member of these words holds.
        var heldBytes: Int { strategies.reduce(0) { $0 + $1.metadata.count + $1.name.utf8.count } }
    }

    static let sessionTimeouts: ClosedRange<Int64> = 6_000...1_800_000
    /// What a rebalance timeout is brought into: none at all would begin a generation every millisecond.
    static let rebalanceTimeouts: ClosedRange<Int64> = 1_000...86_400_000
    /// Most members of a group, those that were given an id and have not come back included.
    static let maxMembers = 2_000
    /// Most strategies of one member, and most bytes that all members of a group bring along or are given.
    static let maxStrategies = 100, maxBytes = 64 << 20
    /// How long a member that has never been in a generation may wait for one.
    static let newMemberMillis: Int64 = 300_000

    let id: String
    /// How long the first member waits for others.
    let initialDelayMillis: Int64
    var phase = Phase.empty
    var generation: Int32 = 0
    var protocolType = ""
    var strategy: String?
    var leader: String?
    var members: [String: GroupMember] = [:]
    /// Static members' ids by their names.
    var instances: [String: String] = [:]
    /// Ids given out that have not come back, with the time they lapse.
    var pending: [String: Int64] = [:]
    /// Since when nobody is in it.
    var emptySinceMillis: Int64
    /// Until when the first members wait for others, when a rebalance ends at the latest, when a sync does.
    var delayUntilMillis: Int64?
    var rebalanceDeadlineMillis: Int64?
    var syncDeadlineMillis: Int64?
    var nextOrder: UInt64 = 0

    init(id: String, initialDelayMillis: Int64, nowMillis: Int64) {
        self.id = id
        self.initialDelayMillis = initialDelayMillis
        emptySinceMillis = nowMillis
    }

    /// Members in the order they came.
    var ordered: [GroupMember] { members.values.sorted { $0.order < $1.order } }

    func memberID(ofInstance instance: String) -> String? { instances[instance] }

    /// Bytes held for the members, but for one of them.
    func heldBytes(except id: String? = nil) -> Int {
        members.values.reduce(0) { $0 + ($1.id == id ? 0 : $1.heldBytes) }
    }

    /// Checks who speaks: the error of a member that is unknown, replaced, or of another generation.
    func refusal(memberID: String, instanceID: String?, generation: Int32?) -> ErrorCode? {
        if let instanceID {
            guard let present = self.memberID(ofInstance: instanceID) else { return .unknownMemberID }
            guard present == memberID else { return .fencedInstanceID }
        }
        guard members[memberID] != nil else { return .unknownMemberID }
        guard generation == nil || generation == self.generation else { return .illegalGeneration }
        return nil
    }

    mutating func refresh(_ memberID: String, nowMillis: Int64) {
        guard let member = members[memberID] else { return }
        members[memberID]?.deadlineMillis = nowMillis + member.sessionTimeoutMillis
    }

    /// A sign of life. While a rebalance is being prepared the answer asks to join again.
    mutating func heartbeat(memberID: String, instanceID: String?, generation: Int32, nowMillis: Int64) -> ErrorCode {
        if let code = refusal(memberID: memberID, instanceID: instanceID, generation: generation) { return code }
        refresh(memberID, nowMillis: nowMillis)
        return phase == .preparing ? .rebalanceInProgress : .none
    }

    /// Whether positions may be committed by this caller now; counts as a sign of life.
    mutating func commit(memberID: String, instanceID: String?, generation: Int32, nowMillis: Int64) -> ErrorCode {
        if generation < 0 && memberID.isEmpty && instanceID == nil {
            return phase == .empty ? .none : .unknownMemberID
        }
        if let code = refusal(memberID: memberID, instanceID: instanceID, generation: generation) { return code }
        refresh(memberID, nowMillis: nowMillis)
        return phase == .completing ? .rebalanceInProgress : .none
    }

    /// The leader's assignments begin the stable phase; everybody else waits for them or gets what is stored.
    mutating func sync(
        token: UInt64, memberID: String, instanceID: String?, generation: Int32,
        assignments: [String: ArraySlice<UInt8>],
        nowMillis: Int64
    ) -> [Action] {
        func answer(_ error: ErrorCode, _ assignment: ArraySlice<UInt8> = []) -> Action {
            var response = SyncGroupResponse()
            response.error = error
            response.assignment = assignment
            return .synced(token: token, response)
        }
        if let code = refusal(memberID: memberID, instanceID: instanceID, generation: generation) {
            return [answer(code)]
        }
        refresh(memberID, nowMillis: nowMillis)
        switch phase {
        case .empty: return [answer(.unknownMemberID)]
        case .preparing: return [answer(.rebalanceInProgress)]
        case .stable: return [answer(.none, members[memberID]?.assignment ?? [])]
        case .completing:
            var actions = release(sync: memberID, .rebalanceInProgress)  // A repeat takes the place of the first.
            members[memberID]?.syncToken = token
            guard memberID == leader else { return actions }
            guard assignments.reduce(0, { $0 + (members[$1.key] == nil ? 0 : $1.value.count) }) <= Self.maxBytes else {
                return actions + release(sync: memberID, .groupMaxSizeReached)
            }
            phase = .stable
            syncDeadlineMillis = nil
            for id in members.keys { members[id]?.assignment = assignments[id] ?? [] }
            for member in ordered { actions += release(sync: member.id, .none) }
            return actions
        }
    }

    /// Answers a parked sync.
    mutating func release(sync memberID: String, _ error: ErrorCode) -> [Action] {
        guard let member = members[memberID], let token = member.syncToken else { return [] }
        members[memberID]?.syncToken = nil
        var response = SyncGroupResponse()
        response.error = error
        response.assignment = error == .none ? member.assignment : []
        return [.synced(token: token, response)]
    }

    /// Who goes, named by id or by static name.
    struct Leaving: Hashable, Sendable {
        var memberID: String
        var instanceID: String?
    }

    /// Some go, all at once: the others share anew only once. The error of each, or none.
    mutating func leave(_ leaving: [Leaving], nowMillis: Int64) -> ([ErrorCode], [Action]) {
        var gone: [String] = []
        var known: Set<String> = []
        var wasPending = false
        let codes = leaving.map { who -> ErrorCode in
            var id = who.memberID
            if let instanceID = who.instanceID {
                guard let present = self.memberID(ofInstance: instanceID) else { return .unknownMemberID }
                guard id.isEmpty || id == present else { return .fencedInstanceID }
                id = present
            }
            if pending.removeValue(forKey: id) != nil {
                wasPending = true
                return .none
            }
            guard members[id] != nil, known.insert(id).inserted else { return .unknownMemberID }
            gone.append(id)
            return .none
        }
        if !gone.isEmpty { return (codes, remove(gone, nowMillis: nowMillis)) }
        return (codes, wasPending ? completeIfReady(nowMillis: nowMillis) : [])
    }

    /// Takes members out and lets the others share anew.
    mutating func remove(_ ids: [String], nowMillis: Int64) -> [Action] {
        var actions: [Action] = []
        for id in ids {
            actions += release(sync: id, .unknownMemberID)
            if let token = members[id]?.joinToken {
                var response = JoinGroupResponse()
                response.error = .unknownMemberID
                actions.append(.joined(token: token, response))
            }
            if let instance = members.removeValue(forKey: id)?.instanceID { instances[instance] = nil }
            if leader == id { leader = nil }
        }
        switch phase {
        case .empty: return actions
        case .preparing: return actions + completeIfReady(nowMillis: nowMillis)
        case .completing, .stable: return actions + prepare(nowMillis: nowMillis)
        }
    }

    /// The next moment at which `tick` has something to do.
    var nextDeadlineMillis: Int64? {
        var deadlines =
            Array(pending.values) + [delayUntilMillis, rebalanceDeadlineMillis, syncDeadlineMillis].compactMap(\.self)
        for member in members.values where member.joinToken == nil || member.isNew {
            deadlines.append(member.deadlineMillis)
        }
        return deadlines.min()
    }

    /// What the passing of time does.
    mutating func tick(nowMillis: Int64) -> [Action] {
        var actions: [Action] = []
        pending = pending.filter { $0.value > nowMillis }
        let gone = ordered.filter { member in
            (member.joinToken == nil || member.isNew) && member.deadlineMillis <= nowMillis
        }
        if !gone.isEmpty { actions += remove(gone.map(\.id), nowMillis: nowMillis) }
        if phase == .completing, let deadline = syncDeadlineMillis, deadline <= nowMillis {
            let silent = ordered.filter { $0.syncToken == nil && $0.instanceID == nil }
            syncDeadlineMillis = nil
            actions += silent.isEmpty ? prepare(nowMillis: nowMillis) : remove(silent.map(\.id), nowMillis: nowMillis)
        }
        if phase == .preparing { actions += completeIfReady(nowMillis: nowMillis) }
        return actions
    }
}
