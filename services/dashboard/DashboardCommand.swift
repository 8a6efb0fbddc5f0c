import FeatureStore
import Foundation
import Observability
import PipelineRuntime
public import ServiceRuntime
import TerminalUI

/// `needletail dashboard`: the terminal front. It reads and never writes: a dashboard too many costs a little work, nothing else.
public struct DashboardCommand: Command {
    public static let name = "dashboard"
    public static let summary = "Watch the stream live: rates, lag, latency, alerts, the model and its drift."
    /// It writes nothing.
    public static let isReadOnly = true
    public static let example = "needletail dashboard --once"
    public static var settings: [any SettingProtocol] {
        [
            Setting.kafkaBootstrapServers, Setting.databaseURL, Setting.redisURL, Setting.featureRepo, apiURL,
            transformURL, produceURL, once, reveal, columns, rows, refreshMillis,
        ]
    }
    public static let details = """
        Keys: q quit, p pause the alerts, arrows choose an alert, Esc back, ? help. Without a terminal, or in a pipe, use --once.
        NO_COLOR is obeyed. Keys and long numbers show their first six and last four characters; --reveal shows them whole.
        """

    static let apiURL = Setting<String>(
        "api-url", default: "http://127.0.0.1:8000", help: "Where the prediction API answers /metrics."
    ).following(.api)
    static let transformURL = Setting<String>(
        "transform-url", default: "http://127.0.0.1:9101", help: "Where `transform` answers /metrics."
    ).following(.transform)
    static let produceURL = Setting<String>(
        "produce-url", default: "http://127.0.0.1:9102", help: "Where `produce` answers /metrics."
    ).following(.produce)
    static let once = Setting<Bool>(
        "once", default: false, help: "Print one frame as text and leave: for pipes.", flagOnly: true)
    static let reveal = Setting<Bool>(
        "reveal", default: false, help: "Show keys and card numbers whole, not their first six and last four.",
        flagOnly: true)
    static let columns = Setting<Int?>("columns", in: 1...1000, help: "Width of the frame of --once.")
    static let rows = Setting<Int>(
        "rows", default: 30, in: 1...1000, help: "Height of the frame of --once.", flagOnly: true)
    static let refreshMillis = Setting<Int>(
        "refresh-millis", default: 1_000, in: 100...60_000, help: "Time between two rounds of asking, in milliseconds.")

    /// It runs until it is stopped.
    public static func hasEnd(_ settings: Settings) -> Bool { false }

    public init() {}

    public func run(_ settings: Settings, _ runtime: ServiceRuntime) async throws {
        let pipeline = try PipelineContext(settings)
        let columns = AlertColumns(pipeline.repository, reveals: settings[Self.reveal])
        let sampler = DashboardSampler(
            project: pipeline.repository.project,
            sources: LiveSources(
                columns: columns, kafka: pipeline.kafkaBootstrapServers, database: pipeline.databaseURL,
                redis: pipeline.redisURL),
            services: [
                ("transform", settings[Self.transformURL]), ("api", settings[Self.apiURL]),
                ("produce", settings[Self.produceURL]),
            ])
        let model = DashboardModel(project: pipeline.repository.project, columns: columns)
        if settings[Self.once] {
            let size = Size(settings[Self.columns] ?? Console.standardOutput.columns, settings[Self.rows])
            try await once(sampler, model, size, runtime)
        } else {
            try await live(sampler, model, refreshMillis: settings[Self.refreshMillis], runtime)
        }
    }

    /// Two rounds a second apart, because a rate needs two; then one frame.
    private func once(
        _ sampler: DashboardSampler, _ start: DashboardModel, _ size: Size, _ runtime: ServiceRuntime
    ) async throws {
        var model = start
        for round in 0..<2 {
            let observation = try await runtime.onThread("sampler") { Self.observe(sampler) }
            update(&model, .observed(observation))
            if round == 0 { _ = await runtime.sleep(millis: 1_000) }
        }
        try runtime.print(view(model, size).lines.joined(separator: "\n"))
    }

    private static func observe(_ sampler: DashboardSampler) -> Observation {
        sampler.observe(
            timeMillis: WallClock.nowMillis(), clockMillis: Int64(WallClock.monotonicNanos() / 1_000_000))
    }

    private func live(
        _ sampler: DashboardSampler, _ model: DashboardModel, refreshMillis: Int, _ runtime: ServiceRuntime
    ) async throws {
        let terminal: Terminal
        do {
            terminal = try Terminal()
        } catch {
            throw CommandError(.usage, "\(error)")
        }
        defer { terminal.restore() }
        let mailbox = Mailbox()
        // Not waited for at the end: it may be in the middle of asking a server that does not answer.
        let sampling = Thread {
            while !runtime.isStopping {
                let started = WallClock.monotonicNanos()
                mailbox.put(Self.observe(sampler))
                let spent = Int((WallClock.monotonicNanos() - started) / 1_000_000)
                usleep(UInt32(max(50, refreshMillis - spent) * 1_000))
            }
        }
        sampling.start()
        let box = Confined(terminal)
        try await runtime.onThread("terminal") { Self.draw(box.value, mailbox, model) }
    }

    private static func draw(_ terminal: Terminal, _ mailbox: Mailbox, _ start: DashboardModel) {
        var model = start
        var isChanged = true
        while !model.isDone {
            // A frame is made when there is something new to show: waiting costs nothing but the wait.
            if isChanged { terminal.show(view(model, terminal.size)) }
            isChanged = false
            switch terminal.wait(timeoutMillis: 100) {
            case .keys(let keys):
                for key in keys { update(&model, .key(key)) }
                isChanged = true
            case .end: return
            case .repaint: isChanged = true
            case .timeout: break
            }
            for observation in mailbox.take() {
                update(&model, .observed(observation))
                isChanged = true
            }
        }
    }
}

/// Hands a value to the one thread that uses it from then on.
private struct Confined<Value>: @unchecked Sendable {  // Used on one thread only, after being handed over.
    let value: Value
    init(_ value: Value) { self.value = value }
}
