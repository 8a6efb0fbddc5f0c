import FeatureStore
import JSON
import Observability
import PipelineRuntime
import PostgresOfflineStore
public import ServiceRuntime

/// `needletail features rollout`: from edited definitions to a model that serves them, beside what runs.
public struct FeaturesRolloutCommand: Command {
    /// The words that call it.
    public static let name = "features rollout"
    public static let summary =
        "Put edited definitions to work beside what runs: backfill, train, compare, switch. `features rollback` takes it back."
    public static let example = "needletail features rollout"
    /// More lines of help.
    public static let details = """
        Applies the definitions, computes the features of all stored events anew, trains a model of each service and compares
        it with the champion on the same rows, each on its own features of them. Up to here nothing that runs has changed; a
        model that is not promoted ends it (65) unless --force is given.

        Then it switches: transform, which looks for it every two seconds, ends and is started again by its supervisor with
        the new definitions, fills their online state from the stored events and goes on; serve answers on with the old model
        and the old state meanwhile, and takes the new model, with the definitions kept beside it, once the state is whole. No
        request fails. Rows that the old transform wrote in between are computed anew at the end.

        Where a second person has to agree to a champion (PROMOTION_APPROVAL), it needs somebody who agrees to what it
        trains: --approve=false. A rollout that was stopped or failed is begun anew by the same command. Topics, keys and
        partitioners cannot be rolled out: they need a new topic and store.
        """
    public static let settings: [any SettingProtocol] = [
        force, wait, Setting<Bool>.needsApproval, Setting<String>.featureRepo, Setting<String>.databaseURL,
        Setting<String>.redisURL, Setting<String>.kafkaBootstrapServers, Setting<String>.modelDirectory,
        Setting<Int>.topicPartitions, Setting<Int>.topicRetentionDays,
    ]

    static let force = Setting<Bool>(
        "force", default: false, help: "Switch whatever the comparison of the models says.", flagOnly: true)
    static let wait = Setting<Int>(
        "wait-seconds", default: 600, in: 1...86_400,
        help: "How long to wait for transform to have filled the new state.",
        flagOnly: true)

    public init() {}

    /// Rolls out.
    public func run(_ settings: Settings, _ runtime: ServiceRuntime) async throws {
        guard !settings[Setting<Bool>.needsApproval] else {
            throw CommandError(
                .noPermission,
                "a second person has to agree to a champion (PROMOTION_APPROVAL): whoever agrees to what this trains runs it with --approve=false."
            )
        }
        let pipeline = try PipelineContext(settings)
        pipeline.announce(runtime)
        let history = try DefinitionHistory(pipeline.repository, folder: settings[.featureRepo])
        let rollout = Rollout(pipeline, history, settings, runtime)
        try await rollout.requireSameLogs()
        try await rollout.step("applying the definitions", run: ["features", "apply"])
        let set = try await rollout.appliedSet()
        try await rollout.step(
            "computing the features of the stored events", run: ["backfill", "--from-store", "--to-store"])
        var models: [Rollout.Model] = []
        let forces = settings[Self.force]
        for service in pipeline.repository.services.map(\.name) {
            let model = try await rollout.step("training \(service)") { child in
                try Self.train(service, child, forces: forces)
            }
            models.append(model)
        }
        try await rollout.switchOver(to: set, models: models)
        try runtime.print("Rolled out; `needletail features rollback` takes it back.")
    }

    /// Trains without promoting; the model, or the sentence why it is not to serve.
    private static func train(
        _ service: String, _ child: ChildCommand, forces: Bool
    ) throws -> (said: String, result: Rollout.Model) {
        let output = try child.run(["train", "--from-store", "--service", service, "--no-promote", "--json"]).output
        let tree = try? JSONTree.parse(output)
        guard let verdict = tree?["verdict"]?.string, let reason = tree?["reason"]?.string,
            let directory = tree?["directory"]?.string
        else { throw CommandError(.software, "`needletail train` printed what cannot be read.") }
        guard verdict == "promoted" || forces else {
            throw CommandError(
                .dataError,
                "the model of \(service) in \(directory) is not put to work: \(reason). What runs goes on as it was; --force switches all the same."
            )
        }
        let why = verdict == "promoted" ? reason : "by --force, although \(reason)"
        return (reason, Rollout.Model(service: service, directory: directory, reason: why))
    }
}

/// `needletail features rollback`: the definitions and models before the last rollout.
public struct FeaturesRollbackCommand: Command {
    /// The words that call it.
    public static let name = "features rollback"
    public static let summary = "Take the last rollout back: the definitions and the models that served before it."
    public static let example = "needletail features rollback"
    /// More lines of help.
    public static let details = """
        The files of the definitions before go back into --feature-repo; those that are there now are kept in a folder
        .taken-back within it. transform begins anew with them and catches up from where their online state was left; the models
        of then are the champions again. It needs nobody else. One that was cut off goes on by the same command.
        """
    public static let settings: [any SettingProtocol] = FeaturesRolloutCommand.settings.filter {
        $0.name != FeaturesRolloutCommand.force.name && $0.name != Setting<Bool>.needsApproval.name
    }

    public init() {}

    /// Rolls back.
    public func run(_ settings: Settings, _ runtime: ServiceRuntime) async throws {
        let folder = settings[.featureRepo as Setting<String>]
        let now = try PipelineContext(settings)
        now.announce(runtime)
        let found = try await runtime.waiting(for: "Postgres") {
            try await runtime.onThread("rollback") { () -> (DefinitionRollout, StoredDefinitions)? in
                let store = try PostgresOfflineStore(url: now.databaseURL)
                try store.migrate()
                let ledger = DefinitionLedger(store.connection, project: now.repository.project)
                guard let before = RollbackChoice.before(try ledger.rollouts()),
                    let set = try ledger.set(before.setID)
                else { return nil }
                return (before, set)
            }
        }
        guard let (before, set) = found else {
            throw CommandError(.dataError, "there is no rollout to take back: none was made with other definitions.")
        }
        // Begun again, it finds them there, and what it kept the first time stays.
        if Set(try DefinitionHistory(now.repository, folder: folder).files) != Set(set.files) {
            try DefinitionFolder.replace(folder, with: set.files)
        }
        let pipeline = try PipelineContext(settings)
        let history = try DefinitionHistory(pipeline.repository, folder: folder)
        let rollout = Rollout(pipeline, history, settings, runtime)
        let modelsFolder = settings[.modelDirectory as Setting<String>]
        let models = before.champions.sorted { $0.key < $1.key }.map { service, version in
            Rollout.Model(
                service: service, directory: "\(modelsFolder)/\(version)", reason: "by `features rollback`")
        }
        try await rollout.switchOver(to: set.id, models: models)
        try runtime.print(
            "Taken back: the definitions of \(folder) are those before the rollout, and so are the models.")
    }
}
