import FeatureEngine
import Foundation
public import FeatureStore
public import FraudModel
import JSON
import TestSupport

/// A small schema, a model of two trees over it, and what the transformer would store for it: for tests of the API.
public enum ServingFixture {
    /// The definitions, loaded.
    public static let repository: FeatureRepository = {
        do {
            return try FeatureRepository.load(
                files: [("all.yaml", definitions)], environment: [:], called: "serving")
        } catch {
            fatalError("\(error)")
        }
    }()

    /// The definitions' text.
    public static let definitions = """
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
          amt: {type: decimal(2), min: -1000000}
          category: string?
          lat: {type: double?, min: -90, max: 90}
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

    /// The service the model is of.
    public static let service = repository.service(named: "shop_v1")

    /// The model's `model.json`.
    public static func modelBytes(_ names: [String]? = nil) throws -> [UInt8] {
        let names = names ?? service?.featureNames ?? []
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
        return document.bytes()
    }

    /// amt < 100 gives −2, else 2; a count below 1 gives −0.5, else 0.5, a missing one −0.5.
    public static func model(
        version: String = "7", service: String = "shop_v1", hash: String? = nil, names: [String]? = nil,
        of defined: FeatureService? = Self.service
    ) throws -> ScoringModel {
        guard let defined else { throw TestServerError("no service") }
        let names = names ?? defined.featureNames
        var card = ModelCard(
            serviceName: service, definitionHash: hash ?? defined.definitionHash,
            features: zip(names, defined.kinds).map { name, kind in
                ModelFeature(name: name, categories: kind == .category ? ["food", "travel"] : nil)
            })
        (card.thresholdRule, card.rounds, card.fingerprint) = ("half", 2, "0")
        card.reference = defined.kinds.map { kind in
            kind == .category
                ? .category(values: ["food", "travel"], counts: [3, 2], missing: 1)
                : ReferenceDistribution(numbers: [1, 2, 3])
        }
        card.scoreReference = ReferenceDistribution(numbers: [0.1, 0.2, 0.9])
        return try ScoringModel(
            BoosterModel(json: modelBytes(names), file: "model.json"), card: card,
            version: version)
    }

    /// A good request of a card whose partition is 3 of 4.
    public static let payment =
        #"{"id":"p1","at":"2024-03-01 12:00:00","card":"4992346398065154184","merchant":"Kiosk","amt":12.30,"category":"food"}"#
    /// That card.
    public static let card = "4992346398065154184"

    /// An event of a card.
    public struct Event {
        let at: String
        let amount: String
        let merchant: String
        /// Describes an event.
        public init(_ at: String, _ amount: String, _ merchant: String) {
            (self.at, self.amount, self.merchant) = (at, amount, merchant)
        }
    }

    /// The blob of a card with these events, every tenth position of the log.
    public static func blob(_ events: [Event], card: String = card, generation: UInt64 = 1) throws -> [UInt8] {
        guard let view = repository.view(named: "card_activity") else { throw TestServerError("no view") }
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
        return blob
    }

    /// The key of a card's blob.
    public static func blobKey(_ card: String = card) -> String {
        OnlineKeys.blob(project: "shop", view: "card_activity", hash8: repository.hash8, entity: card)
    }

    /// A watermark's value.
    public static func watermark(generation: UInt64 = 1, next: Int64, target: Int64 = 0) -> [UInt8] {
        Watermark(generation: generation, nextOffset: next, target: target).bytes
    }

    /// The key of a partition's watermark.
    public static func watermarkKey(_ partition: Int) -> String {
        OnlineKeys.watermark(hash8: repository.hash8, topic: "payments", partition: partition)
    }
}
