import FeatureEngine
import FeatureStore
import Foundation
import KafkaClient
import ServiceRuntime
import Testing

@testable import PipelineRuntime

@Suite struct PipelineContextTests {
    private static let declared: [any SettingProtocol] = [
        Setting<String>.featureRepo, Setting<String>.databaseURL, Setting<String>.redisURL,
        Setting<String>.kafkaBootstrapServers,
    ]

    /// A folder with the project's definitions and a feature_store.yaml of these addresses.
    private func folder(online: String, offline: String) throws -> String {
        let folder = NSTemporaryDirectory() + "context-\(UUID().uuidString)"
        let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("feature_repo").path
        try FileManager.default.copyItem(atPath: repository, toPath: folder)
        let text = """
            project: fraud
            online_store: {type: redis, url: "\(online)"}
            offline_store: {type: postgres, url: "\(offline)"}
            """
        try text.write(toFile: folder + "/feature_store.yaml", atomically: true, encoding: .utf8)
        return folder
    }

    private func context(
        _ folder: String, _ words: [String] = [], declared: [any SettingProtocol] = declared,
        environment: [String: String] = [:], dotEnv: [String: String] = [:]
    ) throws -> PipelineContext {
        try PipelineContext(
            Settings(
                ["--feature-repo", folder] + words, declared: declared, environment: environment, dotEnv: dotEnv))
    }

    @Test func `a flag comes before a variable, that before .env, that before the file, that before the default`()
        throws
    {
        let literal = try folder(online: "redis://file:1", offline: "postgresql://file/db")
        let open = try folder(online: "${REDIS_URL}", offline: "${DATABASE_URL}")
        defer { for folder in [literal, open] { try? FileManager.default.removeItem(atPath: folder) } }
        let dotEnv = ["REDIS_URL": "redis://dotenv:1", "DATABASE_URL": "postgresql://dotenv/db"]
        let variables = ["REDIS_URL": "redis://variable:1", "DATABASE_URL": "postgresql://variable/db"]
        let flags = ["--redis-url", "redis://flag:1", "--database-url", "postgresql://flag/db"]
        for folder in [literal, open] {
            let flag = try context(folder, flags, environment: variables, dotEnv: dotEnv)
            #expect(flag.redisURL == "redis://flag:1" && flag.databaseURL == "postgresql://flag/db")
            let variable = try context(folder, environment: variables, dotEnv: dotEnv)
            #expect(variable.redisURL == "redis://variable:1" && variable.databaseURL == "postgresql://variable/db")
            let file = try context(folder, dotEnv: dotEnv)
            #expect(file.redisURL == "redis://dotenv:1" && file.databaseURL == "postgresql://dotenv/db")
        }
        let file = try context(literal)
        #expect(file.redisURL == "redis://file:1" && file.databaseURL == "postgresql://file/db")
        let initial = try context(open)
        #expect(initial.redisURL == Setting<String>.redisURL.defaultText)
        #expect(initial.databaseURL == Setting<String>.databaseURL.defaultText)
        // A command that does not talk to Postgres still knows the same one.
        let producer = try context(literal, declared: [Setting<String>.featureRepo])
        #expect(producer.databaseURL == "postgresql://file/db")
        #expect(producer.kafkaBootstrapServers == Setting<String>.kafkaBootstrapServers.defaultText)
    }

    @Test func `an address is printed without its password`() {
        #expect(PipelineContext.withoutPassword("postgresql://a:b@h:1/d") == "postgresql://a@h:1/d")
        #expect(PipelineContext.withoutPassword("redis://:b@h:1") == "redis://@h:1")
        #expect(PipelineContext.withoutPassword("redis://h:1") == "redis://h:1")
        #expect(PipelineContext.withoutPassword("h:1,i:2") == "h:1,i:2")
    }

    @Test func `a name that does not exist is answered with those that do`() throws {
        let folder = try folder(online: "redis://h", offline: "postgresql://h/d")
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let context = try context(folder)
        #expect(try context.source(named: nil).name == "transactions")
        #expect(try context.service(named: "fraud_v1").name == "fraud_v1")
        #expect {
            _ = try context.source(named: "payments")
        } throws: {
            "\($0)".contains("transactions")
        }
        #expect {
            _ = try context.service(named: "fraud_v9")
        } throws: {
            "\($0)".contains("fraud_v1")
        }
    }

    @Test func `every topic is made in one way, with room for its dead letters`() {
        let topics = TopicProvisioning.definitions(
            ["labels", "transactions", "labels"], partitions: 3, retentionDays: 7)
        #expect(topics.map(\.name) == ["labels", "labels.dlq", "transactions", "transactions.dlq"])
        #expect(topics.allSatisfy { $0.partitions == 3 && $0.configuration["retention.ms"] == "604800000" })
        #expect(topics.map { $0.configuration["max.message.bytes"] } == ["1048588", "4194304", "1048588", "4194304"])
    }

    @Test func `an evicting store is refused unless it is allowed`() throws {
        let store = MemoryOnlineStore()
        #expect(try OnlineStorePolicy.check(store, isAllowed: false) == nil)
        store.warning = "maxmemory-policy is allkeys-lru"
        #expect(try OnlineStorePolicy.check(store, isAllowed: true) == store.warning)
        #expect {
            try OnlineStorePolicy.check(store, isAllowed: false)
        } throws: { error in
            (error as? CommandError)?.exitCode == .configuration && "\(error)".contains("allkeys-lru")
        }
    }
}
