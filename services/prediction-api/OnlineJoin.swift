import FeatureEngine
import FeatureStore
import KafkaClient
import RedisClient

/// The log position a served view was read at.
struct ViewPosition: Equatable {
    let generation: UInt64
    /// v: the last position applied; −1 for none.
    let offset: Int64
    let partition: Int32
}

/// Joins a request with the online state of its entities: which keys to read, and what their values mean.
///
/// Beside each view's blob the watermark of the entity's partition is read in the same MGET. Without it, and below its target,
/// nobody knows what the online store lacks, so the views are missing and the answer is degraded; with it, a missing blob is a
/// new entity.
struct OnlineJoin {
    private let views: [StreamView]
    private let prefixes: [[UInt8]]
    private let watermarkPrefix: [UInt8]
    private var watermarkKeys: [[UInt8]] = []
    private let keyIndex: Int

    init(_ service: FeatureService, project: String, hash8: String) {
        views = service.views
        prefixes = service.views.map {
            Array(OnlineKeys.blob(project: project, view: $0.name, hash8: hash8, entity: "").utf8)
        }
        keyIndex = service.source.keyIndex
        let first = OnlineKeys.watermark(hash8: hash8, topic: service.source.topic, partition: 0)
        watermarkPrefix = Array(first.utf8.dropLast())
    }

    /// How many keys one request reads.
    var keysPerRow: Int { views.isEmpty ? 0 : views.count + 1 }

    /// The number of partitions of the source's topic, once it is known.
    var partitionCount: Int? {
        get { watermarkKeys.isEmpty ? nil : watermarkKeys.count }
        set { watermarkKeys = (0..<(newValue ?? 0)).map { watermarkPrefix + Array(String($0).utf8) } }
    }

    /// Adds the keys of one request; returns its partition.
    func appendKeys(_ row: SourceRow, to keys: inout OnlineKeyList) -> Int32 {
        for (view, prefix) in zip(views, prefixes) {
            if row.bits(view.joinKeyIndex) == nil {
                keys.append(prefix, row.bytes(view.joinKeyIndex))
            } else {
                keys.append(prefix, (row.canonicalText(view.joinKeyIndex) ?? "").utf8)
            }
        }
        let partition: Int32
        if row.bits(keyIndex) == nil {
            partition = Murmur2.partition(key: row.bytes(keyIndex).span, partitionCount: watermarkKeys.count)
        } else {
            partition = Murmur2.partition(key: row.key, partitionCount: watermarkKeys.count)
        }
        keys.append(watermarkKeys[Int(partition)])
        return partition
    }

    /// Evaluates every view at the request's time; the values of this row begin at `first`. Returns whether all views are
    /// known: false means that some are missing and the answer is degraded.
    func evaluate(
        _ values: borrowing RedisValues, from first: Int, row: SourceRow, partition: Int32,
        into vectors: inout [FeatureVector], positions: inout [ViewPosition?]
    ) -> Bool {
        guard values.failure == nil, first + views.count < values.count,
            let watermark = values.withValue(first + views.count, Self.watermark),
            watermark.isComplete
        else {
            makeMissing(&vectors, &positions)
            return false
        }
        var isComplete = true
        for (index, view) in views.enumerated() {
            let state = values.withValue(first + index) { blob -> EntityState? in
                do throws(OnlineFault) { return try OnlineView.state(view, blob: blob, under: watermark) } catch {
                    switch error {
                    // No event of the entity lies before the watermark, or only events of a log that is gone.
                    case .absent, .outdated: return OnlineView.empty(view, under: watermark)
                    case .unreadable, .ahead: return nil
                    }
                }
            }
            guard let state else {
                vectors[index].reset()
                positions[index] = nil
                isComplete = false
                continue
            }
            state.evaluate(atMillis: row.eventTimeMillis, current: row, into: &vectors[index])
            positions[index] = ViewPosition(
                generation: state.generation, offset: state.offset, partition: partition)
        }
        return isComplete
    }

    /// What is served when the store cannot be asked.
    func makeMissing(_ vectors: inout [FeatureVector], _ positions: inout [ViewPosition?]) {
        for index in vectors.indices {
            vectors[index].reset()
            positions[index] = nil
        }
    }

    private static func watermark(_ bytes: Span<UInt8>?) -> Watermark? {
        guard let bytes else { return nil }
        return Watermark(bytes: bytes)
    }
}
