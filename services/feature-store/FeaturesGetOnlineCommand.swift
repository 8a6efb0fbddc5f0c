import Compression
import FeatureEngine
import FeatureStore
import JSON
import KafkaClient
import Observability
import PipelineRuntime
import RedisOnlineStore
public import ServiceRuntime

/// `needletail features get-online`: the features of entities as of now, or as of a moment.
public struct FeaturesGetOnlineCommand: Command {
    /// The words that call it.
    public static let name = "features get-online"
    public static let summary = "Read the online features of entities, as a request at this moment would get them."
    /// It writes nothing.
    public static let isReadOnly = true
    public static let example = "needletail features get-online --entity 4992346398065154184 --at 2019-06-01T12:00:00Z"
    /// More lines of help.
    public static let details = """
        Windows are evaluated at --at over the events that the online store has now: a moment before its newest event sees
        only what was before the moment, but nothing older than the retention.

        With --entities there is an entity a line, and with --json an object a line.
        """
    public static let settings: [any SettingProtocol] = [
        entity, entities, at, view, partitions, Setting<String>.featureRepo, Setting<String>.redisURL,
        Setting<String>.kafkaBootstrapServers, FeatureCommandSettings.json,
    ]

    static let entity = Setting<String?>(
        "entity", help: "The entity: the text of its join key.", flagOnly: true, placeholder: "KEY")
    static let entities = Setting<String?>(
        "entities", help: "A file with an entity a line, plain or packed; - is standard input.", flagOnly: true,
        placeholder: "FILE")
    static let at = Setting<String?>(
        "at", help: "The moment: ISO 8601, or milliseconds since 1970; now unless given.", flagOnly: true,
        placeholder: "TIME")
    static let view = Setting<String?>(
        "view", help: "Only this view; all stream views unless given.", flagOnly: true, placeholder: "NAME")
    static let partitions = Setting<Int?>(
        "partitions", in: 1...10_000, help: "Partitions of the topic; Kafka is asked unless given.", flagOnly: true)

    public init() {}

    /// Reads and prints.
    public func run(_ settings: Settings, _ runtime: ServiceRuntime) async throws {
        let pipeline = try PipelineContext(settings)
        pipeline.announce(runtime)
        let repository = pipeline.repository
        let millis = try Self.moment(settings[Self.at], now: WallClock.nowMillis())
        let names = repository.views.map(\.name)
        let views = repository.views.filter { settings[Self.view] == nil || $0.name == settings[Self.view] }
        guard !views.isEmpty else {
            throw CommandError(
                .usage,
                settings[Self.view].map { "there is no stream view \($0); there is \(names.joined(separator: ", "))." }
                    ?? "the feature_repo has no stream view.")
        }
        // A key belongs to one entity.
        guard Set(views.map(\.entityName)).count == 1 else {
            throw CommandError(
                .usage,
                "the views are of different entities: --view says which of \(names.joined(separator: ", ")) the key is of."
            )
        }
        let keys = try Self.keys(settings[Self.entity], file: settings[Self.entities])
        let feeds = ViewFeed.feeds(of: views)
        var counts: [Int] = []
        for feed in feeds {
            counts.append(try await Self.partitionCount(feed.topic, pipeline, settings[Self.partitions], runtime))
        }
        let url = pipeline.redisURL
        try await runtime.waiting(for: "Redis") {
            try await runtime.onThread("connect") { try RedisOnlineStore(url: url).close() }
        }
        let (isJSON, partitions) = (settings[FeatureCommandSettings.json], counts)
        try await runtime.onThread("get-online") {
            let reader = OnlineEntityReader(repository, try RedisOnlineStore(url: url))
            for start in stride(from: 0, to: keys.count, by: OnlineEntityReader.batch) {
                guard !runtime.isStopping else { throw runtime.stopped("\(start) of \(keys.count) entities were read") }
                let some = Array(keys[start..<min(keys.count, start + OnlineEntityReader.batch)])
                var answers: [[OnlineAnswer]] = some.map { _ in [] }
                for (feed, count) in zip(feeds, partitions) {
                    let states = try reader.read(some, feed, partitions: count)
                    for index in some.indices {
                        answers[index] += states[index].map { $0.answer(atMillis: millis, topic: feed.topic) }
                    }
                }
                for (index, key) in some.enumerated() {
                    if !isJSON, start + index > 0 { try runtime.print("") }
                    try runtime.print(
                        isJSON
                            ? OnlineAnswer.json(key, millis, answers[index])
                            : OnlineAnswer.text(key, millis, answers[index]))
                }
            }
        }
    }

    /// The entities that were asked for; throws the line of one that is none.
    static func keys(_ entity: String?, file: String?) throws(CommandError) -> [String] {
        switch (entity, file) {
        case (let entity?, nil): return [entity]
        case (nil, let file?):
            let bytes: [UInt8]
            do throws(CompressionError) { bytes = try ByteSource.open(file).readAll() } catch {
                throw CommandError(.noInput, "\(error).")
            }
            var keys: [String] = []
            for (index, line) in bytes.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated() {
                let key = line.last == 0x0D ? line.dropLast() : line
                guard !key.isEmpty else { continue }
                if let problem = KeyRule.problem(key.span) {
                    throw CommandError(.dataError, "\(file), line \(index + 1): the entity \(problem).")
                }
                keys.append(String(decoding: key, as: UTF8.self))
            }
            return keys
        default: throw CommandError(.usage, "give --entity KEY or --entities FILE.")
        }
    }

    static func moment(_ text: String?, now: Int64) throws(CommandError) -> Int64 {
        guard let text else { return now }
        for format in [EventTimeFormat.unixMillis, .iso8601] {
            if let millis = format.millis(Array(text.utf8).span) { return millis }
        }
        throw CommandError(
            .usage, "--at \"\(text)\" is no moment: write 2019-06-01T12:00:00Z, or milliseconds since 1970.")
    }

    /// The number of a topic's partitions: the one given, or Kafka's.
    static func partitionCount(
        _ topic: String, _ pipeline: PipelineContext, _ given: Int?, _ runtime: ServiceRuntime
    ) async throws -> Int {
        if let given { return given }
        let servers = pipeline.kafkaBootstrapServers
        let count = try await runtime.waiting(for: "Kafka at \(servers)") {
            try await runtime.onThread("partitions") {
                let admin = try KafkaAdmin(bootstrapServers: servers)
                try admin.waitUntilReachable(timeoutMillis: 2_000)
                return try admin.partitionCount(topic: topic)
            }
        }
        guard let count else {
            throw CommandError(.unavailable, "Kafka has no topic \(topic): run `needletail features apply`.")
        }
        return count
    }
}

/// One view's features of one entity, and the place in the log they are of.
struct OnlineAnswer: Sendable {
    let view: StreamView
    let vector: FeatureVector
    /// The state's position, nil where nothing is certain: its blob was lost or damaged, or a rebuild is not done.
    let generation: UInt64?
    let offset: Int64?
    let events: Int?
    let topic: String
    let partition: Int
    let nextOffset: Int64
    /// Whether a request at this moment would be answered without this view.
    var isDegraded: Bool { offset == nil }

    static func text(_ entity: String, _ millis: Int64, _ answers: [OnlineAnswer]) -> String {
        var blocks: [String] = []
        for answer in answers {
            var table = TextTable(["FEATURE", "VALUE"])
            for (slot, feature) in answer.view.features.enumerated() {
                table.add([feature.name, answer.value(slot) ?? "missing"])
            }
            var position = "none, degraded: its state is not certain now"
            if let offset = answer.offset, let generation = answer.generation {
                position = "\(offset < 0 ? "none" : "offset \(offset)"), generation \(generation)"
            }
            blocks.append(
                """
                view        \(answer.view.name)
                entity      \(answer.view.entityName) \(TerminalText.visible(entity))
                at          \(CivilTime.iso8601(millis))
                events      \(answer.events.map(String.init) ?? "unknown")
                state as of \(position)
                log         \(answer.topic)/\(answer.partition), read up to offset \(answer.nextOffset)

                \(table.text)
                """)
        }
        return blocks.joined(separator: "\n\n")
    }

    private func value(_ slot: Int) -> String? {
        if view.kinds[slot] == .category { return vector.texts[slot] }
        return vector.numbers[slot].isNaN ? nil : "\(vector.numbers[slot])"
    }

    static func json(_ entity: String, _ millis: Int64, _ answers: [OnlineAnswer]) -> String {
        var json = JSONWriter()
        json.beginObject()
        json.key("entity")
        json.value(entity)
        json.key("at")
        json.value(millis)
        json.key("views")
        json.beginObject()
        for answer in answers {
            json.key(answer.view.name)
            json.beginObject()
            json.key("features")
            json.beginObject()
            for (slot, feature) in answer.view.features.enumerated() {
                json.key(feature.name)
                if answer.view.kinds[slot] == .category {
                    json.value(answer.vector.texts[slot])
                } else {
                    json.value(answer.vector.numbers[slot])
                }
            }
            json.endObject()
            json.key("generation")
            if let generation = answer.generation { json.value(generation) } else { json.null() }
            json.key("topic")
            json.value(answer.topic)
            json.key("partition")
            json.value(answer.partition)
            json.key("offset")
            if let offset = answer.offset { json.value(offset) } else { json.null() }
            json.key("next_offset")
            json.value(answer.nextOffset)
            json.key("degraded")
            json.value(answer.isDegraded)
            json.endObject()
        }
        json.endObject()
        json.endObject()
        return json.text
    }
}
