import Dashboard
import JSON
import Testing

/// Answers from records, so that a round needs no server.
private final class RecordedSources: DashboardSources {
    struct Away: Error, CustomStringConvertible { let description = "refused by 4111111111111111" }

    var answers: [String: PageAnswer] = [:]
    var asked: [String] = []
    var isRedisUp = true, isKafkaUp = true, isPostgresUp = true
    var positions: [StoredPosition] = [StoredPosition(topic: "transactions", partition: 0, next: 90)]
    var champion: Champion? = Champion(version: "3", createdMillis: 0, metrics: [], drift: nil)
    var end: Int64? = 100
    var askedService: String??

    func pages(_ urls: [String]) -> [PageAnswer?] {
        asked += urls
        return urls.map { answers[$0] }
    }
    func pingOnlineStore() throws { if !isRedisUp { throw Away() } }
    func newPredictions() throws -> (predictions: [Prediction], skipped: Int64) {
        guard isKafkaUp else { throw Away() }
        return ([DashboardViewTests.alert()], 7)
    }
    func logEnd(topic: String, partition: Int32) -> Int64? { end }
    func stored(service: String?) throws -> (positions: [StoredPosition], champion: Champion?) {
        askedService = service
        guard isPostgresUp else { throw Away() }
        return (positions, champion)
    }
}

@Suite struct DashboardSamplerTests {
    private static let transformPage = """
        needletail_transform_events_total{stage="events"} 738073
        needletail_transform_events_total{stage="labels"} 700000
        needletail_transform_dead_letters_total{stage="events"} 2
        needletail_transform_dead_letters_total{stage="labels"} 1
        needletail_transform_freshness_seconds{stage="events"} 0.0123
        needletail_transform_stalled_partitions{stage="events"} 1
        needletail_transform_stalled_partitions{stage="labels"} 0
        """
    private static let servePage = """
        needletail_serve_predictions_total{result="fraud"} 6626
        needletail_serve_predictions_total{result="legit"} 924832
        needletail_serve_degraded_total 194
        needletail_serve_log_dropped_total 0
        needletail_serve_latency_seconds_bucket{le="0.001"} 10
        needletail_serve_latency_seconds_bucket{le="+Inf"} 12
        """
    private static let modelMetrics = """

        needletail_serve_model_info{service="fraud_v1",version="2"} 0
        needletail_serve_model_info{service="fraud_v1",version="3"} 1
        needletail_serve_model_threshold 0.019
        needletail_serve_feature_age_seconds{topic="transactions",partition="0"} 0.4
        needletail_serve_feature_age_seconds{topic="transactions",partition="1"} 95
        """

    private static func sources(serve: String = servePage + modelMetrics) -> RecordedSources {
        let sources = RecordedSources()
        func answer(_ text: String, _ status: Int = 200) -> PageAnswer {
            PageAnswer(status: status, body: Array(text.utf8))
        }
        sources.answers = [
            "t/metrics": answer(transformPage), "a/metrics": answer(serve),
            "p/metrics": answer("needletail_produce_acknowledged_total 1000"),
            "t/health/ready": answer(#"{"detail":"transactions/2 stands: card 4111111111111111"}"#, 503),
            "a/health/ready": answer(#"{"status":"ok"}"#),
        ]
        return sources
    }

    private static func observe(_ sources: RecordedSources, schedule: String? = nil) -> Observation {
        DashboardSampler(
            project: "fraud", sources: sources, services: [("transform", "t"), ("api", "a"), ("produce", "p")],
            schedule: schedule
        )
        .observe(timeMillis: 5, clockMillis: 6)
    }

    @Test func `one round brings every figure`() {
        let seen = Self.observe(Self.sources())
        #expect(seen.parts.map(\.name) == ["transform", "api", "kafka", "redis", "postgres", "produce"])
        #expect(seen.parts.allSatisfy { $0.state == .up } && seen.timeMillis == 5 && seen.clockMillis == 6)
        #expect(Counter.allCases.map { seen.counters[$0] } == [1_000, 738_073, 3, 931_458, 6_626, 194, 0])
        #expect(seen.latency == [Bucket(0.001, 10), Bucket(.infinity, 12)])
        #expect(seen.freshnessSeconds == 0.0123 && seen.featureAgeSeconds == 95 && seen.stalledPartitions == 1)
        #expect(seen.notReady.map(\.name) == ["transform"])
        #expect(seen.notReady.map(\.reason) == ["transactions/2 stands: card 411111…1111"])
        #expect(seen.predictions.count == 1 && seen.skippedPredictions == 7)
        guard case .value(let lags) = seen.lags, case .value(let champion) = seen.champion,
            case .value(let served) = seen.served
        else { return #expect(Bool(false), "something is not known") }
        #expect(lags == [PartitionLag(topic: "transactions", partition: 0, records: 10)] && champion.version == "3")
        #expect(served == ServedModel(version: "3", service: "fraud_v1", threshold: 0.019))
    }

    @Test func `the champion asked for is that of the service which is served`() {
        let sources = Self.sources()
        _ = Self.observe(sources)
        #expect(sources.askedService == .some("fraud_v1"))
        #expect(!sources.asked.contains("a/api/v1/model"))
    }

    @Test func `an API that does not name its model among its metrics is asked for it`() {
        for (status, body, expected) in [
            (200, #"{"version":"4","service":"fraud_v1","threshold":0.25}"#, "4"),
            (503, #"{"detail":"no model"}"#, "none"),
            (401, "", "unknown"), (200, "[]", "unknown"), (200, #"{"version":4}"#, "unknown"),
        ] {
            let sources = Self.sources(serve: Self.servePage)
            sources.answers["a/api/v1/model"] = PageAnswer(status: status, body: Array(body.utf8))
            let said =
                switch Self.observe(sources).served {
                case .unknown: "unknown"
                case .none: "none"
                case .value(let model): model.version
                }
            #expect(said == expected, "\(status) \(body)")
        }
    }

    @Test func `the schedule tells its jobs, and where there is none nothing is said`() throws {
        let sources = Self.sources()
        sources.answers["s/metrics"] = PageAnswer(
            status: 200,
            body: Array(
                """
                needletail_schedule_runs_total{job="retrain",result="success"} 3
                needletail_schedule_runs_total{job="retrain",result="failure"} 2
                needletail_schedule_runs_total{job="drift \u{301}",result="success"} 0
                needletail_schedule_running{job="retrain"} 1
                needletail_schedule_run_seconds{job="retrain"} 61.5
                needletail_schedule_last_success_timestamp_seconds{job="retrain"} 1700000000
                needletail_schedule_last_failure_timestamp_seconds{job="retrain"} 1700000600
                needletail_schedule_next_timestamp_seconds{job="retrain"} 1e300
                needletail_schedule_next_timestamp_seconds{job="drift \u{301}"} 0
                """.utf8))
        func jobs(_ schedule: String?) -> [ScheduledJob]? {
            let seen = Self.observe(sources, schedule: schedule)
            #expect(seen.parts.count == 6)
            if case .value(let jobs) = seen.jobs { return jobs }
            return nil
        }
        let known = try #require(jobs("s"))
        #expect(known.map(\.name) == ["drift \u{301}", "retrain"])
        let retrain = known[1]
        #expect(retrain.isRunning && retrain.succeeded == 3 && retrain.failed == 2 && retrain.skipped == nil)
        #expect(retrain.hasFailed && retrain.seconds == 61.5 && retrain.successMillis == 1_700_000_000_000)
        #expect(retrain.nextMillis == nil && known[0].nextMillis == nil && !known[0].hasFailed)
        #expect(jobs("nowhere") == nil && jobs(nil) == nil)
    }

    @Test func `what does not answer is down, and unknown is not none`() {
        let sources = Self.sources()
        sources.isRedisUp = false
        sources.isKafkaUp = false
        sources.isPostgresUp = false
        sources.answers["a/metrics"] = nil
        sources.answers["p/metrics"] = PageAnswer(status: 500, body: [])
        let seen = Self.observe(sources)
        #expect(seen.state(of: "kafka") == .down("refused by 411111…1111"))
        #expect(
            seen.state(of: "api") == .down("no answer at a") && seen.state(of: "produce") == .down("answers 500 at p"))
        #expect(seen.state(of: "transform") == .up && seen.counters[.transformed] == 738_073)
        #expect(seen.counters[.predictions] == nil && seen.latency.isEmpty && seen.predictions.isEmpty)
        if case .unknown = seen.champion, case .unknown = seen.lags, case .unknown = seen.served {
        } else {
            Issue.record("something is known that nobody said")
        }
    }

    @Test func `an empty store says none`() {
        let sources = Self.sources()
        sources.champion = nil
        sources.positions = []
        let seen = Self.observe(sources)
        if case .none = seen.champion, case .none = seen.lags {} else { Issue.record("none was said") }
    }

    @Test(arguments: [(Int64.max, Int64(0), Int64.max), (0, 90, 0), (0, .max, 0), (100, 90, 10)])
    func `lag is never negative and never traps`(end: Int64, next: Int64, expected: Int64) {
        let sources = Self.sources()
        sources.end = end
        sources.positions = [StoredPosition(topic: "t", partition: 0, next: next)]
        guard case .value(let lags) = Self.observe(sources).lags else { return #expect(Bool(false)) }
        #expect(lags[0].records == expected)
    }

    @Test(arguments: ["NaN", "+Inf", "-Inf", "-5", "1e309", "x", ""])
    func `a page with impossible numbers leaves them unknown`(number: String) {
        let sources = Self.sources()
        let names = [
            "needletail_transform_events_total{stage=\"events\"}", "needletail_transform_dead_letters_total",
            "needletail_transform_freshness_seconds{stage=\"events\"}", "needletail_transform_stalled_partitions",
        ]
        let page = names.map { "\($0) \(number)" }.joined(separator: "\n")
        sources.answers["t/metrics"] = PageAnswer(status: 200, body: Array(page.utf8))
        let seen = Self.observe(sources)
        #expect(seen.counters[.transformed] == nil && seen.counters[.deadLetters] == nil)
        #expect(seen.freshnessSeconds == nil && seen.stalledPartitions == nil)
    }
}

@Suite struct DashboardQueriesTests {
    @Test func `a report's worst features are those of the largest PSI`() throws {
        let report = try JSONTree.parse(
            """
            {"entries":[{"name":"score","psi":0.01},{"name":"card_activity__amt_sum_1h","psi":0.31},{"name":"hour","psi":null},
             {"psi":9},{"name":"age","psi":0.02},{"name":"x__lat","psi":0.25},{"name":"wide","psi":1e400},7,null]}
            """)
        #expect(
            DashboardQueries.worst(report) == [Figure("amt_sum_1h", 0.31), Figure("lat", 0.25), Figure("age", 0.02)])
        for text in ["null", "[]", "{}", #"{"entries":7}"#] {
            #expect(DashboardQueries.worst(try JSONTree.parse(text)).isEmpty)
        }
    }

    @Test func `a row that no partition can have is passed over`() {
        #expect(
            DashboardQueries.position(topic: "t", partition: 3, next: 9)
                == StoredPosition(topic: "t", partition: 3, next: 9))
        for (topic, partition, next) in [
            (nil, 0, 0), ("t", nil, 0), ("t", 0, nil), ("t", -1, 0), ("t", Int64.max, 0), ("t", 0, -1),
        ] as [(String?, Int64?, Int64?)] {
            #expect(DashboardQueries.position(topic: topic, partition: partition, next: next) == nil)
        }
    }
}
