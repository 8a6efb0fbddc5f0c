/// The error codes of the protocol that this broker answers with.
public enum ErrorCode: Int16, Sendable, Equatable {
    /// Not an error.
    case none = 0
    /// A bug or an unexpected failure.
    case unknownServerError = -1
    /// The offset is before the log's start or past its end.
    case offsetOutOfRange = 1
    /// A batch whose checksum or framing is wrong.
    case corruptMessage = 2
    /// No such topic or partition.
    case unknownTopicOrPartition = 3
    /// A batch above `max.message.bytes`.
    case messageTooLarge = 10
    /// Offset metadata above 4096 bytes.
    case offsetMetadataTooLarge = 12
    /// The coordinator cannot take more groups now.
    case coordinatorNotAvailable = 15
    /// Not a legal topic name, or one that collides.
    case invalidTopic = 17
    /// `acks` is not −1, 0 or 1.
    case invalidRequiredAcks = 21
    /// The generation is not the group's.
    case illegalGeneration = 22
    /// No protocol in common with the group.
    case inconsistentGroupProtocol = 23
    /// An empty or unusable group id.
    case invalidGroupID = 24
    /// Not a member.
    case unknownMemberID = 25
    /// Session timeout outside the limits.
    case invalidSessionTimeout = 26
    /// The group is rebalancing: join again.
    case rebalanceInProgress = 27
    /// More positions than the coordinator keeps.
    case invalidCommitOffsetSize = 28
    /// A magic that is not served.
    case unsupportedForMessageFormat = 43
    /// A record too far in the future.
    case invalidTimestamp = 32
    /// The name is taken.
    case topicAlreadyExists = 36
    /// A partition count that cannot be.
    case invalidPartitions = 37
    /// More replicas than brokers.
    case invalidReplicationFactor = 38
    /// A replica assignment that cannot be.
    case invalidReplicaAssignment = 39
    /// A configuration that is unknown, malformed or not offered.
    case invalidConfig = 40
    /// A request that contradicts itself.
    case invalidRequest = 42
    /// A version that is not served.
    case unsupportedVersion = 35
    /// A sequence number that is neither next nor a repeat.
    case outOfOrderSequenceNumber = 45
    /// An epoch that a newer one has replaced.
    case invalidProducerEpoch = 47
    /// Transactions are not offered.
    case transactionalIDAuthorizationFailed = 53
    /// The disk failed this partition.
    case kafkaStorageError = 56
    /// Members are still in the group.
    case nonEmptyGroup = 68
    /// No such group.
    case groupIDNotFound = 69
    /// A leader epoch older than the partition's.
    case fencedLeaderEpoch = 74
    /// A leader epoch newer than the partition's.
    case unknownLeaderEpoch = 75
    /// Join again with the member id of this answer.
    case memberIDRequired = 79
    /// More members, or more bytes of theirs, than a group may have.
    case groupMaxSizeReached = 81
    /// Another member took this static identity.
    case fencedInstanceID = 82
    /// The group is consuming that topic.
    case groupSubscribedToTopic = 86
    /// A batch that breaks the rules of its format.
    case invalidRecord = 87
    /// No topic of that id.
    case unknownTopicID = 100
}

extension MessageCoder {
    /// An error code as its integer; codes without a name read as `unknownServerError`.
    public mutating func error(_ value: inout ErrorCode) throws(ProtocolError) {
        var raw = value.rawValue
        try integer(&raw)
        value = ErrorCode(rawValue: raw) ?? .unknownServerError
    }
}
