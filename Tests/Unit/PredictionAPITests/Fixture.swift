import FeatureStore
import FraudModel
import HTTPServer
import JSON
import Observability
import RedisClient
import ServingSupport

@testable import PredictionAPI

/// An app over the small schema that reads memory and logs into an array.
final class Fixture {
    static let repository = ServingFixture.repository
    static let service = ServingFixture.service
    static let payment = ServingFixture.payment
    static func model(
        version: String = "7", service: String = "shop_v1", hash: String? = nil, names: [String]? = nil
    ) throws -> ScoringModel {
        try ServingFixture.model(version: version, service: service, hash: hash, names: names)
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
        events: [(at: String, amount: String, merchant: String)], partition: Int, generation: UInt64 = 1,
        next: Int64? = nil
    ) throws {
        store.values[ServingFixture.blobKey()] = try ServingFixture.blob(
            events.map { .init($0.at, $0.amount, $0.merchant) }, generation: generation)
        setWatermark(partition: partition, generation: generation, next: next ?? Int64(events.count) * 10)
    }

    func setWatermark(partition: Int, generation: UInt64 = 1, next: Int64, target: Int64 = 0) {
        store.values[ServingFixture.watermarkKey(partition)] = ServingFixture.watermark(
            generation: generation, next: next, target: target)
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
