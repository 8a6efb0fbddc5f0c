import FeatureEngine
import FeatureStore
import Foundation
import FraudModel
import HTTPServer
import JSON
import Observability
import Pipeline
import RedisClient
import ServingSupport
import Testing

@testable import PredictionAPI

@Suite struct PredictionAppTests {
    private static func logistic(_ margin: Double) -> Double { 1 / (1 + exp(-margin)) }

    @Test func `a request is joined with its card's events and scored`() throws {
        let fixture = try Fixture()
        try fixture.store(
            events: [
                ("2024-03-01 10:00:00", "5.00", "Old"), ("2024-03-01 11:30:00", "20.00", "Bakery"),
                ("2024-03-01 11:45:00", "2.50", "Museum"), ("2024-03-01 12:00:00", "99.00", "Same moment"),
            ], partition: 3, next: 77)
        let answer = fixture.ask(Fixture.payment)
        #expect(answer.status == 200)
        #expect(answer.response?.contentType == "application/json")
        let json = answer.json
        #expect(json["transaction_id"]?.string == "p1")
        let probability = try #require(json["probability"]?.double)
        #expect(abs(probability - Self.logistic(-1.5)) < 1e-6)
        #expect(json["fraud_probability"] == json["probability"])
        #expect(json["is_fraud"]?.bool == false)
        #expect(json["prediction"]?.string == "LEGIT")
        #expect(json["threshold"]?.double == 0.5)
        #expect(json["model_version"]?.string == "7")
        #expect(json["degraded"]?.bool == false)
        #expect(
            json["features_as_of"]
                == ["card_activity": ["generation": 1, "topic": "payments", "partition": 3, "offset": 30]])
        let explanation = try #require(json["explanation"]?.array)
        let values = Dictionary(
            explanation.map { ($0["feature"]?.string ?? "", $0["value"] ?? .null) },
            uniquingKeysWith: { first, _ in first })
        #expect(values["card_activity__amt_count_1h"] == 2)
        #expect(values["card_activity__amt_sum_1h"] == .number("22.5"))
        #expect(values["card_activity__merchant_last"] == "Museum")
        #expect(values["request_features__amt"] == .number("12.3"))
        #expect(values["request_features__category"] == "food")
        let contributions = explanation.compactMap { $0["contribution"]?.double }
        #expect(contributions.map(\.magnitude) == contributions.map(\.magnitude).sorted(by: >))
        let sum = contributions.reduce(try #require(json["base_value"]?.double), +)
        #expect(abs(sum + 1.5) < 1e-6)
        #expect(fixture.store.reads.count == 1)
        #expect(fixture.store.reads[0].count == 3)  // the card, its partition's watermark and heartbeat
        #expect(fixture.store.lookUps.isEmpty)
    }

    @Test func `without explanations the rest is the same`() throws {
        let fixture = try Fixture()
        try fixture.store(events: [("2024-03-01 11:30:00", "20.00", "Bakery")], partition: 3)
        let full = fixture.ask(Fixture.payment).json.object ?? []
        let short = fixture.ask(Fixture.payment, "/predict", query: ["explain": "false"]).json.object ?? []
        let one = ["explanation", "base_value", "prediction_id"]
        #expect(short.filter { $0.key != "prediction_id" } == full.filter { !one.contains($0.key) })
        #expect(short.count == full.count - 2)
    }

    @Test func `a card without a blob is new when its partition's watermark is there`() throws {
        let fixture = try Fixture()
        fixture.setWatermark(partition: 3, next: 500)
        let json = fixture.ask(Fixture.payment).json
        #expect(json["degraded"]?.bool == false)
        #expect(json["features_as_of"]?["card_activity"]?["offset"]?.int == 499)
        let values = json["explanation"]?.array ?? []
        func value(_ name: String) -> JSONTree? { values.first { $0["feature"]?.string == name }?["value"] }
        #expect(value("card_activity__amt_count_1h") == 0)
        #expect(value("card_activity__amt_sum_1h") == 0)
        #expect(value("card_activity__merchant_last") == .null)
        #expect(abs((json["probability"]?.double ?? 0) - Self.logistic(-2.5)) < 1e-6)
    }

    @Test func `a blob of an older generation counts as none, and one that is ahead of the watermark counts`() throws {
        let fixture = try Fixture()
        try fixture.store(events: [("2024-03-01 11:30:00", "20.00", "Bakery")], partition: 3, generation: 1)
        fixture.setWatermark(partition: 3, generation: 2, next: 0)
        var json = fixture.ask(Fixture.payment).json
        #expect(json["features_as_of"]?["card_activity"]?["generation"]?.int == 2)
        #expect(json["features_as_of"]?["card_activity"]?["offset"]?.int == -1)
        try fixture.store(events: [("2024-03-01 11:30:00", "20.00", "Bakery")], partition: 3, generation: 2, next: 0)
        json = fixture.ask(Fixture.payment).json
        #expect(json["features_as_of"]?["card_activity"]?["offset"]?.int == 0)
        #expect(abs((json["probability"]?.double ?? 0) - Self.logistic(-1.5)) < 1e-6)
    }

    enum Trouble: CaseIterable {
        case noConnection, deadline, loading, noWatermark, shortWatermark, impossibleWatermark, rebuilding, brokenBlob,
            blobOfTheFuture, noPartitions
    }

    @Test(arguments: Trouble.allCases)
    func `trouble with the online store degrades the answer and nothing else`(trouble: Trouble) throws {
        let fixture = try Fixture(partitions: trouble == .noPartitions ? nil : 4)
        try fixture.store(events: [("2024-03-01 11:30:00", "20.00", "Bakery")], partition: 3)
        switch trouble {
        case .noConnection: fixture.store.failure = .notConnected
        case .deadline: fixture.store.failure = .deadline
        case .loading: fixture.store.failure = .reply("LOADING Redis is loading the dataset in memory")
        case .noWatermark: fixture.store.values = fixture.store.values.filter { !$0.key.hasPrefix("wm:") }
        case .shortWatermark:
            for key in fixture.store.values.keys where key.hasPrefix("wm:") { fixture.store.values[key] = [0, 0, 1] }
        case .impossibleWatermark: fixture.setWatermark(partition: 3, generation: 1 << 63, next: 10)
        case .rebuilding: fixture.setWatermark(partition: 3, next: 9, target: 10)
        case .blobOfTheFuture:
            try fixture.store(events: [("2024-03-01 11:30:00", "20.00", "Bakery")], partition: 3, generation: 2)
            fixture.setWatermark(partition: 3, generation: 1, next: 10)
        case .brokenBlob:
            for key in fixture.store.values.keys where !key.hasPrefix("wm:") { fixture.store.values[key]?.removeLast() }
        case .noPartitions: break
        }
        let answer = fixture.ask(Fixture.payment)
        #expect(answer.status == 200)
        #expect(answer.json["degraded"]?.bool == true)
        #expect(answer.json["features_as_of"] == .object([]))
        #expect(abs((answer.json["probability"]?.double ?? 0) - Self.logistic(-2.5)) < 1e-6)
        let values = (answer.json["explanation"]?.array ?? []).filter {
            $0["feature"]?.string?.hasPrefix("card_activity") == true
        }
        #expect(values.count == 3)
        #expect(values.allSatisfy { $0["value"] == .null })
        #expect(fixture.registry.renderPrometheus().contains("needletail_serve_degraded_total 1\n"))
        #expect(fixture.records.records.first?.value["degraded"]?.bool == true)
    }

    @Test func `a request of a time whose history was deleted is answered as it is, and degraded`() throws {
        let fixture = try Fixture()
        try fixture.store(events: [("2024-03-01 11:30:00", "20.00", "Bakery")], partition: 3)
        let whole = fixture.ask(Fixture.payment).json
        let view = try #require(Fixture.repository.view(named: "card_activity"))
        let time = fixture.time.wallMillis - 60_000  // of the request
        // The first moment whose windows are whole is its own: nothing that it looks back at is gone.
        var horizon = HistoryHorizon(removedBefore: time - view.retentionMillis, completeFrom: time)
        fixture.app.use(horizon, of: "payments")
        #expect(fixture.ask(Fixture.payment).json["degraded"] == false)
        horizon.removedBefore += 1
        for model in [nil, try ServedModel(Fixture.model(), Fixture.repository)] {
            if let model { fixture.app.use(model) } else { fixture.app.use(horizon, of: "payments") }
            for path in ["/predict", "/api/v1/predict/batch"] {
                let body = path == "/predict" ? Fixture.payment : "[\(Fixture.payment)]"
                let json = fixture.ask(body, path).json
                let answer = path == "/predict" ? json : json["predictions"]?[0] ?? .null
                #expect(answer["degraded"] == true)
                #expect(answer["probability"] == whole["probability"])
                #expect(answer["features_as_of"] == whole["features_as_of"])
            }
        }
        let reason = "needletail_serve_degraded_reasons_total{reason=\"before_history\"} 4\n"
        #expect(fixture.registry.renderPrometheus().contains(reason))
        fixture.app.use(horizon, of: "another")
        fixture.app.use(HistoryHorizon(), of: "payments")
        #expect(fixture.ask(Fixture.payment).json["degraded"] == false)
    }

    @Test func `what is scored, answered and logged is one value`() throws {
        let fixture = try Fixture()
        try fixture.store(events: [("2024-03-01 11:30:00", "20.00", "Bakery")], partition: 3)
        let answer = fixture.ask(
            #"{"amt":"250.5","merchant":"Kiosk \"Ä\"","id":"p2","card":4992346398065154184,"at":"2024-03-01 12:00:00","extra":{"amt":1}}"#
        )
        #expect(answer.json["prediction"]?.string == "FRAUD")
        let (key, record) = try #require(fixture.records.records.first)
        #expect(key == "4992346398065154184")
        #expect(record["prediction_id"]?.string?.isEmpty == false)
        #expect(record["prediction_id"] == answer.json["prediction_id"])
        #expect(record["transaction_id"]?.string == "p2")
        #expect(record["event_timestamp"]?.int == 1_709_294_400_000)
        #expect(record["service"]?.string == "shop_v1")
        #expect(record["model_version"]?.string == "7")
        #expect(record["definition_hash"]?.string == Fixture.service?.definitionHash)
        #expect(record["probability"] == answer.json["probability"])
        #expect(record["threshold"]?.double == 0.5)
        #expect(record["is_fraud"]?.bool == true)
        #expect(record["degraded"]?.bool == false)
        #expect((record["latency_micros"]?.int ?? -1) >= 0)
        #expect(
            record["request"] == [
                "id": "p2", "at": "2024-03-01 12:00:00", "card": "4992346398065154184", "merchant": "Kiosk \"Ä\"",
                "amt": .number("250.50"),
            ])
        #expect(record["vector"] == [1, 20, "Bakery", .number("250.5"), .null])
        #expect(record["features_as_of"] == answer.json["features_as_of"])
        _ = fixture.ask(Fixture.payment)
        let ids = fixture.records.records.compactMap { $0.value["prediction_id"]?.string }
        #expect(Set(ids).count == 2)
        let metrics = fixture.registry.renderPrometheus()
        #expect(metrics.contains("needletail_serve_predictions_total{result=\"fraud\"} 1\n"))
        #expect(metrics.contains("needletail_serve_predictions_total{result=\"legit\"} 1\n"))
        #expect(metrics.contains("needletail_serve_latency_seconds_count 2\n"))
    }

    @Test func `requests that wait for the store do not mix`() throws {
        let fixture = try Fixture()
        for partition in 0..<4 { fixture.setWatermark(partition: partition, next: 10) }
        fixture.store.isHeld = true
        let requests = (0..<50).map { number in
            Request(
                .post, "/predict",
                body: Array(
                    #"{"id":"p\#(number)","at":"2024-03-01 12:00:00","card":"c\#(number)","merchant":"m","amt":\#(number * 4)}"#
                        .utf8))
        }
        for request in requests { #expect(fixture.app.respond(to: request) == nil) }
        fixture.app.use(try ServedModel(Fixture.model(version: "8"), Fixture.repository))
        fixture.store.release()
        for (number, request) in requests.enumerated() {
            let json = try JSONTree.parse(try #require(request.response).body)
            #expect(json["transaction_id"]?.string == "p\(number)")
            #expect(json["is_fraud"]?.bool == (number >= 25))
            #expect(json["model_version"]?.string == "7")
        }
        #expect(fixture.records.records.map(\.key) == (0..<50).map { "c\($0)" })
        fixture.store.isHeld = false
        #expect(fixture.ask(Fixture.payment).json["model_version"]?.string == "8")
    }

    @Test func `without a model it answers 503 with the reason and is not ready`() throws {
        let fixture = try Fixture(hasModel: false)
        fixture.app.useNone("no model is registered yet: train one")
        for answer in [
            fixture.ask(Fixture.payment), fixture.ask("[]", "/api/v1/predict/batch"), fixture.get("/health/ready"),
            fixture.get("/api/v1/model"),
        ] {
            #expect(answer.status == 503)
            #expect(answer.json["detail"]?.string == "no model is registered yet: train one")
        }
        #expect(fixture.get("/health/live").status == 200)
        #expect(fixture.get("/api/v1/health").json == ["status": "ok"])
        fixture.app.use(try ServedModel(Fixture.model(), Fixture.repository))
        #expect(fixture.get("/health/ready").status == 200)
        #expect(fixture.get("/api/v1/model").json["version"]?.string == "7")
        #expect(fixture.get("/api/v1/model").json["features"]?.array?.count == 5)
        #expect(fixture.get("/api/v1/model").json["registry_champion"] == nil)
        fixture.app.otherChampion = "9"
        #expect(fixture.get("/api/v1/model").json["registry_champion"]?.string == "9")
        fixture.app.isStopping = true
        #expect(fixture.get("/health/ready").status == 503)
    }

    @Test func `a model of other definitions, another service or other features is refused with the reason`() throws {
        func refusal(_ model: ScoringModel) -> String {
            do {
                _ = try ServedModel(model, Fixture.repository)
                return ""
            } catch {
                return error.description
            }
        }
        #expect(try refusal(Fixture.model()) == "")
        let other = try refusal(Fixture.model(hash: "0123456789abcdef"))
        #expect(other.contains("0123456789abcdef") && other.contains("retrain"))
        #expect(try refusal(Fixture.model(service: "gone")).contains("gone"))
        #expect(try refusal(Fixture.model(service: "")).contains("train"))
        let reversed = Array((Fixture.service?.featureNames ?? []).reversed())
        #expect(try refusal(Fixture.model(names: reversed)).contains("other features"))
    }

    @Test func `API keys are needed where they are set, except for health and metrics`() throws {
        let fixture = try Fixture(apiKeys: "first-key, second-key,")
        let refused = fixture.ask(Fixture.payment)
        #expect(refused.status == 401)
        #expect(refused.response?.headers == [.init("WWW-Authenticate", "Bearer")])
        for key in ["", "first-ke", "first-keyy", "FIRST-KEY", "first-key, second-key"] {
            #expect(fixture.ask(Fixture.payment, headers: ["x-api-key": key]).status == 401)
            #expect(fixture.get("/api/v1/model", headers: ["x-api-key": key]).status == 401)
        }
        #expect(fixture.records.records.isEmpty)
        #expect(fixture.ask(Fixture.payment, headers: ["x-api-key": "first-key"]).status == 200)
        #expect(fixture.ask(Fixture.payment, headers: ["authorization": "Bearer second-key"]).status == 200)
        #expect(fixture.get("/health/live").status == 200)
        #expect(fixture.get("/metrics").status == 200)
    }

    @Test func `known paths answer other methods with 405 and HEAD as GET`() throws {
        let fixture = try Fixture()
        for path in ["/predict", "/api/v1/predict", "/api/v1/predict/batch"] {
            for method in [Method.get, .head, .options, .put] {
                let response = fixture.app.respond(to: Request(method, path))
                #expect(response?.status == 405)
                #expect(response?.headers == [.init("Allow", "POST")])
            }
        }
        for path in ["/api/v1/health", "/health/live", "/health/ready", "/metrics", "/docs", "/openapi.json"] {
            #expect(fixture.app.respond(to: Request(.head, path))?.status == 200)
        }
        for path in ["//predict", "/predict/", "/api/v1/predict/"] {
            #expect(fixture.ask(Fixture.payment, path).status == 404)
        }
    }

    @Test func `a card with too many events is degraded, counted, and not read again for a while`() throws {
        let fixture = try Fixture(eventsMax: 3)
        let events = (0..<40).map { number in
            (at: "2024-03-01 11:\(10 + number):00", amount: "1.00", merchant: "A merchant of twenty")
        }
        try fixture.store(events: Array(events.prefix(3)), partition: 3)
        #expect(fixture.ask(Fixture.payment).json["degraded"]?.bool == false)
        try fixture.store(events: events, partition: 3)
        for round in 0..<3 {
            let answer = fixture.ask(Fixture.payment)
            #expect(answer.status == 200)
            #expect(answer.json["degraded"]?.bool == true)
            #expect(answer.json["features_as_of"] == .object([]))
            #expect(fixture.store.reads.last?.count == (round == 0 ? 3 : 2))
        }
        let other = Fixture.payment.replacing(ServingFixture.card, with: "4992346398065154185")
        #expect(fixture.ask(other).status == 200)
        #expect(fixture.store.reads.last?.count == 3)
        let metrics = fixture.registry.renderPrometheus()
        #expect(metrics.contains("needletail_serve_degraded_reasons_total{reason=\"too_many_events\"} 3\n"))
        // After a while its header is looked at, and it is read again when that says that it has become smaller.
        #expect(fixture.store.headers.isEmpty)
        for isSmaller in [false, true] {
            if isSmaller { try fixture.store(events: Array(events.prefix(3)), partition: 3) }
            fixture.time.micros += OnlineJoin.tooManyMicros
            for isSecond in [false, true] {
                #expect(fixture.ask(Fixture.payment).json["degraded"]?.bool == !(isSmaller && isSecond))
            }
        }
        #expect(fixture.store.headers == Array(repeating: ServingFixture.blobKey(), count: 2))
    }

    @Test func `a card whose blob comes too late because it is too large is found by its header`() throws {
        let fixture = try Fixture(eventsMax: 3)
        let events = (0..<40).map { (at: "2024-03-01 11:\(10 + $0):00", amount: "1.00", merchant: "Kiosk") }
        try fixture.store(events: events, partition: 3)
        fixture.store.failure = .deadline
        #expect(fixture.ask(Fixture.payment).json["degraded"]?.bool == true)
        #expect(fixture.store.reads.last?.count == 3)
        fixture.store.failure = nil
        #expect(fixture.ask(Fixture.payment).json["degraded"]?.bool == true)
        #expect(fixture.store.reads.last?.count == 2)
        // One that was only late is read again.
        try fixture.store(events: Array(events.prefix(2)), partition: 3)
        let other = try Fixture(eventsMax: 3)
        try other.store(events: Array(events.prefix(2)), partition: 3)
        other.store.failure = .deadline
        _ = other.ask(Fixture.payment)
        other.store.failure = nil
        #expect(other.ask(Fixture.payment).json["degraded"]?.bool == false)
    }

    @Test func `evaluation counts into the deadline`() throws {
        let fixture = try Fixture()
        let events = (0..<2_000).map { number in
            (
                at: "2024-03-01 11:\(10 + number / 60):\(10 + number % 50)", amount: "1.00",
                merchant: "A merchant of twenty"
            )
        }
        try fixture.store(events: events, partition: 3)
        #expect(fixture.ask(Fixture.payment).json["degraded"]?.bool == false)
        fixture.time.stepMicros = 25_000
        #expect(fixture.ask(Fixture.payment).json["degraded"]?.bool == true)
        #expect(
            fixture.registry.renderPrometheus().contains(
                "needletail_serve_degraded_reasons_total{reason=\"late\"} 1\n"))
    }

    @Test func `the features say when they were true`() throws {
        let fixture = try Fixture()
        let now = fixture.time.wallMillis
        try fixture.store(events: [("2024-03-01 11:30:00", "20.00", "Bakery")], partition: 3)
        func asOf() -> Int? {
            let answer = fixture.ask(Fixture.payment).json
            #expect(answer["degraded"]?.bool == false)
            #expect(fixture.records.records.last?.value["features_as_of"] == answer["features_as_of"])
            return answer["features_as_of"]?["card_activity"]?["as_of"]?.int
        }
        #expect(asOf() == nil)
        fixture.setWatermark(partition: 3, next: 10, newestMillis: now - 20_000)
        #expect(asOf() == Int(now) - 20_000)
        fixture.setWatermark(partition: 3, next: 10, newestMillis: now - 20_000, aliveMillis: now - 1_000)
        #expect(asOf() == Int(now) - 1_000)
        fixture.setWatermark(partition: 3, next: 10, newestMillis: now - 500, aliveMillis: now - 1_000)
        #expect(asOf() == Int(now) - 500)
    }

    @Test func `a state that stands still is degraded, and one of an idle stream is not`() throws {
        let fixture = try Fixture()
        let patient = try Fixture(featureAgeMillisMax: 0)
        let now = fixture.time.wallMillis
        // newest record, heartbeat, whether degraded
        let cases: [(Int64, Int64?, Bool)] = [
            (now - 30_000, nil, false), (now - 30_001, nil, true), (now - 86_400_000, now - 1_000, false),
            (now - 86_400_000, now - 31_000, true), (now - 1_000, now - 86_400_000, false), (-1, nil, false),
            (-1, now - 31_000, true), (now + 3_600_000, nil, false), (0, 0, true), (now - 40_000, -5, true),
        ]
        for (newest, alive, isDegraded) in cases {
            for fixture in [fixture, patient] {
                try fixture.store(events: [("2024-03-01 11:30:00", "20.00", "Bakery")], partition: 3)
                fixture.setWatermark(partition: 3, next: 10, newestMillis: newest, aliveMillis: alive)
            }
            let answer = fixture.ask(Fixture.payment).json
            #expect(answer["degraded"]?.bool == isDegraded, "\(newest) \(alive ?? -1)")
            // Old features are better than none: they are served, and said to be old.
            #expect(answer["features_as_of"]?["card_activity"]?["offset"]?.int == 0)
            #expect(answer["explanation"]?.array?.contains { $0["value"]?.string == "Bakery" } == true)
            #expect(patient.ask(Fixture.payment).json["degraded"]?.bool == false)
        }
        let metrics = fixture.registry.renderPrometheus()
        #expect(metrics.contains("needletail_serve_degraded_reasons_total{reason=\"stale\"} 5\n"))
    }

    @Test func `a card without a blob is new only where its partition does not know it`() throws {
        let fixture = try Fixture()
        func ask() -> (isDegraded: Bool?, count: JSONTree?, position: JSONTree?) {
            let json = fixture.ask(Fixture.payment).json
            let count = json["explanation"]?.array?.first { $0["feature"]?.string == "card_activity__amt_count_1h" }
            return (json["degraded"]?.bool, count?["value"], json["features_as_of"]?["card_activity"]?["offset"])
        }
        fixture.setWatermark(partition: 3, next: 500, known: ["another card"])
        #expect(ask() == (false, 0, 499))
        fixture.setWatermark(partition: 3, next: 500, known: [ServingFixture.card])
        #expect(ask() == (true, .null, nil))
        fixture.setWatermark(partition: 3, next: 500, known: nil)
        #expect(ask() == (true, .null, nil))
        fixture.setWatermark(partition: 3, next: 500)
        fixture.store.isForgetful = true
        #expect(ask() == (true, .null, nil))
        let key = OnlineKeys.known(watermarkKey: ServingFixture.watermarkKey(3))
        #expect(fixture.store.lookUps == Array(repeating: "\(key) \(ServingFixture.card)", count: 4))
        // Of a partition without a record every card is new.
        fixture.setWatermark(partition: 3, next: 0, known: nil)
        #expect(ask() == (false, 0, -1))
        #expect(fixture.store.lookUps.count == 4)
        let metrics = fixture.registry.renderPrometheus()
        #expect(metrics.contains("needletail_serve_degraded_reasons_total{reason=\"lost\"} 2\n"))
        #expect(metrics.contains("needletail_serve_degraded_reasons_total{reason=\"late\"} 1\n"))
    }

    @Test func `a misspelt field is named where one is missing`() throws {
        let fixture = try Fixture()
        let row = #"{"id":"p1","at":"2024-03-01 12:00:00","crad":"c1","merchnat":"m","amt":1,"note":2}"#
        for body in [row, "[\(row)]"] {
            let answer = fixture.ask(body, body == row ? "/predict" : "/api/v1/predict/batch")
            #expect(answer.status == 422)
            let messages = (answer.json["detail"]?.array ?? []).compactMap { $0["msg"]?.string }
            #expect(
                messages == [
                    #"is missing: did you mean it by "crad"?"#, #"is missing: did you mean it by "merchnat"?"#,
                ])
        }
        let long = fixture.ask(#"{"id":"p1","at":"2024-03-01 12:00:00","card":"c1","merchant":"m","amount":1}"#)
        #expect(long.json["detail"]?[0]?["msg"]?.string == #"is missing: did you mean it by "amount"?"#)
        let far = fixture.ask(#"{"id":"p1","at":"2024-03-01 12:00:00","card":"c1","merchant":"m","price":1}"#)
        #expect(far.json["detail"]?[0]?["msg"]?.string == "is missing")
    }

    @Test func `a request's own id comes back`() throws {
        let fixture = try Fixture()
        for (id, isGivenBack) in [
            ("abc-1", true), ("", false), (String(repeating: "x", count: 129), false), ("a b", false),
        ] {
            let request = Request(.post, "/predict", headers: ["x-request-id": id], body: Array(Fixture.payment.utf8))
            #expect(fixture.app.respond(to: request)?.status == 200)
            #expect(request.answerHeaders == (isGivenBack ? [.init("X-Request-ID", id)] : []))
        }
    }
}
