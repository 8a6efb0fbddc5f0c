import EventLoop
import KafkaProtocol
import Observability
import Text

/// JoinGroup 0–5, SyncGroup 0–3, Heartbeat 0–3, LeaveGroup 0–3.
extension BrokerCore {
    /// Acts on a group, sends what follows, and sees to its timer.
    func change(_ group: String, creating: Bool = false, _ body: (inout GroupState) -> [GroupState.Action]) {
        let answers = groups.change(
            group, creating: creating, nowMillis: monotonicMillis, wallMillis: nowMillis, body)
        if let failure = groups.takeFailure() {
            log.error("group could not be stored", ["group": group, "reason": failure.description])
        }
        watchDeadline(of: group)
        for answer in answers { answer() }
    }

    /// Sets the group's timer for the next thing that time will do to it.
    private func watchDeadline(of group: String) {
        guard let deadline = groups.groups[group]?.nextDeadlineMillis else {
            groupTimers[group]?.clear()
            return
        }
        let timer =
            groupTimers[group]
            ?? loop.timer { [unowned self] in
                change(group) { $0.tick(nowMillis: monotonicMillis) }
            }
        groupTimers[group] = timer
        timer.schedule(afterMillis: Int(max(0, min(deadline - monotonicMillis, 86_400_000))))
    }

    func joinGroup(_ request: JoinGroupRequest, _ context: RequestContext) {
        guard !request.groupID.isEmpty else {
            var refusal = JoinGroupResponse()
            refusal.error = .invalidGroupID
            return context.answer(refusal)
        }
        let bytes = request.protocols.reduce(0) { $0 + $1.metadata.count + $1.name.utf8.count }
        guard groups.hasRoom(for: request.groupID), groups.mayHold(bytes) else {
            var refusal = JoinGroupResponse()
            refusal.error = .coordinatorNotAvailable
            return context.answer(refusal)
        }
        let token = groups.park(.join { context.answer($0) })
        let session = Int64(request.sessionTimeoutMillis)
        let wished = request.rebalanceTimeoutMillis < 0 ? session : Int64(request.rebalanceTimeoutMillis)
        let limits = GroupState.rebalanceTimeouts
        let rebalance = min(max(wished, limits.lowerBound), limits.upperBound)
        let join = GroupState.Join(
            token: token, memberID: request.memberID, instanceID: request.groupInstanceID, clientID: context.clientID,
            clientHost: context.clientHost, sessionTimeoutMillis: session, rebalanceTimeoutMillis: rebalance,
            protocolType: request.protocolType,
            strategies: request.protocols.map { GroupStrategy(name: $0.name, metadata: Self.owned($0.metadata)) },
            mustKnowItsID: context.header.version >= 4,
            freshID: "\(request.groupInstanceID ?? context.clientID)-\(randomTopicID().dashed)")
        change(request.groupID, creating: true) { $0.join(join, nowMillis: monotonicMillis) }
    }

    /// Bytes of their own, so that a member does not keep a whole request in memory.
    private static func owned(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> { Array(bytes)[...] }

    func syncGroup(_ request: SyncGroupRequest, _ context: RequestContext) {
        guard groups.groups[request.groupID] != nil else {
            var refusal = SyncGroupResponse()
            refusal.error = request.groupID.isEmpty ? .invalidGroupID : .unknownMemberID
            return context.answer(refusal)
        }
        guard groups.mayHold(request.assignments.reduce(0) { $0 + $1.assignment.count }) else {
            var refusal = SyncGroupResponse()
            refusal.error = .coordinatorNotAvailable
            return context.answer(refusal)
        }
        let token = groups.park(.sync { context.answer($0) })
        let assignments = Dictionary(
            request.assignments.map { ($0.memberID, Self.owned($0.assignment)) }, uniquingKeysWith: { _, last in last })
        change(request.groupID) {
            $0.sync(
                token: token, memberID: request.memberID, instanceID: request.groupInstanceID,
                generation: request.generation, assignments: assignments, nowMillis: monotonicMillis)
        }
    }

    func heartbeat(_ request: HeartbeatRequest) -> HeartbeatResponse {
        var response = HeartbeatResponse()
        response.error = request.groupID.isEmpty ? .invalidGroupID : .unknownMemberID
        change(request.groupID) { group in
            response.error = group.heartbeat(
                memberID: request.memberID, instanceID: request.groupInstanceID, generation: request.generation,
                nowMillis: monotonicMillis)
            return []
        }
        return response
    }

    func leaveGroup(_ request: LeaveGroupRequest, _ context: RequestContext) {
        var response = LeaveGroupResponse()
        if groups.groups[request.groupID] == nil {
            response.error = request.groupID.isEmpty ? .invalidGroupID : .unknownMemberID
        }
        let leaving = request.members.map {
            GroupState.Leaving(memberID: $0.memberID, instanceID: $0.groupInstanceID)
        }.distinct()
        var codes = [ErrorCode](repeating: .unknownMemberID, count: leaving.count)
        change(request.groupID) { group in
            let (found, actions) = group.leave(leaving, nowMillis: monotonicMillis)
            codes = found
            return actions
        }
        let answers = zip(leaving, codes).map { who, code in
            var answer = LeaveGroupResponse.Member()
            answer.memberID = who.memberID
            answer.groupInstanceID = who.instanceID
            answer.error = code
            return answer
        }
        // One member, one error: older versions have no place for it but the top.
        if context.header.version < 3, response.error == .none { response.error = answers.first?.error ?? .none }
        response.members = response.error == .none ? answers : []
        context.answer(response)
    }
}

extension TopicID {
    /// The usual form with dashes.
    var dashed: String {
        let digits = Array(Padding.hexadecimal(high, 16) + Padding.hexadecimal(low, 16))
        return [digits[0..<8], digits[8..<12], digits[12..<16], digits[16..<20], digits[20..<32]].map { String($0) }
            .joined(separator: "-")
    }
}
