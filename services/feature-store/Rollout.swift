import FeatureEngine
import FeatureStore
import Foundation
import Observability
import Pipeline
import PipelineRuntime
import PostgresClient
import PostgresOfflineStore
import RedisOnlineStore
import ServiceRuntime

/// The steps that a rollout and its taking back share.
struct Rollout: Sendable {
    /// A model that is to serve.
    struct Model: Sendable {
        let service: String
        /// Its folder.
        let directory: String
        /// Why, for the history.
        let reason: String
    }

    private let repository: FeatureRepository
    private let databaseURL: String
    private let redisURL: String
    private let modelsFolder: String
    private let history: DefinitionHistory
    private let environment: [String: String]
    private let waitSeconds: Int
    private let child: ChildCommand
    private let runtime: ServiceRuntime

    init(_ pipeline: PipelineContext, _ history: DefinitionHistory, _ settings: Settings, _ runtime: ServiceRuntime) {
        repository = pipeline.repository
        databaseURL = pipeline.databaseURL
        redisURL = pipeline.redisURL
        modelsFolder = settings[.modelDirectory as Setting<String>]
        waitSeconds = settings[FeaturesRolloutCommand.wait]
        environment = settings.environment
        child = ChildCommand(settings, runtime)
        (self.history, self.runtime) = (history, runtime)
    }

    /// Runs one step, and says what it said.
    @discardableResult func step<Result: Sendable>(
        _ title: String, _ body: @escaping @Sendable (ChildCommand) throws -> (said: String, result: Result)
    ) async throws -> Result {
        runtime.log.info("rollout", ["step": title])
        let child = child
        let (said, result) = try await runtime.onThread("rollout") { try body(child) }
        let last = said.split(separator: "\n").last.map(String.init) ?? ""
        if !last.isEmpty { runtime.log.info("rollout", ["step": title, "result": last]) }
        return result
    }

    /// Runs one command of this program as a step.
    func step(_ title: String, run words: [String]) async throws {
        try await step(title) { child in (try child.run(words).output, ()) }
    }

    private func onStore<Result: Sendable>(
        _ body: @escaping @Sendable (PostgresOfflineStore) throws -> Result
    ) async throws -> Result {
        let url = databaseURL
        return try await runtime.waiting(for: "Postgres") {
            try await runtime.onThread("rollout") {
                let store = try PostgresOfflineStore(url: url, limits: .bulk)
                try store.migrate()
                return try body(store)
            }
        }
    }

    /// Refuses what no computing anew can bring about: another topic, key or partitioner.
    func requireSameLogs() async throws {
        let (history, environment) = (history, environment)
        let changes = try await onStore { try history.compare($0, environment: environment).changes ?? [] }
        let fixed = [": topic", ": key", ": partitioner"]
        if let change = changes.first(where: { change in
            change.before != nil && change.what.hasPrefix("source ") && fixed.contains { change.what.hasSuffix($0) }
        }) {
            throw CommandError(
                .configuration,
                "\(change): what was stored lies by the old one. Read a new topic with a new store instead.")
        }
    }

    /// The set that the folder's definitions are, once they were applied.
    func appliedSet() async throws -> Int64 {
        let (history, environment) = (history, environment)
        return try await onStore { try history.record($0, environment: environment).id }
    }

    /// Puts a set to work: notes it, waits for a transform that has its online state whole, makes the models champions, and computes
    /// the rows anew that others wrote meanwhile.
    func switchOver(to set: Int64, models: [Model]) async throws {
        let (history, services) = (history, repository.services.map(\.name))
        let environment = environment
        try await onStore { store in
            let ledger = history.ledger(store)
            // What serves until now is what a rollback brings back.
            let registry = ModelRegistry(store.connection, modelsFolder: "")
            if try ledger.rollouts(limit: 1).isEmpty,
                let before = try Self.served(before: set, ledger, registry, environment)
            {
                try ledger.rollOut(before, by: DefinitionHistory.who)
            }
            if let last = try ledger.rollouts(limit: 1).first, last.setID != set {
                try ledger.note(champions: Self.champions(of: services, registry), of: last)
            }
            try ledger.rollOut(set, by: DefinitionHistory.who)
        }
        runtime.log.info("rollout", ["step": "waiting for transform to fill the online state"])
        try await waitForState()
        for model in models {
            try await step(
                "making \(model.directory) the champion of \(model.service)",
                run: [
                    "models", "register", model.directory, "--service", model.service, "--force", "--approve=false",
                    "--reason=\(model.reason)",
                ])
        }
        try await onStore { store in
            let ledger = history.ledger(store)
            let registry = ModelRegistry(store.connection, modelsFolder: "")
            guard let last = try ledger.rollouts(limit: 1).first else { return }
            try ledger.note(champions: Self.champions(of: services, registry), of: last)
        }
        try await step(
            "computing the features of events that came meanwhile", run: ["backfill", "--from-store", "--to-store"])
    }

    /// The set that runs before the first rollout: the newest under whose definitions a champion was trained, else the newest.
    private static func served(
        before set: Int64, _ ledger: DefinitionLedger, _ registry: ModelRegistry, _ environment: [String: String]
    ) throws -> Int64? {
        let sets = try ledger.sets(before: set)
        for id in sets {
            guard let files = try ledger.set(id)?.files.map({ (file: $0.name, text: $0.text) }),
                let repository = try? FeatureRepository.load(files: files, environment: environment, called: "applied")
            else { continue }
            for service in repository.services
            where try registry.champion(of: service.name)?.definitionHash == service.definitionHash { return id }
        }
        return sets.first
    }

    private static func champions(of services: [String], _ registry: ModelRegistry) throws -> [String: Int64] {
        var versions: [String: Int64] = [:]
        for service in services { versions[service] = try registry.champion(of: service)?.version }
        return versions
    }

    /// A partition, and the position its online state must reach.
    private struct End: Sendable {
        let topic: String
        let partition: Int
        let next: Int64
    }

    /// Waits until the online state of these definitions holds all that is stored now, by every key.
    private func waitForState() async throws {
        let deadline = WallClock.monotonicNanos() + UInt64(waitSeconds) * 1_000_000_000
        let feeds = repository.feeds
        let own = try await ends(of: feeds.filter { !$0.isRekeyed }.map(\.topic))
        try await wait(for: own, until: deadline)
        let rekeyed = feeds.filter(\.isRekeyed)
        guard !rekeyed.isEmpty else { return }
        // Transform brings the stored events to the topics of their other keys, where they get places.
        try await poll(until: deadline, of: own.count) {
            try await onStore { store in
                try rekeyed.allSatisfy { feed in
                    let ranges = own.filter { $0.topic == feed.source.topic }.map { end in
                        let before = LogPosition(
                            topic: end.topic, partition: Int32(truncatingIfNeeded: end.partition), offset: end.next)
                        return (before: before, from: Int64(0))
                    }
                    var isWhole = true
                    try store.scanMissing(on: feed, in: ranges, limit: 1) { _, _ in isWhole = false }
                    return isWhole
                } ? 0 : own.count
            }
        }
        try await wait(for: ends(of: rekeyed.map(\.topic)), until: deadline)
    }

    private func ends(of topics: [String]) async throws -> [End] {
        try await onStore { store in
            try PartitionLedger.nextOffsets(on: store.connection).filter { topics.contains($0.stored.topic) }.map {
                End(topic: $0.stored.topic, partition: Int($0.stored.partition), next: $0.stored.offset + $0.base)
            }
        }
    }

    private func wait(for ends: [End], until deadline: UInt64) async throws {
        let (repository, redisURL) = (repository, redisURL)
        try await poll(until: deadline, of: ends.count) {
            try await runtime.waiting(for: "Redis") {
                try await runtime.onThread("rollout") {
                    let redis = try RedisOnlineStore(url: redisURL)
                    return try ends.count { end in
                        let key = OnlineKeys.watermark(
                            hash8: repository.hash8, topic: end.topic, partition: end.partition)
                        let (watermark, _) = try redis.read(watermarkKey: key, blobKeys: [])
                        return watermark.map { $0.nextOffset < end.next || $0.nextOffset < $0.target } ?? true
                    }
                }
            }
        }
    }

    /// Asks again and again how many partitions are behind, until none is.
    private func poll(until deadline: UInt64, of total: Int, _ behind: () async throws -> Int) async throws {
        while true {
            let behind = try await behind()
            if behind == 0 { return }
            guard WallClock.monotonicNanos() < deadline else {
                throw CommandError(
                    .temporaryFailure,
                    "no transform has filled the online state of these definitions (\(behind) of \(total) partitions lack it): start transform with them and run this again; the old model serves on."
                )
            }
            guard await runtime.sleep(millis: 250) else { throw runtime.stopped("the models were not switched") }
        }
    }
}
