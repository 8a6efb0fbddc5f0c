public import FeatureEngine
public import FeatureStore
import JSON
import TransactionData

/// One record of the `predictions` topic: an answer of the API with everything it was made of, so that it can be made again. The
/// record's key is that of the entity.
public struct PredictionRecord: Sendable {
    /// The answer's own id.
    public var predictionID = ByteString("")
    /// The transaction it is about; empty where the request names none.
    public var transactionID = ByteString("")
    /// The key of its entity: the record's key.
    public var entity = ByteString("")
    /// When it was answered, ms.
    public var createdMillis: Int64 = 0
    /// The transaction's time, ms.
    public var eventMillis: Int64 = 0
    /// The feature service.
    public var service = ""
    /// The model.
    public var modelVersion = ""
    /// The definitions.
    public var definitionHash = ""
    /// The score.
    public var probability = 0.0
    /// The threshold of that day.
    public var threshold = 0.0
    /// Whether it was over the threshold.
    public var isFraud = false
    /// Whether online features were missing.
    public var isDegraded = false
    /// How long the answer took.
    public var latencyMicros: Int64 = 0
    /// The request's fields: a JSON object.
    public var request = Array("{}".utf8)
    /// The features in service order: a JSON array, null for one that is missing.
    public var vector = Array("[]".utf8)
    /// The position of each view's state: a JSON object.
    public var featuresAsOf = Array("{}".utf8)

    /// An answer to be filled in.
    public init() {}

    /// Reads a record; the key is empty when there is none.
    package init(key: [UInt8], value: Span<UInt8>, _ reader: RecordReader = RecordReader()) throws(RecordError) {
        self = try reader.read(value) { (fields) throws(RecordError) in try Self.read(fields) }
        // The key of a request without one is empty.
        if !key.isEmpty, let problem = KeyRule.problem(key.span) { throw RecordError("the key \(problem)") }
        entity = ByteString(key)
    }

    private static func read(_ fields: JSONValue) throws(RecordError) -> PredictionRecord {
        var record = PredictionRecord()
        record.predictionID = try fields.id("prediction_id")
        record.transactionID = try fields.id("transaction_id", mayBeEmpty: true)
        record.createdMillis = try fields.millis("created_at")
        record.eventMillis = try fields.millis("event_timestamp")
        record.service = try fields.text("service")
        record.modelVersion = try fields.text("model_version")
        record.definitionHash = try fields.text("definition_hash")
        record.probability = try fields.double("probability")
        record.threshold = try fields.double("threshold")
        record.isFraud = try fields.boolean("is_fraud")
        record.isDegraded = try fields.boolean("degraded")
        record.latencyMicros = try fields.integer("latency_micros")
        record.request = try fields.json("request", isArray: false)
        record.vector = try fields.json("vector", isArray: true)
        record.featuresAsOf = try fields.json("features_as_of", isArray: false)
        return record
    }
}

/// What one answer says beside its row and its features.
public struct PredictionOutcome: Sendable {
    /// The model's probability of fraud.
    public var probability: Float
    /// Whether it is at or over the threshold.
    public var isFraud: Bool
    /// Whether online features were missing.
    public var isDegraded: Bool
    /// When it was answered, ms.
    public var createdMillis: Int64
    /// How long the answer took.
    public var latencyMicros: Int64

    /// Describes an answer.
    public init(probability: Float, isFraud: Bool, isDegraded: Bool, createdMillis: Int64, latencyMicros: Int64) {
        self.probability = probability
        self.isFraud = isFraud
        self.isDegraded = isDegraded
        self.createdMillis = createdMillis
        self.latencyMicros = latencyMicros
    }
}

/// Writes the values of one model's records. What all of them share is put together once, so that a record costs no memory but its
/// own; `PredictionRecord` reads them.
public struct PredictionRecordWriter: Sendable {
    private let source: SourceSchema
    private let request: EventEncoder
    private let featuresAsOf: FeaturesAsOf
    private let members: [UInt8]

    /// The records of a model: its service, its version and its threshold.
    public init(_ service: FeatureService, modelVersion: String, threshold: Float) {
        source = service.source
        request = EventEncoder(service.source)
        featuresAsOf = FeaturesAsOf(service.views)
        var members = Array(",\"service\":".utf8) + [UInt8].quoted(service.name)
        members.append(",\"threshold\":")
        members.append(json: threshold)
        members.append(",\"model_version\":")
        members += [UInt8].quoted(modelVersion)
        members.append(",\"definition_hash\":")
        self.members = members + [UInt8].quoted(service.definitionHash)
    }

    /// Appends the record of one answer: about this row, with these features and positions. The id is ASCII that needs no escape.
    public func append(
        _ outcome: PredictionOutcome, predictionID: [UInt8], of row: SourceRow, _ vector: FeatureVector,
        _ positions: [ViewPosition?], to bytes: inout [UInt8]
    ) {
        bytes.append("{\"prediction_id\":\"")
        bytes.append(contentsOf: predictionID)
        bytes.append("\",\"transaction_id\":")
        JSONWriter.append(utf8: row.bytes(source.eventIDIndex), to: &bytes)
        bytes.append(",\"created_at\":")
        JSONWriter.append(integer: outcome.createdMillis, to: &bytes)
        bytes.append(",\"event_timestamp\":")
        JSONWriter.append(integer: row.eventTimeMillis, to: &bytes)
        bytes.append(contentsOf: members)
        bytes.append(",\"probability\":")
        bytes.append(json: outcome.probability)
        bytes.append(outcome.isFraud ? ",\"is_fraud\":true" : ",\"is_fraud\":false")
        bytes.append(
            outcome.isDegraded ? ",\"degraded\":true,\"latency_micros\":" : ",\"degraded\":false,\"latency_micros\":")
        JSONWriter.append(integer: outcome.latencyMicros, to: &bytes)
        bytes.append(",\"request\":")
        request.encode(row, into: &bytes)
        bytes.append(",\"vector\":[")
        for index in 0..<vector.count {
            if index > 0 { bytes.append(0x2C) }
            bytes.append(valueAt: index, of: vector)
        }
        bytes.append("],\"features_as_of\":")
        featuresAsOf.append(positions, to: &bytes)
        bytes.append(0x7D)
    }
}
