import FeatureEngine
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
    let time = TestTime()
    let app: PredictionApp
    let elsewhere = Elsewhere()

    init(
        apiKeys: String? = nil, origins: String? = nil, hasModel: Bool = true, partitions: Int? = 4,
        eventsMax: Int = 50_000, featureAgeMillisMax: Int64 = 30_000, holdsOffloaded: Bool = false
    ) throws {
        var limits = ServingLimits()
        limits.eventsMax = eventsMax
        limits.featureAgeMillisMax = featureAgeMillisMax
        app = PredictionApp(
            reader: store, log: records, metrics: registry,
            gate: RequestGate(apiKeys: APIKeys(apiKeys), origins: try AllowedOrigins(origins)), limits: limits,
            clocks: time.clocks, offload: { [elsewhere] work, then in elsewhere.take(work, then) })
        elsewhere.isHeld = holdsOffloaded
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

    /// Sets a partition's watermark, and its filter of known entities: these.
    func setWatermark(
        partition: Int, generation: UInt64 = 1, next: Int64, target: Int64 = 0, newestMillis: Int64 = -1,
        aliveMillis: Int64? = nil, known: [String]? = []
    ) {
        let key = ServingFixture.watermarkKey(partition)
        store.values[key] =
            Watermark(generation: generation, nextOffset: next, target: target, newestMillis: newestMillis).bytes
        store.values[OnlineKeys.alive(watermarkKey: key)] = aliveMillis.map {
            Heartbeat(millis: $0).bytes
        }
        var filter = KnownEntities(room: 16)
        for entity in known ?? [] { _ = filter.insert(ByteString(entity)) }
        store.values[OnlineKeys.known(watermarkKey: key)] = known == nil ? nil : filter.bytes
    }
}

/// The other thread of a loop: what is handed to it is done at once, or when a test says so.
final class Elsewhere {
    var isHeld = false
    private(set) var held: [() -> Void] = []

    func take(_ work: @escaping @Sendable () -> BatchListing, _ then: @escaping (BatchListing) -> Void) {
        held.append { then(work()) }
        if !isHeld { run() }
    }

    func run() {
        let all = held
        held = []
        for one in all { one() }
    }
}

/// Time that goes only as a test says.
final class TestTime {
    /// A minute after the payment of the fixture.
    var wallMillis: Int64 = 1_709_294_460_000
    var micros: Int64 = 1_000_000
    /// How much later each look at the clock finds it.
    var stepMicros: Int64 = 0

    var clocks: Clocks {
        Clocks(
            wallMillis: { [self] in wallMillis },
            micros: { [self] in
                micros += stepMicros
                return micros
            })
    }
}

/// The online store in memory.
final class MemoryReader: OnlineReader {
    var values: [String: [UInt8]] = [:]
    var failure: RedisReadFailure?
    /// How many reads fail so.
    var failures = Int.max
    var isHeld = false
    /// Whether questions about known entities get no answer in time.
    var isForgetful = false
    private(set) var reads: [[String]] = []
    private(set) var lookUps: [String] = []
    private(set) var headers: [String] = []
    private var held: [() -> Void] = []

    func read(_ keys: OnlineKeyList, _ body: @escaping (borrowing RedisValues) -> Void) {
        let names = (0..<keys.count).map { String(decoding: keys[$0], as: UTF8.self) }
        reads.append(names)
        let answer = { [self] in
            guard let failure, failures > 0 else { return body(RedisValues(names.map { values[$0] })) }
            failures -= 1
            body(RedisValues(failure))
        }
        if isHeld { held.append(answer) } else { answer() }
    }

    func readHeader(_ key: [UInt8], _ body: @escaping ([UInt8]?) -> Void) {
        let name = String(decoding: key, as: UTF8.self)
        headers.append(name)
        body(Array((values[name] ?? []).prefix(EntityState.headerSize)))
    }

    /// As the script in Redis does it.
    func lookUp(
        _ key: [UInt8], entity: ByteString, sinceMicros: Int64, _ body: @escaping (KnownEntities.Answer?) -> Void
    ) {
        let name = String(decoding: key, as: UTF8.self)
        lookUps.append("\(name) \(entity)")
        guard !isForgetful else { return body(nil) }
        guard let filter = values[name] else { return body(.absent) }
        let selector = String(decoding: KnownEntities.selector(of: entity.bytes.span), as: UTF8.self)
        let place = (Int(selector) ?? 0) % (filter.count / 8) * 8
        body(KnownEntities.answer(Array(filter[place..<place + 8]).span, of: entity.bytes.span))
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

    func append(key: Span<UInt8>, value: Span<UInt8>, timestampMillis: Int64) {
        let (key, value) = (key.indices.map { key[$0] }, value.indices.map { value[$0] })
        records.append((String(decoding: key, as: UTF8.self), (try? JSONTree.parse(value)) ?? "not JSON"))
    }
}
