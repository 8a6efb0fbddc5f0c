import FeatureEngine
import FeatureStore
import HTTPServer
import JSON
import Observability
import ServiceRuntime
import Testing

@testable import FeatureStoreCommands

@Suite struct FeatureServerTests {
    private static let repository = Result { try FeatureCommandTests.repository() }
    private let repository: FeatureRepository
    private let view: StreamView
    private let now: Int64 = 1_546_300_800_000

    init() throws {
        repository = try Self.repository.get()
        view = repository.views[0]
    }

    /// A state of one event, 60 s before now.
    private func state() throws -> EntityState {
        var row = SourceRow(view.source)
        let cells = ["t-1", "\(now / 1_000 - 60)", "42", "T", "12.5", "true"]
        for (field, cell) in cells.enumerated() { try row.set(field, text: Array(cell.utf8).span) }
        var state = EntityState(view)
        _ = state.insert(row, offset: 7)
        return state
    }

    /// Customer 42 has an event, 7 is not certain, and nobody else has any.
    private func post(
        _ body: String, path: String = "/get-online-features", type: String = "application/json; charset=utf-8"
    ) throws -> Response {
        let known = try state()
        let app = FeatureServerApp(repository, metrics: MetricsRegistry(), nowMillis: { now }) { entities, feed in
            if entities.contains("99") { throw CommandError(.unavailable, "no watermark") }
            return entities.map { entity in
                feed.views.map { view in
                    OnlineState(
                        view: view, state: entity == "42" ? known : entity == "7" ? nil : EntityState(view),
                        partition: 0,
                        nextOffset: 9)
                }
            }
        }
        let request = Request(.post, path, headers: ["content-type": type], body: Array(body.utf8))
        app.routes.handle(request)
        return try #require(request.response)
    }

    private func text(_ response: Response) -> String { String(decoding: response.body, as: UTF8.self) }

    @Test func `columns come in the order they were asked for, the join key first, each with what it is worth`() throws
    {
        let answer = try post(
            """
            {"features":["customer:TX_AMOUNT_max_2w","customer:count_15m","customer:TERMINAL_ID_last"],
             "entities":{"other":[0,0,0],"CUSTOMER_ID":["42",1,7]},"full_feature_names":true,
             "include_feature_view_version_metadata":true}
            """)
        #expect(answer.status == 200)
        #expect(
            text(answer) == """
                {"results":[{"values":[42,1,7],"statuses":["PRESENT","PRESENT","PRESENT"],\
                "event_timestamps":["1970-01-01T00:00:00Z","1970-01-01T00:00:00Z","1970-01-01T00:00:00Z"]},\
                {"values":[12.5,null,null],"statuses":["PRESENT","NOT_FOUND","INVALID"],\
                "event_timestamps":["2018-12-31T23:59:00Z","1970-01-01T00:00:00Z","1970-01-01T00:00:00Z"]},\
                {"values":[1,0,null],"statuses":["PRESENT","PRESENT","INVALID"],\
                "event_timestamps":["2018-12-31T23:59:00Z","1970-01-01T00:00:00Z","1970-01-01T00:00:00Z"]},\
                {"values":["T",null,null],"statuses":["PRESENT","NOT_FOUND","INVALID"],\
                "event_timestamps":["2018-12-31T23:59:00Z","1970-01-01T00:00:00Z","1970-01-01T00:00:00Z"]}],\
                "metadata":{"feature_names":["CUSTOMER_ID","customer__TX_AMOUNT_max_2w","customer__count_15m",\
                "customer__TERMINAL_ID_last"],"feature_view_metadata":[{"name":"customer"}]}}
                """)
    }

    @Test func `a service is computed with the request's fields, each row at its moment`() throws {
        let answer = try post(
            """
            {"feature_service":"terminal_v1","full_feature_names":true,"entities":{"CUSTOMER_ID":[42,42],
             "TERMINAL_ID":["T","U"],"TX_AMOUNT":[1.5,"1.5"],"chip":[true,null],
             "event_timestamp":[null,"2018-12-31T23:58:59Z"]}}
            """)
        #expect(answer.status == 200, "\(text(answer))")
        let tree = try JSONTree.parse(answer.body)
        let names = tree["metadata"]?["feature_names"]?.array?.compactMap(\.string)
        #expect(names == ["CUSTOMER_ID"] + repository.services[0].featureNames)
        func column(_ name: String) -> JSONTree? {
            (names ?? []).firstIndex(of: name).flatMap { tree["results"]?[$0]?["values"] }
        }
        #expect(column("risk__terminal") == ["T", "U"])
        // The current event counts where all of it that is aggregated was sent; a second before the event there is none.
        #expect(column("customer__count_90s") == .array([.number("2"), .number("0")]))
        #expect(column("customer__TX_AMOUNT_mean_2w") == .array([.number("7"), .null]))
    }

    @Test(arguments: [
        ("{", "body"), (#"{"features":["customer:count_90s"]}"#, "entities"),
        (#"{"entities":{"CUSTOMER_ID":[1]}}"#, "features"),
        (#"{"features":["customer"],"entities":{"CUSTOMER_ID":[1]}}"#, "features"),
        (#"{"features":["customer:count_90s","customer:count_90s"],"entities":{"CUSTOMER_ID":[1]}}"#, "features"),
        (#"{"features":["customer:count_90s"],"entities":{"CUSTOMER_ID":[]}}"#, "entities"),
        (#"{"features":["customer:count_90s"],"entities":{"card":[1]}}"#, "lacks the join key CUSTOMER_ID"),
        (#"{"features":["customer:count_90s"],"entities":{"CUSTOMER_ID":[1],"x":[1,2]}}"#, "entities.x"),
        (#"{"features":["customer:count_90s"],"entities":{"CUSTOMER_ID":[null]}}"#, "entities.CUSTOMER_ID[0]"),
        (#"{"features":["customer:count_90s"],"entities":{"CUSTOMER_ID":["x"]}}"#, "entities.CUSTOMER_ID[0]"),
        (
            #"{"features":["customer:count_90s"],"entities":{"CUSTOMER_ID":[1],"event_timestamp":["then"]}}"#,
            "no moment"
        ),
        (
            #"{"features":["customer:count_90s"],"entities":{"CUSTOMER_ID":[1]},"full_feature_names":1}"#,
            "full_feature_names"
        ),
    ])
    func `a malformed request is 422 and says where`(body: String, place: String) throws {
        let answer = try post(body)
        #expect(answer.status == 422)
        #expect(text(answer).contains(place), "\(text(answer))")
    }

    @Test func `what is not there is 404 in Feast's words, what comes from elsewhere is refused`() throws {
        for body in [
            #"{"features":["cards:n"],"entities":{"CUSTOMER_ID":[1]}}"#,
            #"{"features":["customer:n"],"entities":{"CUSTOMER_ID":[1]}}"#,
            #"{"feature_service":"none","entities":{"CUSTOMER_ID":[1]}}"#,
        ] {
            let answer = try post(body)
            #expect(answer.status == 404)
            let inner = try #require(JSONTree.parse(answer.body).string)
            #expect(try JSONTree.parse(inner)["module"]?.string == "feast.errors")
        }
        let body = #"{"features":["customer:count_90s"],"entities":{"CUSTOMER_ID":[99]}}"#
        #expect(try post(body).status == 503)
        #expect(try post(body, type: "text/plain").status == 422)
        #expect(try post("{}", path: "/push").status == 501)
    }
}
