/// An assignment strategy and a member's words on it.
struct GroupStrategy: Equatable, Sendable {
    var name: String
    var metadata: ArraySlice<UInt8>
}

/// One member of a group.
struct GroupMember: Equatable, Sendable {
    var id: String
    /// A static member's name.
    var instanceID: String?
    var clientID: String
    var clientHost: String
    var sessionTimeoutMillis: Int64
    var rebalanceTimeoutMillis: Int64
    /// What it can do, best first.
    var strategies: [GroupStrategy]
    /// What the leader gave it.
    var assignment: ArraySlice<UInt8> = []
    /// Requests that wait for the generation to begin and for the leader's assignment.
    var joinToken: UInt64?
    var syncToken: UInt64?
    /// When it counts as gone, unless it is heard of before.
    var deadlineMillis: Int64 = 0
    /// Whether it has never been in a generation.
    var isNew = true
    /// Joined before all with a larger number.
    var order: UInt64 = 0

    /// Bytes held for it.
    var heldBytes: Int { strategies.reduce(assignment.count) { $0 + $1.metadata.count + $1.name.utf8.count } }

    func metadata(of strategy: String?) -> ArraySlice<UInt8> {
        strategies.first { $0.name == strategy }?.metadata ?? []
    }
}
