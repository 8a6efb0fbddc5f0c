import KafkaProtocol
import Observability

/// DescribeConfigs 0–3, IncrementalAlterConfigs 0.
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

    func describeConfigs(_ request: DescribeConfigsRequest) -> DescribeConfigsResponse {
        var response = DescribeConfigsResponse()
        for resource in request.resources {
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
            if let names = resource.configNames { configs.removeAll { !names.contains($0.name) } }
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

    func incrementalAlterConfigs(_ request: IncrementalAlterConfigsRequest) -> IncrementalAlterConfigsResponse {
        var response = IncrementalAlterConfigsResponse()
        for resource in request.resources {
            var result = IncrementalAlterConfigsResponse.Result()
            result.type = resource.type
            result.name = resource.name
            if let problem = alter(resource, validateOnly: request.validateOnly) {
                result.error = problem.error
                result.errorMessage = problem.reason
            }
            response.results.append(result)
        }
        return response
    }

    private func alter(
        _ resource: IncrementalAlterConfigsRequest.Resource, validateOnly: Bool
    ) -> (error: ErrorCode, reason: String)? {
        guard resource.type == ResourceType.topic else {
            return (.invalidRequest, "Only topics' configurations can be changed while the broker runs.")
        }
        guard let topic = catalog.topics[resource.name] else {
            return (.unknownTopicOrPartition, "The topic '\(resource.name)' does not exist.")
        }
        var config = topic.config
        for change in resource.configs {
            let complaint =
                switch change.operation {
                case 0 where change.value != nil: config.set(change.name, change.value)
                case 1: config.set(change.name, nil)
                case 2, 3: config.change(change.name, change.value, operation: change.operation)
                default: "Null value not supported for \(change.name)"
                }
            if let complaint { return (.invalidConfig, complaint) }
        }
        guard !validateOnly else { return nil }
        do {
            try catalog.setConfig(topic, config)
            return nil
        } catch {
            log.error("configuration could not be stored", ["topic": resource.name, "reason": "\(error)"])
            return (.kafkaStorageError, "The configuration could not be stored.")
        }
    }
}
