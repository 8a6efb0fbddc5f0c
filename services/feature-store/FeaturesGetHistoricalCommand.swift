import FeatureEngine
import FeatureStore
import Observability
import PipelineRuntime
import PostgresClient
import PostgresOfflineStore
public import ServiceRuntime

/// `needletail features get-historical`: a service's features of any entities at any moments.
public struct FeaturesGetHistoricalCommand: Command {
    /// The words that call it.
    public static let name = "features get-historical"
    public static let summary = "Join a file of entities and moments with their features at those moments, exactly."
    /// It writes nothing but its output.
    public static let isReadOnly = true
    public static let example =
        "needletail features get-historical --entities cards.csv --service fraud_v1 --labels --output training.csv.zst"
    /// More lines of help.
    public static let details = """
        The file has a header and one row an entity and moment: the join key under its name, and event_timestamp (ISO 8601; UTC
        unless it says otherwise) or the source's own time column. What a service takes from the request (amounts, places) are
        columns too. Everything the file has comes out again, in its order, with the features behind it; a missing one is empty.

        A moment sees the events before it that had been stored up to then: all of the entity's events with an earlier time. Where
        the entity has an event at this very moment, it is what the stream computed for that event: of the first, or of the one
        that the file names under the source's event id. An entity without events has the features of a new one.

        --labels adds the label of the event that a row names; one that had not arrived at the newest stored event is no label yet.
        """
    public static let settings: [any SettingProtocol] = [
        entities, service, output, format, labels, allowMissingColumns, Setting<String>.featureRepo,
        Setting<String>.databaseURL,
    ]

    static let entities = Setting<String>(
        required: "entities", help: "CSV of entities and moments, plain or packed; - is standard input.",
        flagOnly: true, placeholder: "FILE")
    static let service = Setting<String?>(
        "service", help: "The feature service; the only one unless given.", flagOnly: true, placeholder: "NAME")
    static let output = Setting<String>(
        "output", default: "-", help: "Where the rows go, packed by the name's ending; - is standard output.",
        flagOnly: true, placeholder: "FILE")
    static let format = Setting<HistoricalFormat>(
        "format", default: .csv, help: "csv, or jsonl: one JSON object a line.", flagOnly: true)
    static let labels = Setting<Bool>(
        "labels", default: false, help: "Add the label of each row's event, where one has arrived.", flagOnly: true)
    static let allowMissingColumns = Setting<Bool>(
        "allow-missing-columns", default: false,
        help: "Leave features missing whose request columns the file lacks.", flagOnly: true)

    public init() {}

    /// Joins.
    public func run(_ settings: Settings, _ runtime: ServiceRuntime) async throws {
        let output = settings[Self.output]
        if let problem = settings[Self.format].problem(ofOutputName: output) {
            throw CommandError(.usage, "--output \(problem).")
        }
        let pipeline = try PipelineContext(settings)
        let service = try pipeline.service(named: settings[Self.service])
        let withLabels = settings[Self.labels]
        if withLabels, service.source.label == nil {
            throw CommandError(.configuration, "the source \(service.source.name) declares no label.")
        }
        pipeline.announce(runtime)
        let url = pipeline.databaseURL
        try await runtime.waiting(for: "Postgres") {
            try await runtime.onThread("connect") { try PostgresOfflineStore(url: url).connection.close() }
        }
        let join = HistoricalJoin(
            repository: pipeline.repository, service: service, databaseURL: url, format: settings[Self.format],
            withLabels: withLabels, allowsMissing: settings[Self.allowMissingColumns], runtime: runtime)
        let input = settings[Self.entities]
        let summary = try await runtime.onThread("get-historical") { try join.run(input: input, output: output) }
        runtime.log.info(
            "joined",
            [
                "rows": summary.rows, "labelled": summary.labelled,
                "rows_without_whole_windows": summary.withoutWholeWindows,
            ])
        guard summary.withoutWholeWindows > 0 else { return }
        runtime.log.warning(
            "rows look back on history that was deleted (EVENT_RETENTION_DAYS): their features are missing",
            ["rows": summary.withoutWholeWindows])
    }
}
