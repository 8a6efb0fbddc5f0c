import FeatureEngine
import FeatureStore
import PostgresClient
import PostgresOfflineStore

/// Reads an entity's features where they are served from and where they are stored. Confined to one thread.
final class EntityReader {
    private let repository: FeatureRepository
    private let store: OnlineSource
    private let columns: PredictionColumns

    init(_ repository: FeatureRepository, _ store: OnlineSource, _ columns: PredictionColumns) {
        (self.repository, self.store, self.columns) = (repository, store, columns)
    }

    /// `atMillis` is the moment to look at, nil for now.
    func read(_ key: String, atMillis: Int64?, nowMillis: Int64, _ connection: PostgresConnection) throws -> EntityFile
    {
        var file = EntityFile(key: columns.shownKey(key), atMillis: atMillis ?? nowMillis, isPast: atMillis != nil)
        file.history = try CaseQueries.history(connection, key, columns, until: atMillis)
        for feed in repository.feeds where feed.keyIndex == feed.source.keyIndex && !feed.views.isEmpty {
            let counts = try connection.query(
                "SELECT max(partition_count) FROM partition_state WHERE topic = $1", [.text(feed.topic)])
            let partitions = Int(clamping: counts.integer(0, 0) ?? 0)
            guard (1...100_000).contains(partitions) else {
                file.position = "the stream has not read \(feed.topic) yet"
                continue
            }
            let online = try store.states(of: key, in: feed, repository, partitions: partitions)
            file.position = Self.position(of: online, feed)
            for (view, state) in zip(feed.views, online.states) {
                let stored = try newestRow(of: view, key, until: atMillis, connection)
                let canCompare = Self.reaches(state, back: stored?.millis)
                if let stored { file.storedMillis = max(stored.millis, file.storedMillis ?? stored.millis) }
                file.canCompare = file.canCompare && canCompare
                file.features += pairs(view, state, file.atMillis, stored, canCompare)
            }
        }
        return file
    }

    private static func position(of online: OnlineStates, _ feed: ViewFeed) -> String {
        guard let watermark = online.watermark else { return "the online store has no such partition yet" }
        let known = online.states.compactMap { $0 }.first
        let events = known.map { "\($0.count) events kept" } ?? "its state is not certain now"
        return "\(events), \(feed.topic)/\(online.partition) read up to \(watermark.nextOffset)"
    }

    private struct StoredRow {
        let millis: Int64, texts: [String?]
    }

    /// The features of the newest scored event of an entity that is stored under these definitions: found by the events of its newest
    /// answers, since a view's table has no index by key.
    private func newestRow(
        of view: StreamView, _ key: String, until millis: Int64?, _ connection: PostgresConnection
    ) throws -> StoredRow? {
        let names = view.features.map { "f.\(PostgresQuoting.identifier($0.name))" }.joined(separator: ", ")
        guard !names.isEmpty else { return nil }
        let rows = try connection.query(
            """
            SELECT (extract(epoch FROM f.event_timestamp) * 1000)::bigint, \(names)
            FROM \(PostgresQuoting.identifier(view.name)) f WHERE f.event_id = ANY(ARRAY(
                SELECT transaction_id FROM predictions WHERE entity = $1 AND \(CaseQueries.isUntil("event_timestamp", "$3"))
                ORDER BY event_timestamp DESC LIMIT 20))
            AND f.definition_hash = $2 AND \(CaseQueries.isUntil("f.event_timestamp", "$3")) ORDER BY f.event_timestamp DESC LIMIT 1
            """, [.text(key), .text(repository.streamHash), millis.map { .integer($0) } ?? .null])
        guard rows.count == 1, let millis = rows.integer(0, 0) else { return nil }
        return StoredRow(millis: millis, texts: view.features.indices.map { rows.text(0, $0 + 1) })
    }

    /// Whether a state still has every event that an evaluation at a time reads: older ones are dropped as newer ones come.
    private static func reaches(_ state: EntityState?, back millis: Int64?) -> Bool {
        guard let millis else { return true }
        guard let state else { return false }
        guard let newest = state.newestMillis else { return true }
        return millis >= newest &- StreamView.disorderMillis
    }

    private func pairs(
        _ view: StreamView, _ state: EntityState?, _ atMillis: Int64, _ stored: StoredRow?, _ canCompare: Bool
    ) -> [FeaturePair] {
        var (now, then) = (FeatureVector(count: view.features.count), FeatureVector(count: view.features.count))
        state?.evaluate(atMillis: atMillis, into: &now)
        if let stored { state?.evaluate(atMillis: stored.millis, into: &then) }
        func text(_ vector: FeatureVector, _ index: Int) -> String? {
            guard state != nil else { return nil }
            if view.kinds[index] == .category { return vector.texts[index] }
            return vector.numbers[index].isNaN ? nil : "\(vector.numbers[index])"
        }
        return view.features.indices.map { index in
            // Both as Swift prints a double, so that equal text is equal bits.
            let offline = stored?.texts[index].map { value in
                view.kinds[index] == .category ? value : Double(value).map { "\($0)" } ?? value
            }
            let field = view.features[index].field.map { view.source.fields[$0].name } ?? ""
            let isText = view.kinds[index] == .category
            return FeaturePair(
                view: view.name, name: view.features[index].name, now: text(now, index),
                online: stored == nil ? nil : text(then, index), offline: offline, canCompare: canCompare
            ) { isText ? columns.shown($0, of: field) : $0 }
        }
    }
}
