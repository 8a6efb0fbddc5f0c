import FeatureStore
import Foundation
import Observability
import PipelineRuntime
import ServiceRuntime
import TerminalUI

/// What every way of showing the dashboard begins with: the model, whom to ask, and how it is to look.
struct DashboardSession: Sendable {
    let model: DashboardModel
    let sampler: DashboardSampler
    let worker: DetailWorker.Settings
    let refreshMillis: Int
    /// The size of a frame that is printed.
    let size: Size
    /// Nil asks the terminal.
    let depth: ColourDepth?
    let glyphs: Glyphs
    let theme: Theme?

    init(_ settings: Settings) throws {
        let pipeline = try PipelineContext(settings)
        let columns = PredictionColumns(pipeline.repository, reveals: settings[DashboardCommand.reveal])
        sampler = DashboardSampler(
            project: pipeline.repository.project,
            sources: LiveSources(
                columns: columns, kafka: pipeline.kafkaBootstrapServers, database: pipeline.databaseURL,
                redis: pipeline.redisURL),
            services: [
                ("transform", settings[DashboardCommand.transformURL]), ("api", settings[DashboardCommand.apiURL]),
                ("produce", settings[DashboardCommand.produceURL]),
            ], schedule: settings[DashboardCommand.scheduleURL])
        worker = DetailWorker.Settings(
            repository: pipeline.repository, columns: columns, database: pipeline.databaseURL,
            redis: pipeline.redisURL, kafka: pipeline.kafkaBootstrapServers, models: settings[.modelDirectory],
            logs: settings[DashboardCommand.logs], auditShare: settings[DashboardCommand.auditShare],
            reviewer: settings[DashboardCommand.reviewer], isReadOnly: settings[DashboardCommand.readOnly])
        refreshMillis = settings[DashboardCommand.refreshMillis]
        size = Size(
            settings[DashboardCommand.columns] ?? Console.standardOutput.columns, settings[DashboardCommand.rows])
        depth = ColourDepth(rawValue: settings[DashboardCommand.color].rawValue)
        glyphs = Glyphs(rawValue: settings[DashboardCommand.glyphs].rawValue) ?? Terminal.localeGlyphs
        let name = settings[DashboardCommand.theme].rawValue
        theme = Theme.all.first { $0.name == name }
        var model = DashboardModel(
            project: pipeline.repository.project, columns: columns, screen: settings[DashboardCommand.screen])
        if let index = Theme.all.firstIndex(where: { $0.name == name }) { model.choose(theme: index) }
        self.model = model
    }

    /// Keys are shown whole only where it can be noted who asked for it.
    func noteReveal() throws {
        do {
            try DetailWorker(worker).noteReveal()
        } catch {
            throw CommandError(
                .unavailable, "--reveal is noted in the journal of cases, and that cannot be done now: \(error).")
        }
    }

    func observe() -> DashboardEvent {
        .observed(
            sampler.observe(
                timeMillis: WallClock.nowMillis(), clockMillis: Int64(WallClock.monotonicNanos() / 1_000_000)))
    }

    /// Rounds of asking every part until `body` has enough, from beginning to beginning so many ms apart.
    private func rounds(
        _ runtime: ServiceRuntime, everyMillis: Int, _ body: (DashboardEvent, Int) throws -> Bool
    ) async throws {
        for round in 0... {
            let started = WallClock.monotonicNanos()
            let observed = try await runtime.onThread("sampler") { observe() }
            guard try body(observed, round) else { return }
            let spentMillis = Int((WallClock.monotonicNanos() - started) / 1_000_000)
            guard await runtime.sleep(millis: max(50, everyMillis - spentMillis)) else { return }
        }
    }

    /// What is printed once needs two rounds, because a rate does; an impatient user may have them closer together.
    private var onceMillis: Int { min(1_000, refreshMillis) }

    /// One frame. The screen's question is asked once, at its end.
    func frame(_ runtime: ServiceRuntime) async throws -> Screen {
        var model = model
        try await rounds(runtime, everyMillis: onceMillis) { observed, round in
            update(&model, observed)
            return round == 0
        }
        if let question = model.question {
            let answer = try await runtime.onThread("worker") { DetailWorker(worker).answer(question) }
            update(&model, .answered(question, answer, timeMillis: WallClock.nowMillis()))
        }
        return view(model, size)
    }

    /// Prints what `text` makes of each round but the first, until it is stopped; with `isOnce` of the second round only.
    func print(
        _ runtime: ServiceRuntime, isOnce: Bool, _ text: (DashboardModel, DashboardModel?) -> [String]
    ) async throws {
        var (model, before) = (model, nil as DashboardModel?)
        try await rounds(runtime, everyMillis: isOnce ? onceMillis : refreshMillis) { observed, round in
            update(&model, observed)
            guard round > 0 else { return true }
            for line in text(model, before) { try runtime.print(line) }
            before = model
            return !isOnce
        }
    }
}
