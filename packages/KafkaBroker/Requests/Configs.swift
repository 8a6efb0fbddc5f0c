import KafkaProtocol
import Observability

/// DescribeConfigs 0–3, AlterConfigs 0–1, IncrementalAlterConfigs 0.
extension BrokerCore {
    private enum ResourceType {
        static let topic: Int8 = 2
        static let broker: Int8 = 4
    }

    private enum Source {
        static let topic: Int8 = 1
        static let brokerSettings: Int8 = 4
        static let standard: Int8 = 5
    }

    /// What has configurations: a type and a name.
    private struct Resource: Hashable {
        let type: Int8
        let name: String
        init(_ type: Int8, _ name: String) { (self.type, self.name) = (type, name) }
    }

    func describeConfigs(_ request: DescribeConfigsRequest) -> DescribeConfigsResponse {
        var response = DescribeConfigsResponse()
        var known: Set<Resource> = []
        for resource in request.resources where known.insert(Resource(resource.type, resource.name)).inserted {
            var result = DescribeConfigsResponse.Result()
            result.type = resource.type
            result.name = resource.name
            var configs: [DescribeConfigsResponse.Config] = []
            switch resource.type {
            case ResourceType.topic:
                if let topic = catalog.topics[resource.name] {
                    configs = TopicConfig.definitions.map {
                        describe(
                            $0, topic.config.overrides, documented: request.includeDocumentation,
                            request.includeSynonyms)
                    }
                } else {
                    result.error = TopicName.complaint(resource.name) == nil ? .unknownTopicOrPartition : .invalidTopic
                }
            case ResourceType.broker where resource.name.isEmpty || resource.name == String(identity.nodeID):
                configs = brokerConfigs
            default:
                result.error = .invalidRequest
                result.errorMessage = "Only topics and broker \(identity.nodeID) have configurations here."
            }
            if let names = resource.configNames.map({ Set($0) }) { configs.removeAll { !names.contains($0.name) } }
            result.configs = configs
            response.results.append(result)
        }
        return response
    }

    private func describe(
        _ definition: TopicConfig.Definition, _ overrides: [String: String], documented: Bool, _ withSynonyms: Bool
    ) -> DescribeConfigsResponse.Config {
        var config = DescribeConfigsResponse.Config()
        config.name = definition.name
        let own = overrides[definition.name]
        config.value = own ?? definition.standard
        config.source = own == nil ? Source.standard : Source.topic
        config.isDefault = own == nil
        config.type = definition.kind.rawValue
        if documented { config.documentation = definition.documentation }
        if withSynonyms {
            for (value, source) in [(own, Source.topic), (definition.standard, Source.standard)] {
                guard let value else { continue }
                var synonym = DescribeConfigsResponse.Synonym()
                synonym.name = definition.name
                synonym.value = value
                synonym.source = source
                config.synonyms.append(synonym)
            }
        }
        return config
    }

    /// What the broker was told, to read.
    private var brokerConfigs: [DescribeConfigsResponse.Config] {
        let values: [(String, String, TopicConfig.Kind)] = [
            ("auto.create.topics.enable", String(configuration.createsTopicsAutomatically), .boolean),
            ("broker.id", String(identity.nodeID), .int),
            ("connections.max.idle.ms", String(configuration.idleConnectionMillis), .long),
            ("default.replication.factor", "1", .int),
            ("group.initial.rebalance.delay.ms", String(configuration.initialRebalanceDelayMillis), .int),
            ("log.dirs", configuration.dataFolder, .string),
            ("log.retention.check.interval.ms", String(configuration.retentionCheckMillis), .long),
            ("max.connections", String(configuration.maxConnections), .int),
            ("num.partitions", String(configuration.defaultPartitions), .int),
            ("offsets.retention.minutes", String(configuration.offsetRetentionMillis / 60_000), .int),
            ("socket.request.max.bytes", String(FrameDecoder.maxFrame), .int),
        ]
        return values.map { name, value, kind in
            var config = DescribeConfigsResponse.Config()
            config.name = name
            config.value = value
            config.isReadOnly = true
            config.source = Source.brokerSettings
            config.type = kind.rawValue
            return config
        }
    }

    /// Single changes: what is not named stays.
    func incrementalAlterConfigs(_ request: IncrementalAlterConfigsRequest) -> AlterConfigsResponse {
        alter(request.resources.map { ($0.type, $0.name, $0.configs) }, validateOnly: request.validateOnly) {
            changes, config in
            for change in changes {
                let complaint =
                    switch change.operation {
                    case 0 where change.value != nil: config.set(change.name, change.value)
                    case 1: config.set(change.name, nil)
                    case 2, 3: config.change(change.name, change.value, operation: change.operation)
                    default: "Null value not supported for \(change.name)"
                    }
                if let complaint { return complaint }
            }
            return nil
        }
    }

    /// All at once: what is not named goes back to its default.
    func alterConfigs(_ request: AlterConfigsRequest) -> AlterConfigsResponse {
        alter(request.resources.map { ($0.type, $0.name, $0.configs) }, validateOnly: request.validateOnly) {
            entries, config in
            config = TopicConfig()
            for entry in entries {
                guard entry.value != nil else { return "Null value not supported for \(entry.name)" }
                if let complaint = config.set(entry.name, entry.value) { return complaint }
            }
            return nil
        }
    }

    /// Changes each resource's configuration as `change` does, which returns what is wrong with it.
    private func alter<Changes>(
        _ resources: [(type: Int8, name: String, changes: Changes)], validateOnly: Bool,
        _ change: (Changes, inout TopicConfig) -> String?
    ) -> AlterConfigsResponse {
        var response = AlterConfigsResponse()
        for resource in resources {
            var result = AlterConfigsResponse.Result()
            result.type = resource.type
            result.name = resource.name
            if resource.type != ResourceType.topic {
                result.error = .invalidRequest
                result.errorMessage = "Only topics' configurations can be changed while the broker runs."
            } else if let topic = catalog.topics[resource.name] {
                var config = topic.config
                if let complaint = change(resource.changes, &config) {
                    result.error = .invalidConfig
                    result.errorMessage = complaint
                } else if !validateOnly, config != topic.config {
                    catalog.setConfig(topic, config)
                }
            } else {
                result.error = .unknownTopicOrPartition
                result.errorMessage = "The topic '\(resource.name)' does not exist."
            }
            response.results.append(result)
        }
        if !saveCatalog() {
            for index in response.results.indices where response.results[index].error == .none {
                response.results[index].error = .kafkaStorageError
                response.results[index].errorMessage = "The configuration could not be stored."
            }
        }
        return response
    }
}
