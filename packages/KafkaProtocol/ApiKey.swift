/// The APIs served, with the versions that are advertised.
public enum ApiKey: Int16, CaseIterable, Sendable {
    /// Data, groups and administration, by the protocol's own names.
    case produce = 0, fetch = 1, listOffsets = 2, metadata = 3, offsetCommit = 8, offsetFetch = 9
    /// Groups.
    case findCoordinator = 10, joinGroup = 11, heartbeat = 12, leaveGroup = 13, syncGroup = 14
    /// Groups, versions, topics.
    case describeGroups = 15, listGroups = 16, apiVersions = 18, createTopics = 19, deleteTopics = 20
    /// Records, producers, configurations and the rest of administration.
    case deleteRecords = 21, initProducerID = 22, describeConfigs = 32, alterConfigs = 33
    /// Later administration.
    case createPartitions = 37, deleteGroups = 42, incrementalAlterConfigs = 44, offsetDelete = 47

    /// Versions advertised. Produce starts at 0 because librdkafka 2.0.2 stops compressing otherwise; 0–2 are refused.
    public var advertised: ClosedRange<Int16> {
        switch self {
        case .produce: 0...7
        case .fetch: 4...11
        case .listOffsets, .offsetFetch, .joinGroup: 0...5
        case .metadata: 0...12
        case .offsetCommit: 0...7
        case .findCoordinator, .listGroups: 0...2
        case .heartbeat, .leaveGroup, .syncGroup, .deleteTopics, .describeConfigs: 0...3
        case .apiVersions, .describeGroups, .createTopics: 0...4
        case .initProducerID, .deleteRecords, .createPartitions, .deleteGroups, .alterConfigs: 0...1
        case .incrementalAlterConfigs, .offsetDelete: 0...0
        }
    }

    /// Versions answered: those advertised, less those that only look served.
    public var served: ClosedRange<Int16> { self == .produce ? 3...7 : advertised }

    /// The first version in flexible encoding; nil where there is none.
    var firstFlexible: Int16? {
        switch self {
        case .produce, .metadata: 9
        case .fetch: 12
        case .listOffsets, .offsetFetch, .joinGroup: 6
        case .offsetCommit: 8
        case .findCoordinator, .apiVersions, .listGroups: 3
        case .heartbeat, .leaveGroup, .syncGroup, .deleteTopics, .describeConfigs: 4
        case .describeGroups, .createTopics: 5
        case .initProducerID, .deleteRecords, .createPartitions, .deleteGroups, .alterConfigs: 2
        case .incrementalAlterConfigs: 1
        case .offsetDelete: nil
        }
    }

    /// Whether `version` of this API is in flexible encoding.
    public func isFlexible(_ version: Int16) -> Bool {
        guard let first = firstFlexible else { return false }
        return version >= first
    }
}
