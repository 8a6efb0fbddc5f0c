import FeatureEngine
import FeatureStore
import FraudModel
import HTTPServer
import JSON
import Pipeline
import Text
import TransactionData

/// One request on its way: its row must outlast the read of the online store. Reused.
final class PendingRequest {
    var row: SourceRow
    var request: Request?
    var startMicros: Int64 = 0
    var explanation = ExplanationChoice.all
    var read = OnlineRead()

    init(_ schema: SourceSchema) { row = SourceRow(schema) }
}

/// A model in use by one loop, with everything that is reused from request to request. Not `Sendable`: the loop owns it.
final class ActiveModel {
    let served: ServedModel
    let decoder: EventDecoder
    var join: OnlineJoin
    var viewVectors: [FeatureVector]
    var positions: [ViewPosition?]
    private(set) var degradation: Degradation = []
    private(set) var probability: Float = 0

    private var vector: FeatureVector
    private var scorer: Scorer
    /// Most values of a batch: each takes 32 bytes while it is read. Room for every field of every row, and as much again.
    let batchValuesMax: Int
    let batchParser: JSONParser
    private let speller: EventDecoder
    private var contributions: [Double]
    private var order: [Int]
    private var idle: [PendingRequest] = []
    private let featureStarts: [[UInt8]]  // `{"feature":"…","value":`
    private let featureMembers: [[UInt8]]  // `"…":`
    private let modelMembers: [UInt8]  // `,"threshold":…` and what else is the same in every answer
    private let featuresAsOf: FeaturesAsOf
    private let records: PredictionRecordWriter

    init(_ served: ServedModel, limits: ServingLimits, micros: @escaping () -> Int64) {
        self.served = served
        let service = served.service
        decoder = EventDecoder(service.source, maximumBytes: BatchPrediction.rowBytesMax)
        batchValuesMax = BatchPrediction.rowsMax * (2 * service.source.fields.count + 32)
        batchParser = JSONParser(maximumValues: batchValuesMax)
        speller = EventDecoder(
            service.source, maximumBytes: BatchPrediction.rowBytesMax, collectsUnknownFields: true)
        join = OnlineJoin(service, project: served.project, hash8: served.hash8, limits: limits, micros: micros)
        viewVectors = service.makeViewVectors()
        positions = Array(repeating: nil, count: service.views.count)
        vector = service.makeVector()
        scorer = served.scoring.makeScorer()
        contributions = Array(repeating: 0, count: service.featureNames.count)
        order = Array(service.featureNames.indices)
        featureStarts = service.featureNames.map { name in
            Array("{\"feature\":".utf8) + .quoted(name) + Array(",\"value\":".utf8)
        }
        featureMembers = service.featureNames.map { [UInt8].member($0) }
        var members: [UInt8] = Array(",\"threshold\":".utf8)
        members.append(json: served.scoring.threshold)
        members += Array(",\"model_version\":".utf8) + [UInt8].quoted(served.scoring.version)
        modelMembers = members
        featuresAsOf = FeaturesAsOf(service.views)
        records = PredictionRecordWriter(
            service, modelVersion: served.scoring.version, threshold: served.scoring.threshold)
    }

    func takePending() -> PendingRequest { idle.popLast() ?? PendingRequest(served.service.source) }

    func giveBack(_ pending: PendingRequest) {
        pending.request = nil
        if idle.count < 1_024 { idle.append(pending) }
    }

    /// Reads a request's fields; refused is what the stream would not take either.
    func decode(_ bytes: Span<UInt8>, into row: inout SourceRow, nowMillis: Int64) throws(EventError) {
        try decoder.decode(bytes, into: &row)
        guard PlausibleTime.isAhead(row.eventTimeMillis, ofRecordAt: nowMillis) else { return }
        let field = served.service.source.fields[served.service.source.eventTimeIndex].name
        throw EventError([.init(field: field, message: "is more than 5 minutes ahead of now", type: "value_error")])
    }

    /// The same error, a missing field named together with the one that may be it, misspelt.
    func explained(_ error: EventError, of bytes: Span<UInt8>) -> EventError {
        guard error.issues.contains(where: { $0.type == "missing" }) else { return error }
        var row = SourceRow(decoder.schema)
        try? speller.decode(bytes, into: &row)
        var strangers = speller.unknownFields
        return EventError(
            error.issues.map { issue in
                guard issue.type == "missing", let field = issue.field,
                    let stranger = Suggestion.nearest(to: field, among: strangers)
                else { return issue }
                strangers.removeAll { $0 == stranger }
                return .init(
                    field: field, message: "\(issue.message): did you mean it by \"\(stranger.prefix(100))\"?",
                    type: issue.type)
            })
    }

    /// The row evaluated last, to be kept.
    func joined(_ degradation: Degradation) -> JoinedRow {
        JoinedRow(vectors: viewVectors, positions: positions, degradation: degradation, unproven: join.unproven)
    }

    /// Puts a row back that was kept, to be scored.
    func take(_ row: JoinedRow) {
        viewVectors = row.vectors
        positions = row.positions
    }

    /// Scores a row whose `viewVectors` and `positions` are set. What the row's answer and record say is then kept here until
    /// the next row.
    func score(_ row: SourceRow, _ degradation: Degradation) {
        self.degradation = degradation
        served.service.assemble(row: row, viewVectors: viewVectors, into: &vector)
        probability = scorer.probability(of: vector)
    }

    private var isDegraded: Bool { !degradation.isEmpty }

    var isFraud: Bool { served.scoring.isFraud(probability) }

    /// Appends the answer for the row scored last.
    func appendAnswer(
        _ row: SourceRow, predictionID: [UInt8], _ explanation: ExplanationChoice, to bytes: inout [UInt8]
    ) {
        bytes.append("{\"prediction_id\":\"")
        bytes.append(contentsOf: predictionID)
        bytes.append("\",\"transaction_id\":")
        JSONWriter.append(utf8: row.bytes(served.service.source.eventIDIndex), to: &bytes)
        let isFraud = self.isFraud
        bytes.append(
            isFraud ? ",\"is_fraud\":true,\"fraud_probability\":" : ",\"is_fraud\":false,\"fraud_probability\":")
        bytes.append(json: probability)
        bytes.append(",\"probability\":")
        bytes.append(json: probability)
        bytes.append(isFraud ? ",\"prediction\":\"FRAUD\"" : ",\"prediction\":\"LEGIT\"")
        bytes.append(contentsOf: modelMembers)
        if explanation.count > 0 { appendExplanation(explanation, to: &bytes) }
        bytes.append(",\"features_as_of\":")
        featuresAsOf.append(positions, to: &bytes)
        bytes.append(isDegraded ? ",\"degraded\":true}" : ",\"degraded\":false}")
    }

    /// Exact SHAP values of the margin, the strongest first; all of them and `base_value` add up to the margin. They are
    /// written as floats, which is what the margin is.
    private func appendExplanation(_ explanation: ExplanationChoice, to bytes: inout [UInt8]) {
        let base = scorer.contributions(of: vector, into: &contributions)
        order.sort { (contributions[$0].magnitude, $1) > (contributions[$1].magnitude, $0) }
        bytes.append(",\"base_value\":")
        bytes.append(json: Float(base))
        bytes.append(explanation.isObject ? ",\"explanation\":{" : ",\"explanation\":[")
        for (place, index) in order.prefix(explanation.count).enumerated() {
            if place > 0 { bytes.append(0x2C) }
            if explanation.isObject {
                bytes.append(contentsOf: featureMembers[index])
            } else {
                bytes.append(contentsOf: featureStarts[index])
                bytes.append(valueAt: index, of: vector)
                bytes.append(",\"contribution\":")
            }
            bytes.append(json: Float(contributions[index]))
            if !explanation.isObject { bytes.append(0x7D) }
        }
        bytes.append(explanation.isObject ? 0x7D : 0x5D)
    }

    /// Appends the record of the `predictions` topic for the row scored last.
    func appendRecord(
        _ row: SourceRow, predictionID: [UInt8], createdMillis: Int64, latencyMicros: Int64, to bytes: inout [UInt8]
    ) {
        records.append(
            PredictionOutcome(
                probability: probability, isFraud: isFraud, isDegraded: isDegraded, createdMillis: createdMillis,
                latencyMicros: latencyMicros),
            predictionID: predictionID, of: row, vector, positions, to: &bytes)
    }
}
