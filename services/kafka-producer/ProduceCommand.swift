internal import FeatureEngine
internal import FeatureStore
import Foundation
internal import AdminServer
internal import KafkaClient
internal import Observability
internal import PipelineRuntime
public import ServiceRuntime

/// Replays a CSV file into Kafka.
public struct ProduceCommand: Command {
    public static let name = "produce"
    public static let summary =
        "Replay a CSV file of transactions into Kafka at a chosen speed; their labels follow later."
    public static let example = "needletail produce --input var/transactions.csv.zst --speed 500 --loop"
    /// More lines of help.
    public static let details = """
        Without --rate or --speed it sends as fast as it can. An event never goes out before its time: a replay that
        has caught up with the present goes on in real time.

        With --state a stopped or killed run goes on where it was: everything before the state is acknowledged. A
        killed run may send the last seconds again, with the same event ids, which the transformer drops.

        A row that is no event is named with its line; at the end the command then exits with 65 unless --allow-malformed
        is given. Stopped before the end it exits with 75, with --loop with 0.

        A label is sent when the newest event time read reaches the label's time (event time plus the source's delay),
        never early: labels that are not known when the input ends wait in the state.
        """
    public static let settings: [any SettingProtocol] = [
        input, rate, speed, limit, loop, fromRow, state, allowMalformed, score, scoreKey, loopTimeFields, sourceName,
        .topicPartitions, .topicRetentionDays, .kafkaBootstrapServers, .featureRepo, .adminPort,
    ]

    static let input = Setting<String>(
        required: "input", help: "The CSV file (.gz and .zst are unpacked), or - for standard input.", flagOnly: true,
        placeholder: "FILE|-")
    static let rate = Setting<Double?>(
        "rate", in: 0.001...10_000_000, help: "Events a second.", flagOnly: true, placeholder: "N")
    static let speed = Setting<SpeedFactor>(
        "speed", default: SpeedFactor(factor: nil),
        help: "How many times as fast as the clock event time passes; max is as fast as possible.", flagOnly: true)
    static let limit = Setting<Int?>(
        "limit", in: 1...Int.max, help: "Most rows to read in this run.", flagOnly: true, placeholder: "N")
    static let loop = Setting<Bool>(
        "loop", default: false,
        help: "Begin anew at the end: pass n is n spans (rounded up to weeks) later, its ids end in -n.", flagOnly: true
    )
    static let fromRow = Setting<Int>(
        "from-row", default: 1, in: 1...Int.max, help: "The row to begin with, where the state does not say it.",
        flagOnly: true, placeholder: "N")
    static let state = Setting<String?>(
        "state", help: "The file that remembers where to go on.", flagOnly: true, placeholder: "FILE")
    static let allowMalformed = Setting<Bool>(
        "allow-malformed", default: false, help: "Succeed although rows of the file are no events.", flagOnly: true)
    static let score = Setting<String?>(
        "score", help: "Ask this prediction API about each event just before it is sent.", flagOnly: true,
        placeholder: "URL")
    static let scoreKey = Setting<String?>(
        "score-api-key", help: "The prediction API's key.", secret: true, placeholder: "KEY")
    static let loopTimeFields = Setting<String>(
        "loop-time-fields", default: "unix_time",
        help: "Integer fields beside the event time that hold Unix times and move with the passes.", flagOnly: true,
        placeholder: "NAMES")
    static let sourceName = Setting<String?>(
        "source", help: "The source of the feature repository, when it has several.", flagOnly: true,
        placeholder: "NAME")

    /// Only a run that is to end has an end.
    public static func hasEnd(_ settings: Settings) -> Bool { !settings[loop] }

    public init() {}

    /// Produces until the input ends or the program is asked to stop.
    public func run(_ settings: Settings, _ runtime: ServiceRuntime) async throws {
        var options = try Self.options(settings)
        let score = try settings[Self.score].map { url in
            guard let endpoint = ScoreEndpoint(url) else {
                throw CommandError(.usage, "--score \(url) is no http://host:port address.")
            }
            return endpoint
        }
        let pipeline = try PipelineContext(settings)
        pipeline.announce(runtime)
        let schema = try pipeline.source(named: settings[Self.sourceName])
        let metrics = ReplayMetrics(runtime.metrics)
        let admin = try settings[.adminPort as Setting<Int?>].map { port in
            try AdminServer(port: port, metrics: runtime.metrics) { .ready }
        }
        defer { admin?.stop() }
        let counts = try await Self.prepareTopics(schema, settings, runtime)
        options.eventPartitions = counts.events
        options.labelPartitions = counts.labels

        let log = runtime.log
        let producer = try KafkaProducer(
            KafkaProducerConfiguration(bootstrapServers: settings[.kafkaBootstrapServers as Setting<String>]),
            onLog: { log.debug("librdkafka", ["facility": $0.facility, "text": $0.message]) })
        if options.input == "-" { try StoppableInput.install(runtime) }
        let key = settings[Self.scoreKey]
        let final = options
        let summary: ReplaySummary
        do {
            summary = try await runtime.onThread("produce") {
                let client = score.map { ScoreClient($0, apiKey: key) }
                return try ReplayProducer(
                    final, schema: schema, producer: producer, runtime: runtime, metrics: metrics, score: client
                ).run()
            }
        } catch let error as KafkaError {
            throw CommandError(.software, "\(error). Start produce again; with --state it goes on where it was.")
        }
        // Among JSON lines it is one.
        if runtime.log.isJSON {
            runtime.log.info("replay ended", ["summary": summary.text])
        } else {
            try runtime.print(summary.text)
        }
        try Self.judge(summary, options)
    }

    /// The exit code of a run.
    package static func judge(_ summary: ReplaySummary, _ options: ReplayOptions) throws(CommandError) {
        if let failure = summary.inputFailure { throw failure }
        if let failure = summary.failure {
            throw CommandError(.unavailable, "Kafka does not take the events: \(failure).")
        }
        if summary.failed > 0 {
            throw CommandError(.dataError, "\(summary.failed) records were not sent; the log names their lines.")
        }
        if summary.unacknowledged > 0, options.stateFile == nil {
            throw CommandError(
                .temporaryFailure, "\(summary.unacknowledged) records were not acknowledged before the stop.")
        }
        if summary.read > 0, summary.malformed == summary.read {
            throw CommandError(.dataError, "no row of \(options.input) is an event; the log names what is wrong.")
        }
        if summary.isStopped {
            // A loop without a limit ends by no other way.
            guard !options.loops else { return }
            let place = options.stateFile.map { "start it again with --state \($0) for the rest" }
            throw CommandError(
                .temporaryFailure,
                "stopped before the end, after \(summary.read) rows; \(place ?? "--state FILE would remember the place")."
            )
        }
        if summary.malformed > 0, !options.allowsMalformed {
            throw CommandError(
                .dataError,
                "\(summary.malformed) of \(summary.read) rows of \(options.input) are no events and were not sent; the log names their lines. --allow-malformed takes that as it is."
            )
        }
    }

    static func options(_ settings: Settings) throws(CommandError) -> ReplayOptions {
        var options = ReplayOptions(input: settings[input], eventPartitions: 1)
        if let rate = settings[rate] {
            guard settings[speed].factor == nil else {
                throw CommandError(.usage, "--rate and --speed exclude each other.")
            }
            options.speed = .rate(rate)
        } else if let factor = settings[speed].factor {
            options.speed = .eventTime(factor)
        }
        options.limit = settings[limit].map(Int64.init)
        options.loops = settings[loop]
        guard !(options.loops && options.input == "-") else {
            throw CommandError(.usage, "--loop needs a file: standard input cannot be read twice.")
        }
        options.skippedRows = Int64(settings[fromRow] - 1)
        options.stateFile = settings[state]
        options.allowsMalformed = settings[allowMalformed]
        if let path = options.stateFile {
            let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
            guard FileManager.default.isWritableFile(atPath: folder) else {
                throw CommandError(
                    .cannotCreate, "--state \(path): the folder \(folder) is missing or cannot be written.")
            }
        }
        options.timeFields = settings[loopTimeFields].split(separator: ",").map {
            $0.trimmingCharacters(in: .whitespaces)
        }
        if options.input != "-", !FileManager.default.isReadableFile(atPath: options.input) {
            throw CommandError(.noInput, "\(options.input) cannot be read.")
        }
        return options
    }

    /// Makes the topics where they are missing, and asks how many partitions they have.
    private static func prepareTopics(
        _ schema: SourceSchema, _ settings: Settings, _ runtime: ServiceRuntime
    ) async throws -> (events: Int, labels: Int?) {
        let servers = settings[.kafkaBootstrapServers as Setting<String>]
        let admin = try KafkaAdmin(bootstrapServers: servers)
        let names = [schema.topic] + (schema.label.map { [$0.topic] } ?? [])
        let (partitions, days) = (
            settings[.topicPartitions as Setting<Int>], settings[.topicRetentionDays as Setting<Int>]
        )
        return try await runtime.waiting(for: "Kafka at \(servers)") {
            try await runtime.onThread("topics") {
                try admin.waitUntilReachable(timeoutMillis: 2_000)
                try TopicProvisioning.ensure(names, partitions: partitions, retentionDays: days, on: admin)
                let counts = try admin.topics(timeoutMillis: 5_000)
                guard let events = counts[schema.topic] else {
                    throw KafkaError.retriable(code: 3, reason: "the topic \(schema.topic) is not there yet")
                }
                if let topic = schema.label?.topic, counts[topic] == nil {
                    throw KafkaError.retriable(code: 3, reason: "the topic \(topic) is not there yet")
                }
                return (events, schema.label.flatMap { counts[$0.topic] })
            }
        }
    }
}
