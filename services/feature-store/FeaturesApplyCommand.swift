import FeatureEngine
import FeatureStore
import JSON
import KafkaClient
import Pipeline
import PipelineRuntime
import PostgresClient
import PostgresOfflineStore
public import ServiceRuntime

/// `needletail features apply`: checks the definitions and makes what they need in Postgres and Kafka.
public struct FeaturesApplyCommand: Command {
    /// The words that call it.
    public static let name = "features apply"
    public static let summary = "Check the definitions and make their tables and topics; what is there stays."
    public static let example = "needletail features apply --feature-repo feature_repo"
    /// More lines of help.
    public static let details = """
        Nothing is ever dropped, so it may run as often as one likes. Every mistake in the definitions is named with file,
        line and what to do; then nothing is made.
        """
    public static let settings: [any SettingProtocol] = [
        Setting<String>.featureRepo, Setting<String>.databaseURL, Setting<String>.kafkaBootstrapServers,
        Setting<Int>.topicPartitions, Setting<Int>.topicRetentionDays, FeatureCommandSettings.json,
    ]

    public init() {}

    /// What was done.
    struct Report: Sendable {
        var migrations: [String] = []
        var tables: [(name: String, isNew: Bool)] = []
        var topics: [(name: String, partitions: Int, isNew: Bool)] = []
        /// What is otherwise than it was applied last, in words.
        var history = ""
        var changes: [String] = []
    }

    /// Applies.
    public func run(_ settings: Settings, _ runtime: ServiceRuntime) async throws {
        let pipeline = try PipelineContext(settings)
        pipeline.announce(runtime)
        let (repository, databaseURL) = (pipeline.repository, pipeline.databaseURL)
        let history = try DefinitionHistory(repository, folder: settings[.featureRepo])
        var report = try await runtime.waiting(for: "Postgres") {
            try await runtime.onThread("apply") {
                try Self.makeTables(repository, databaseURL, history, settings.environment)
            }
        }
        let servers = pipeline.kafkaBootstrapServers
        let (partitions, days) = (settings[.topicPartitions], settings[.topicRetentionDays])
        report.topics = try await runtime.waiting(for: "Kafka at \(servers)") {
            try await runtime.onThread("apply") { try Self.makeTopics(repository, servers, partitions, days) }
        }
        try runtime.print(
            settings[FeatureCommandSettings.json] ? Self.json(repository, report) : Self.text(repository, report))
    }

    private static func makeTables(
        _ repository: FeatureRepository, _ url: String, _ history: DefinitionHistory, _ environment: [String: String]
    ) throws -> Report {
        let store = try PostgresOfflineStore(url: url, limits: .bulk)
        var report = Report()
        do {
            report.migrations = try store.migrate()
            let names = repository.sources.map(\.name) + repository.views.map(\.name)
            let existing = try names.filter { name in
                let found = try store.connection.query(
                    "SELECT to_regclass($1) IS NOT NULL", [.text(PostgresQuoting.identifier(name))])
                return found.boolean(0, 0) == true
            }
            try store.createTables(repository)
            report.tables = names.map { ($0, !existing.contains($0)) }
            let (_, last, changes) = try history.record(store, environment: environment)
            report.history = DefinitionHistory.text(last, changes)
            report.changes = (changes ?? []).map(\.description)
            if let last, last.streamHash != repository.streamHash {
                report.history += "\n" + FeaturesPlanCommand.consequence(repository, last)
            }
        } catch let mismatch as TableMismatch {
            throw CommandError(.configuration, "\(mismatch.description).")
        }
        return report
    }

    private static func makeTopics(
        _ repository: FeatureRepository, _ servers: String, _ partitions: Int, _ retentionDays: Int
    ) throws -> [(name: String, partitions: Int, isNew: Bool)] {
        let admin = try KafkaAdmin(bootstrapServers: servers)
        try admin.waitUntilReachable(timeoutMillis: 2_000)
        let existing = try admin.topics()
        let all = PipelineTopics.all(repository)
        let made = Set(
            try TopicProvisioning.ensure(
                PipelineTopics.consumed(repository), partitions: partitions, retentionDays: retentionDays, on: admin))
        return all.map { ($0, existing[$0] ?? partitions, made.contains($0)) }
    }

    static func text(_ repository: FeatureRepository, _ report: Report) -> String {
        var table = TextTable(["WHAT", "NAME", "DONE"])
        for service in repository.services {
            table.add(["service", service.name, "checked, hash \(service.definitionHash)"])
        }
        for view in repository.views {
            table.add(["view", view.name, "checked, \(view.features.count) features, hash \(repository.streamHash)"])
        }
        for view in repository.onDemandViews {
            table.add(["view", view.name, "checked, \(view.features.count) features"])
        }
        table.add([
            "migrations", report.migrations.isEmpty ? "-" : report.migrations.joined(separator: ", "),
            report.migrations.isEmpty ? "up to date" : "applied",
        ])
        for item in report.tables { table.add(["table", item.name, item.isNew ? "created" : "up to date"]) }
        for topic in report.topics {
            let count = "\(topic.partitions) partition\(topic.partitions == 1 ? "" : "s")"
            table.add(["topic", topic.name, topic.isNew ? "created, \(count)" : "exists, \(count)"])
        }
        return table.text + (report.history.isEmpty ? "" : "\n\n" + report.history)
    }

    static func json(_ repository: FeatureRepository, _ report: Report) -> String {
        var json = JSONWriter()
        json.beginObject()
        json.key("project")
        json.value(repository.project)
        json.key("stream_hash")
        json.value(repository.streamHash)
        json.key("services")
        json.beginObject()
        for service in repository.services {
            json.key(service.name)
            json.value(service.definitionHash)
        }
        json.endObject()
        json.key("changes")
        json.beginArray()
        for change in report.changes { json.value(change) }
        json.endArray()
        json.key("migrations_applied")
        json.beginArray()
        for name in report.migrations { json.value(name) }
        json.endArray()
        json.key("tables")
        json.beginArray()
        for item in report.tables {
            json.beginObject()
            json.key("name")
            json.value(item.name)
            json.key("created")
            json.value(item.isNew)
            json.endObject()
        }
        json.endArray()
        json.key("topics")
        json.beginArray()
        for topic in report.topics {
            json.beginObject()
            json.key("name")
            json.value(topic.name)
            json.key("partitions")
            json.value(topic.partitions)
            json.key("created")
            json.value(topic.isNew)
            json.endObject()
        }
        json.endArray()
        json.endObject()
        return json.text
    }
}
