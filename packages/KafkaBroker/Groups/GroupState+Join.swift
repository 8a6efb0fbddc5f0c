import KafkaProtocol

extension GroupState {
    /// A member asks to be in the next generation, or, when nothing changed, to hear about this one.
    mutating func join(_ join: Join, nowMillis: Int64) -> [Action] {
        guard Self.sessionTimeouts.contains(join.sessionTimeoutMillis) else {
            return [refuse(join, .invalidSessionTimeout)]
        }
        guard !join.protocolType.isEmpty, !join.strategies.isEmpty, join.strategies.count <= Self.maxStrategies else {
            return [refuse(join, .inconsistentGroupProtocol)]
        }
        guard heldBytes(except: join.memberID) <= Self.maxBytes - min(join.heldBytes, Self.maxBytes) else {
            return [refuse(join, .groupMaxSizeReached)]
        }
        if join.memberID.isEmpty { return joinWithoutID(join, nowMillis: nowMillis) }

        if let instance = join.instanceID {
            guard let present = memberID(ofInstance: instance) else { return [refuse(join, .unknownMemberID)] }
            guard present == join.memberID else { return [refuse(join, .fencedInstanceID)] }
        }
        if members[join.memberID] == nil {
            guard pending[join.memberID] != nil else { return [refuse(join, .unknownMemberID)] }
            guard accepts(join) else { return [refuse(join, .inconsistentGroupProtocol)] }
            pending[join.memberID] = nil
            return add(join, id: join.memberID, nowMillis: nowMillis)
        }
        return rejoin(join, nowMillis: nowMillis)
    }

    private mutating func joinWithoutID(_ join: Join, nowMillis: Int64) -> [Action] {
        guard accepts(join, replacing: join.instanceID.flatMap { memberID(ofInstance: $0) }) else {
            return [refuse(join, .inconsistentGroupProtocol)]
        }
        if let instance = join.instanceID {
            guard let old = memberID(ofInstance: instance) else {
                guard members.count + pending.count < Self.maxMembers else {
                    return [refuse(join, .groupMaxSizeReached)]
                }
                return add(join, id: join.freshID, nowMillis: nowMillis)
            }
            return replace(old, by: join, nowMillis: nowMillis)
        }
        guard members.count + pending.count < Self.maxMembers else { return [refuse(join, .groupMaxSizeReached)] }
        guard join.mustKnowItsID else { return add(join, id: join.freshID, nowMillis: nowMillis) }
        pending[join.freshID] = nowMillis + join.sessionTimeoutMillis
        return [refuse(join, .memberIDRequired, memberID: join.freshID)]
    }

    /// A known member joins again.
    private mutating func rejoin(_ join: Join, nowMillis: Int64) -> [Action] {
        let id = join.memberID
        guard accepts(join, replacing: id) else { return [refuse(join, .inconsistentGroupProtocol)] }
        let isUnchanged = members[id]?.strategies == join.strategies
        switch phase {
        case .empty: return [refuse(join, .unknownMemberID)]
        case .preparing: return park(join, id: id, nowMillis: nowMillis) + completeIfReady(nowMillis: nowMillis)
        case .completing where isUnchanged:
            // The answer was lost on its way: give it again.
            refresh(id, nowMillis: nowMillis)
            return [.joined(token: join.token, response(to: id))]
        case .stable where isUnchanged && id != leader:
            refresh(id, nowMillis: nowMillis)
            return [.joined(token: join.token, response(to: id))]
        case .completing, .stable:
            let prepared = prepare(nowMillis: nowMillis, completing: false)
            return prepared + park(join, id: id, nowMillis: nowMillis) + completeIfReady(nowMillis: nowMillis)
        }
    }

    /// A static member came back under a new id; whoever holds the old one is told off.
    private mutating func replace(_ old: String, by join: Join, nowMillis: Int64) -> [Action] {
        guard var member = members.removeValue(forKey: old) else { return [] }
        var actions: [Action] = []
        if let token = member.joinToken {
            var response = JoinGroupResponse()
            response.error = .fencedInstanceID
            actions.append(.joined(token: token, response))
        }
        if let token = member.syncToken {
            var response = SyncGroupResponse()
            response.error = .fencedInstanceID
            actions.append(.synced(token: token, response))
        }
        let isUnchanged = member.strategies == join.strategies
        let leaderBefore = leader
        if leader == old { leader = join.freshID }
        member.id = join.freshID
        member.joinToken = nil
        member.syncToken = nil
        members[join.freshID] = member
        if let instance = member.instanceID { instances[instance] = join.freshID }
        if phase == .stable && isUnchanged {
            // No rebalance. It is answered as a follower even when it leads: it fetches the part it had.
            refresh(join.freshID, nowMillis: nowMillis)
            var response = JoinGroupResponse()
            response.generation = generation
            response.protocolName = strategy ?? ""
            response.leader = leaderBefore ?? ""
            response.memberID = join.freshID
            return actions + [.joined(token: join.token, response)]
        }
        if phase == .stable || phase == .completing { actions += prepare(nowMillis: nowMillis, completing: false) }
        return actions + park(join, id: join.freshID, nowMillis: nowMillis) + completeIfReady(nowMillis: nowMillis)
    }

    private mutating func add(_ join: Join, id: String, nowMillis: Int64) -> [Action] {
        var member = GroupMember(
            id: id, instanceID: join.instanceID, clientID: join.clientID, clientHost: join.clientHost,
            sessionTimeoutMillis: join.sessionTimeoutMillis, rebalanceTimeoutMillis: join.rebalanceTimeoutMillis,
            strategies: join.strategies)
        member.order = nextOrder
        nextOrder += 1
        if members.isEmpty { protocolType = join.protocolType }
        let wasEmpty = phase == .empty
        var actions: [Action] = []
        if phase == .stable || phase == .completing { actions += prepare(nowMillis: nowMillis, completing: false) }
        members[id] = member
        if let instance = member.instanceID { instances[instance] = id }
        actions += park(join, id: id, nowMillis: nowMillis)
        if wasEmpty {
            phase = .preparing
            rebalanceDeadlineMillis = nowMillis + longestRebalance
            delayUntilMillis = nowMillis + initialDelayMillis
        } else if let deadline = rebalanceDeadlineMillis, delayUntilMillis != nil {
            // Others are still arriving: wait a little more, but not for ever.
            delayUntilMillis = min(nowMillis + initialDelayMillis, deadline)
        }
        return actions + completeIfReady(nowMillis: nowMillis)
    }

    /// Lets a member wait for the generation.
    private mutating func park(_ join: Join, id: String, nowMillis: Int64) -> [Action] {
        guard var member = members[id] else { return [] }
        var actions: [Action] = []
        if let token = member.joinToken {
            var response = JoinGroupResponse()
            response.error = .rebalanceInProgress
            actions.append(.joined(token: token, response))
        }
        member.strategies = join.strategies
        member.clientID = join.clientID
        member.clientHost = join.clientHost
        member.sessionTimeoutMillis = join.sessionTimeoutMillis
        member.rebalanceTimeoutMillis = join.rebalanceTimeoutMillis
        member.joinToken = join.token
        member.deadlineMillis = nowMillis + (member.isNew ? Self.newMemberMillis : join.sessionTimeoutMillis)
        members[id] = member
        return actions
    }

    private var longestRebalance: Int64 { members.values.map(\.rebalanceTimeoutMillis).max() ?? 0 }

    /// Whether a member can share something with all the others.
    private func accepts(_ join: Join, replacing id: String? = nil) -> Bool {
        guard members.values.contains(where: { $0.id != id }) else { return true }
        guard join.protocolType == protocolType else { return false }
        return !common(Set(join.strategies.map(\.name)), except: id).isEmpty
    }

    /// Those of `names` that every member knows, but for one of them.
    private func common(_ names: Set<String>, except id: String? = nil) -> Set<String> {
        var common = names
        for member in members.values where member.id != id && !common.isEmpty {
            common.formIntersection(member.strategies.map(\.name))
        }
        return common
    }

    private func refuse(_ join: Join, _ error: ErrorCode, memberID: String? = nil) -> Action {
        var response = JoinGroupResponse()
        response.error = error
        response.memberID = memberID ?? join.memberID
        return .joined(token: join.token, response)
    }

    /// What a member of the present generation is told; only the leader hears who the others are.
    private func response(to id: String) -> JoinGroupResponse {
        var response = JoinGroupResponse()
        response.generation = generation
        response.protocolName = strategy ?? ""
        response.leader = leader ?? ""
        response.memberID = id
        if id == leader {
            response.members = ordered.map { member in
                var listed = JoinGroupResponse.Member()
                listed.memberID = member.id
                listed.groupInstanceID = member.instanceID
                listed.metadata = member.metadata(of: strategy)
                return listed
            }
        }
        return response
    }

    /// Everybody has to join again.
    mutating func prepare(nowMillis: Int64, completing: Bool = true) -> [Action] {
        var actions: [Action] = []
        for member in ordered {
            actions += release(sync: member.id, .rebalanceInProgress)
            members[member.id]?.assignment = []
        }
        phase = .preparing
        delayUntilMillis = nil
        syncDeadlineMillis = nil
        rebalanceDeadlineMillis = nowMillis + longestRebalance
        return completing ? actions + completeIfReady(nowMillis: nowMillis) : actions
    }

    /// Begins the generation when everybody is here, or when time is up.
    mutating func completeIfReady(nowMillis: Int64) -> [Action] {
        guard phase == .preparing else { return [] }
        let isOverdue = (rebalanceDeadlineMillis ?? nowMillis) <= nowMillis
        if let delay = delayUntilMillis, delay > nowMillis, !isOverdue { return [] }
        delayUntilMillis = nil
        let everybody = members.values.allSatisfy { $0.joinToken != nil } && pending.isEmpty
        guard everybody || isOverdue else { return [] }

        for member in ordered where member.joinToken == nil && member.instanceID == nil {
            members[member.id] = nil
            if leader == member.id { leader = nil }
        }
        let joined = ordered.filter { $0.joinToken != nil }
        if joined.isEmpty && !members.isEmpty {
            // Only static members that are away: wait for them until their sessions end. No generation begins by that.
            rebalanceDeadlineMillis = nowMillis + max(longestRebalance, Self.rebalanceTimeouts.lowerBound)
            return []
        }
        rebalanceDeadlineMillis = nil
        generation = generation == .max ? 1 : generation + 1
        guard let first = joined.first else {
            phase = .empty
            strategy = nil
            leader = nil
            emptySinceMillis = nowMillis
            return [.generationChanged]
        }
        if leader.flatMap({ members[$0]?.joinToken }) == nil { leader = first.id }
        strategy = elect()
        phase = .completing
        syncDeadlineMillis = nowMillis + longestRebalance
        var actions: [Action] = [.generationChanged]
        for member in joined {
            guard let token = member.joinToken else { continue }
            members[member.id]?.joinToken = nil
            members[member.id]?.isNew = false
            refresh(member.id, nowMillis: nowMillis)
            actions.append(.joined(token: token, response(to: member.id)))
        }
        return actions
    }

    /// Each member votes for the first of its strategies that all know; most votes win, the earlier one on a tie.
    private func elect() -> String? {
        let all = ordered
        let names = (all.first?.strategies ?? []).map(\.name)
        let common = common(Set(names))
        var votes: [String: Int] = [:]
        for member in all {
            if let choice = member.strategies.first(where: { common.contains($0.name) }) {
                votes[choice.name, default: 0] += 1
            }
        }
        let most = votes.values.max() ?? 0
        return names.first { common.contains($0) && votes[$0, default: 0] == most }
    }
}
