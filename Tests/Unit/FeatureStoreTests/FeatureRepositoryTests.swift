import FeatureEngine
import FeatureStore
import Testing

@Suite struct FeatureRepositoryTests {
    @Test func `the project's own definitions load`() throws {
        let repository = try FeatureRepository.load(directory: Repositories.folder("feature_repo"), environment: [:])
        #expect(repository.project == "fraud")
        #expect(repository.onlineStoreURL == nil)
        let view = try #require(repository.view(named: "card_activity"))
        #expect(view.features.count == 25)
        #expect(view.features[0].name == "amt_count_1h")
        #expect(view.features[20].name == "merchant_distinct_count_24h")
        #expect(view.features.suffix(4).map(\.name) == ["seconds_since_last", "amt_last", "lat_last", "long_last"])
        #expect(view.retentionMillis == 30 * 86_400_000)
        let service = try #require(repository.service(named: "fraud_v1"))
        #expect(service.featureNames.count == 39)
        #expect(service.featureNames[25] == "request_features__amt")
        #expect(service.kinds.filter { $0 == .category }.count == 2)
        #expect(service.source.fields[service.source.keyIndex].name == "cc_num")
        #expect(service.source.label?.delayMillis == Int64(604_800_000))
    }

    @Test func `addresses come from the environment`() throws {
        let repository = try FeatureRepository.load(
            directory: Repositories.folder("feature_repo"),
            environment: ["REDIS_URL": "redis://elsewhere:1", "DATABASE_URL": ""])
        #expect(repository.onlineStoreURL == "redis://elsewhere:1")
        #expect(repository.offlineStoreURL == nil)
    }

    @Test func `variables have defaults and two dollars are one`() throws {
        let store = """
            project: ${PROJECT:-demo}
            online_store: {url: "redis://$$:${PORT}"}
            """
        let repository = try Repositories.load(
            Repositories.good.merging(["feature_store.yaml": store]) { $1 }, environment: ["PORT": "7"])
        #expect(repository.project == "demo")
        #expect(repository.onlineStoreURL == "redis://$:7")
    }

    @Test func `another schema needs only another folder`() throws {
        let repository = try FeatureRepository.load(
            directory: Repositories.folder("Tests/Fixtures/terminals"), environment: [:])
        let service = try #require(repository.service(named: "terminal_v1"))
        let view = try #require(repository.view(named: "customer"))
        #expect(view.isRightClosed)
        #expect(view.includesCurrentEvent)
        #expect(
            service.featureNames == [
                "risk__terminal", "risk__same_terminal", "risk__risky", "customer__count_90s",
                "customer__TX_AMOUNT_mean_2w", "ratios__share",
            ])
        #expect(service.kinds == [.category, .number, .number, .number, .number, .number])

        // Three payments of one customer, the last at t = 1000 s: its own and one 60 s before are in the short window.
        var state = EntityState(view)
        var vectors = service.makeViewVectors()
        var vector = service.makeVector()
        var row = SourceRow(service.source)
        for (index, payment) in [("a", "100", "T1", "1.000"), ("b", "940", "T2", "2.5"), ("c", "1000", "T2", "8.5")]
            .enumerated()
        {
            row.reset()
            for (field, text) in [payment.0, payment.1, "42", payment.2, payment.3, "true"].enumerated() {
                try row.set(field, text: Array(text.utf8).span)
            }
            try row.finish()
            vectors[0].reset()
            state.evaluate(atMillis: row.eventTimeMillis, current: row, into: &vectors[0])
            service.assemble(row: row, viewVectors: vectors, into: &vector)
            _ = state.insert(row, offset: Int64(index))
        }
        #expect(vectors[0].numbers[0] == 2)  // count_90s
        #expect(vectors[0].numbers[1] == 2)  // count_15m: (100, 1000] leaves the first out, the current one is added
        #expect(vector.texts[0] == "T2")
        #expect(vector.numbers[1] == 1)
        #expect(vector.numbers[3] == 2)
        #expect(vector.numbers[4] == 4.0)
        #expect(vector.numbers[5] == 8.5 / (4.0 * 2))
        #expect(vector.numbers[2] == 1)
    }

    @Test func `the hash ignores comments, spaces, key order and descriptions`() throws {
        let first = try Repositories.load(Repositories.good)
        let rewritten = [
            "a.yaml": """
            # everything in one file
            name: svc
            description: the same service
            kind: feature_service
            features:
              - act
              - req
            ---
            features: {ratio: "(amt)/ act.amt_mean_7d", amt: amt}
            inputs: [request, act]
            kind: on_demand_feature_view
            name: req
            """,
            "z.yaml": """
            label: {delay: 168h, topic: labels, field: fraud}
            fields: {note: string?, lat: float, amt: decimal(2), shop: string, card: string, time: string, id: string}
            event_timestamp: {format: 'yyyy-MM-dd HH:mm:ss', field: time}
            event_id: id
            topic: tx
            name: tx
            kind: source
            """,
            "b.yaml": """
            source: tx
            name: act
            kind: stream_feature_view
            bounds: left_closed
            entity: {join_key: card}
            aggregations:
            - windows: [1h, 7d]
              functions:
              - count
              - mean
              columns: [amt]
            """,
        ]
        let second = try Repositories.load(rewritten)
        #expect(first.streamHash == second.streamHash)
        #expect(first.streamHash.count == 16)
        #expect(first.hash8 == String(first.streamHash.prefix(8)))
        // The on-demand features stand in another order, so the service is another one.
        #expect(first.services[0].definitionHash != second.services[0].definitionHash)
        let reordered = Repositories.good.merging(["on_demand.yaml": Repositories.onDemand + "  # a note\n"]) { $1 }
        #expect(try Repositories.load(reordered).services[0].definitionHash == first.services[0].definitionHash)
    }

    @Test(arguments: [
        ("source.yaml", "topic: tx", "topic: other"), ("source.yaml", "decimal(2)", "decimal(3)"),
        ("source.yaml", "string?", "string"), ("source.yaml", "delay: 7d", "delay: 8d"), ("view.yaml", "1h", "2h"),
        ("view.yaml", "mean]", "mean, std]"), ("view.yaml", "source: tx", "source: tx\ncurrent_event: include"),
        ("view.yaml", "source: tx", "source: tx\nbounds: right_closed"),
    ])
    func `the hash changes with what a stored row means`(file: String, old: String, new: String) throws {
        let first = try Repositories.load(Repositories.good)
        let text = try #require(Repositories.good[file]).replacing(old, with: new)
        let second = try Repositories.load(Repositories.good.merging([file: text]) { $1 })
        #expect(first.streamHash != second.streamHash)
        #expect(first.services[0].definitionHash != second.services[0].definitionHash)
    }

    @Test func `a changed expression changes the service and not the stream`() throws {
        let first = try Repositories.load(Repositories.good)
        let text = Repositories.onDemand.replacing("amt: amt", with: "amt: log1p(amt)")
        let second = try Repositories.load(Repositories.good.merging(["on_demand.yaml": text]) { $1 })
        #expect(first.streamHash == second.streamHash)
        #expect(first.services[0].definitionHash != second.services[0].definitionHash)
    }

    @Test func `online keys have their fixed form`() {
        #expect(OnlineKeys.blob(project: "p", view: "v", hash8: "0123abcd", entity: "4") == "p:v:0123abcd:4")
        #expect(OnlineKeys.watermark(hash8: "0123abcd", topic: "t", partition: 3) == "wm:0123abcd:t:3")
    }
}
