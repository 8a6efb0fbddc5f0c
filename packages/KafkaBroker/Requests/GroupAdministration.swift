import KafkaProtocol
import Observability

/// DescribeGroups 0–4, ListGroups 0–2, DeleteGroups 0–1.
extension BrokerCore {
    func describeGroups(_ request: DescribeGroupsRequest) -> DescribeGroupsResponse {
        var response = DescribeGroupsResponse()
        response.groups = request.groups.distinct().map { name in
            var answer = DescribeGroupsResponse.Group()
            answer.groupID = name
            guard let group = groups.groups[name] else {
                answer.state = "Dead"
                return answer
            }
            answer.state = group.phase.rawValue
            answer.protocolType = group.protocolType
            let isSettled = group.phase == .stable
            answer.protocolData = isSettled ? group.strategy ?? "" : ""
            answer.members = group.ordered.map { member in
                var listed = DescribeGroupsResponse.Member()
                listed.memberID = member.id
                listed.groupInstanceID = member.instanceID
                listed.clientID = member.clientID
                listed.clientHost = member.clientHost
                if isSettled {
                    listed.metadata = member.metadata(of: group.strategy)
                    listed.assignment = member.assignment
                }
                return listed
            }
            return answer
        }
        return response
    }

    func listGroups(_: ListGroupsRequest) -> ListGroupsResponse {
        var response = ListGroupsResponse()
        response.groups = groups.groups.values.sorted { $0.id < $1.id }.map { group in
            var listed = ListGroupsResponse.Group()
            listed.groupID = group.id
            listed.protocolType = group.protocolType
            return listed
        }
        return response
    }

    func deleteGroups(_ request: DeleteGroupsRequest) -> DeleteGroupsResponse {
        var response = DeleteGroupsResponse()
        for name in request.groups.distinct() {
            var result = NamedError()
            result.name = name
            result.error = groups.delete(name)
            if let failure = groups.takeFailure() {
                log.error("group could not be stored", ["group": name, "reason": failure.description])
            }
            if result.error == .none { groupTimers[name] = nil }
            response.results.append(result)
        }
        return response
    }
}
