import FeatureEngine
import FeatureStore
import Foundation
import FraudModel
import HTTPServer
import JSON
import Observability
import RedisClient
import TestSupport

@testable import PredictionAPI

/// A small schema, a model of two trees over it, and an app that reads memory and logs into an array.
final class Fixture {
    static let repository: FeatureRepository = {
        do {
            let folder = try TestEnvironment.temporaryFolder("serving")
            try definitions.write(toFile: folder + "/all.yaml", atomically: true, encoding: .utf8)
            return try FeatureRepository.load(directory: folder, environment: [:])
        } catch {
            fatalError("\(error)")
        }
    }()

    static let definitions = """
        project: shop
        ---
        kind: source
        name: payments
        topic: payments
        event_id: id
        event_timestamp: {field: at, format: "yyyy-MM-dd HH:mm:ss"}
        fields:
          id: string
          at: string
          card: string
          merchant: string
          amt: decimal(2)
          category: string?
          lat: double?
          present: boolean?
        ---
        kind: stream_feature_view
        name: card_activity
        entity: {name: card, join_key: card, type: string}
        source: payments
        aggregations:
          - {column: amt, functions: [count, sum], windows: [1h]}
          - {column: merchant, functions: [last]}
        ---
        kind: on_demand_feature_view
        name: request_features
        inputs: [card_activity, request]
        features:
          amt: amt
          category: category
        ---
        kind: feature_service
        name: shop_v1
        features: [card_activity, request_features]
        """

    static let service = repository.service(named: "shop_v1")

    /// amt < 100 gives −2, else 2; a count below 1 gives −0.5, else 0.5, a missing one −0.5.
    static func model(
        version: String = "7", service: String = "shop_v1", hash: String? = nil, names: [String]? = nil
    ) throws -> ScoringModel {
        guard let defined = Self.service else { throw TestServerError("no service") }
        let names = names ?? defined.featureNames
        guard let amount = names.firstIndex(of: "request_features__amt"),
            let count = names.firstIndex(of: "card_activity__amt_count_1h")
        else { throw TestServerError("no such features") }
        func tree(_ feature: Int, _ threshold: Double, _ low: Double, _ high: Double, defaultLeft: Int) -> JSONTree {
            [
                "tree_param": ["num_nodes": "3", "size_leaf_vector": "0"], "left_children": [1, -1, -1],
                "right_children": [2, -1, -1], "split_indices": [.number(feature), 0, 0],
                "split_conditions": [.number(threshold), .number(low), .number(high)],
                "default_left": [.number(defaultLeft), 0, 0], "sum_hessian": [10, 8, 2], "split_type": [0, 0, 0],
            ]
        }
        let document: JSONTree = [
            "version": [1, 7, 4],
            "learner": [
                "attributes": [:], "feature_names": .array(names.map { .string($0) }),
                "learner_model_param": [
                    "base_score": "5E-1", "num_class": "0", "num_feature": .string(String(names.count)),
                    "num_target": "1",
                ], "objective": ["name": "binary:logistic"],
                "gradient_booster": [
                    "name": "gbtree",
                    "model": [
                        "gbtree_model_param": ["num_parallel_tree": "1"],
                        "trees": [tree(amount, 100, -2, 2, defaultLeft: 0), tree(count, 1, -0.5, 0.5, defaultLeft: 1)],
                    ],
                ],
            ],
        ]
        let card = ModelCard(
            serviceName: service, definitionHash: hash ?? defined.definitionHash,
            features: zip(names, defined.kinds).map { name, kind in
                ModelFeature(name: name, categories: kind == .category ? ["food", "travel"] : nil)
            }, threshold: 0.5, thresholdRule: "half", rounds: 2, parameters: [:], fingerprint: "0",
            fit: DataPart(), stopping: DataPart(), holdout: DataPart(), metrics: ModelMetrics(), reference: [],
            scoreReference: ReferenceDistribution(numbers: [0.1, 0.2, 0.9]))
        return try ScoringModel(
            ensemble: TreeEnsemble(BoosterModel(json: document.bytes(), file: "model.json")), card: card,
            version: version)
    }

    let store = MemoryReader()
    let records = MemoryLog()
    let registry = MetricsRegistry()
    let app: PredictionApp

    init(apiKeys: String? = nil, hasModel: Bool = true, partitions: Int? = 4) throws {
        app = PredictionApp(reader: store, log: records, metrics: registry, apiKeys: APIKeys(apiKeys))
        if let partitions { app.use(partitionCount: partitions, of: "payments") }
        if hasModel { app.use(try ServedModel(Self.model(), Self.repository)) }
    }

    static let payment =
        #"{"id":"p1","at":"2024-03-01 12:00:00","card":"4992346398065154184","merchant":"Kiosk","amt":12.30,"category":"food"}"#

    func ask(
        _ body: String, _ path: String = "/api/v1/predict", query: [String: String] = [:],
        headers: [String: String] = [:]
    ) -> Answer {
        ask(bytes: Array(body.utf8), path, query: query, headers: headers)
    }

    func ask(
        bytes: [UInt8], _ path: String = "/api/v1/predict", query: [String: String] = [:],
        headers: [String: String] = [:]
    ) -> Answer {
        let request = Request(.post, path, query: query, headers: headers, body: bytes)
        guard let response = app.respond(to: request) else { return Answer(status: 0, json: .null, response: nil) }
        return Answer(
            status: response.status, json: (try? JSONTree.parse(response.body)) ?? "not JSON", response: response)
    }

    func get(_ path: String, headers: [String: String] = [:]) -> Answer {
        let response = app.respond(to: Request(.get, path, headers: headers))
        return Answer(
            status: response?.status ?? 0, json: (try? JSONTree.parse(response?.body ?? [])) ?? "not JSON",
            response: response)
    }

    struct Answer {
        let status: Int
        let json: JSONTree
        let response: Response?

        /// `loc` of each problem, joined by dots, and its type.
        var problems: [String] {
            (json["detail"]?.array ?? []).map { problem in
                let place = (problem["loc"]?.array ?? []).map { $0.string ?? $0.int.map(String.init) ?? "?" }
                return place.joined(separator: ".") + " " + (problem["type"]?.string ?? "?")
            }
        }
    }

    /// Stores a card's events as the transformer would, and the watermark of its partition.
    func store(
        card: String = "4992346398065154184", events: [(at: String, amount: String, merchant: String)], partition: Int,
        generation: UInt64 = 1, next: Int64? = nil
    ) throws {
        guard let view = Self.repository.view(named: "card_activity") else { throw TestServerError("no view") }
        var state = EntityState(view, generation: generation)
        for (index, event) in events.enumerated() {
            var row = SourceRow(view.source)
            for (name, text) in [
                ("id", "e\(index)"), ("at", event.at), ("card", card), ("merchant", event.merchant),
                ("amt", event.amount),
            ] {
                guard let field = view.source.index(of: name) else { throw TestServerError("no field") }
                let bytes = Array(text.utf8)
                try row.set(field, text: bytes.span)
            }
            _ = state.insert(row, offset: Int64(index) * 10)
        }
        var blob: [UInt8] = []
        state.encode(into: &blob)
        let hash8 = Self.repository.hash8
        store.values[OnlineKeys.blob(project: "shop", view: "card_activity", hash8: hash8, entity: card)] = blob
        setWatermark(partition: partition, generation: generation, next: next ?? Int64(events.count) * 10)
    }

    func setWatermark(partition: Int, generation: UInt64 = 1, next: Int64) {
        var bytes: [UInt8] = []
        for value in [generation, UInt64(bitPattern: next)] {
            for shift in stride(from: 56, through: 0, by: -8) {
                bytes.append(UInt8(truncatingIfNeeded: value >> UInt64(shift)))
            }
        }
        store.values[OnlineKeys.watermark(hash8: Self.repository.hash8, topic: "payments", partition: partition)] =
            bytes
    }
}

/// The online store in memory.
final class MemoryReader: OnlineReader {
    var values: [String: [UInt8]] = [:]
    var failure: RedisReadFailure?
    var isHeld = false
    private(set) var reads: [[String]] = []
    private var held: [() -> Void] = []

    func read(_ keys: OnlineKeyList, _ body: @escaping (borrowing RedisValues) -> Void) {
        let names = (0..<keys.count).map { String(decoding: keys[$0], as: UTF8.self) }
        reads.append(names)
        let answer = { [self] in
            if let failure { body(RedisValues(failure)) } else { body(RedisValues(names.map { values[$0] })) }
        }
        if isHeld { held.append(answer) } else { answer() }
    }

    func release() {
        let ready = held
        held = []
        for answer in ready { answer() }
    }
}

/// The log in memory.
final class MemoryLog: PredictionLog {
    private(set) var records: [(key: String, value: JSONTree)] = []

    func append(key: [UInt8], value: [UInt8], timestampMillis: Int64) {
        records.append((String(decoding: key, as: UTF8.self), (try? JSONTree.parse(value)) ?? "not JSON"))
    }
}
