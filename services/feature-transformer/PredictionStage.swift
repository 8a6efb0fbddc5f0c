import FeatureEngine
import KafkaClient
import PostgresClient
import PostgresOfflineStore

/// The API's answers: stored once each, as they were given.
final class PredictionStage: Stage {
    private let partition: KafkaPartition
    private let copyRows = PostgresCopyBuffer()
    private var filter = IDFilter()
    private var predictions: [PredictionRecord] = []
    private var offsets: [Int64] = []
    private var suspects: [Int] = []
    private var isCareful = false

    init(_ partition: KafkaPartition) { self.partition = partition }

    func forget() { filter = IDFilter() }

    func loadIDs(_ ledger: PartitionLedger, stores: Stores) throws -> Int64 {
        filter = IDFilter()
        var count: Int64 = 0
        try stores.postgres().scanPartition(
            table: PredictionTable.name, columns: ["prediction_id"], topic: ledger.topic, partition: ledger.partition
        ) { row in
            _ = filter.insert(FNV1a64.hash(row.bytes(0)))
            count += 1
        }
        return count
    }

    func begin(isCareful: Bool) {
        self.isCareful = isCareful
        predictions.removeAll(keepingCapacity: true)
        offsets.removeAll(keepingCapacity: true)
        suspects.removeAll(keepingCapacity: true)
    }

    func take(_ index: Int, of batch: KafkaBatch) -> String? {
        guard batch.hasValue(at: index) else { return "the record has no value" }
        var prediction: PredictionRecord
        do throws(RecordError) {
            prediction = try batch.withValue(at: index) { (bytes) throws(RecordError) in try Self.decode(bytes) }
        } catch {
            return error.reason
        }
        guard let entity = String(validating: batch.key(at: index), as: UTF8.self), !entity.utf8.contains(0) else {
            return "the key is not text"
        }
        prediction.entity = entity
        if !filter.insert(FNV1a64.hash(prediction.predictionID.utf8)) || isCareful {
            suspects.append(predictions.count)
        }
        predictions.append(prediction)
        offsets.append(batch.offset(at: index))
        return nil
    }

    static func decode(_ bytes: Span<UInt8>) throws(RecordError) -> PredictionRecord {
        let fields = try RecordFields(bytes)
        var prediction = PredictionRecord()
        prediction.predictionID = try fields.text("prediction_id")
        prediction.transactionID = try fields.text("transaction_id", mayBeEmpty: true)
        prediction.createdMillis = try fields.millis("created_at")
        prediction.eventMillis = try fields.millis("event_timestamp")
        prediction.service = try fields.text("service")
        prediction.modelVersion = try fields.text("model_version")
        prediction.definitionHash = try fields.text("definition_hash")
        prediction.probability = try fields.double("probability")
        prediction.threshold = try fields.double("threshold")
        prediction.isFraud = try fields.boolean("is_fraud")
        prediction.isDegraded = try fields.boolean("degraded")
        prediction.latencyMicros = try fields.integer("latency_micros")
        prediction.request = try fields.json("request", isArray: false)
        prediction.vector = try fields.json("vector", isArray: true)
        prediction.featuresAsOf = try fields.json("features_as_of", isArray: false)
        return prediction
    }

    func prepare(_ state: PartitionState, ledger: PartitionLedger, stores: Stores) throws -> Prepared {
        var prepared = Prepared()
        var known: Set<String> = []
        if !suspects.isEmpty {
            let ids = Set(suspects.map { predictions[$0].predictionID })
            known = try stores.postgres().stored(Array(ids), table: PredictionTable.name, column: "prediction_id")
        }
        let suspected = Set(suspects.map { predictions[$0].predictionID })
        copyRows.removeAll()
        for (index, prediction) in predictions.enumerated() {
            guard !known.contains(prediction.predictionID) else {
                prepared.duplicates += 1
                continue
            }
            if suspected.contains(prediction.predictionID) { known.insert(prediction.predictionID) }
            prepared.rows += 1
            PredictionTable.add(
                prediction,
                at: LogPosition(topic: partition.topic, partition: partition.partition, offset: offsets[index]),
                to: copyRows)
        }
        return prepared
    }

    func copy(on connection: PostgresConnection) throws {
        try connection.copyIn(table: PredictionTable.name, columns: PredictionTable.columns, rows: copyRows)
    }
}
