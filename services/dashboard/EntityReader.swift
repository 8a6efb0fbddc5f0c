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

    func read(_ key: String, atMillis: Int64, _ connection: PostgresConnection) throws -> EntityFile {
        var file = EntityFile(key: columns.shownKey(key), atMillis: atMillis)
        file.history = try CaseQueries.history(connection, key, columns)
        for source in repository.sources {
            let views = repository.views(of: source).filter { $0.joinKeyIndex == source.keyIndex }
            guard !views.isEmpty else { continue }
            let counts = try connection.query(
                "SELECT max(partition_count) FROM partition_state WHERE topic = $1", [.text(source.topic)])
            let partitions = Int(counts.integer(0, 0) ?? 0)
            guard partitions > 0 else {
                file.position = "the stream has not read \(source.topic) yet"
                continue
            }
            let online = try store.read(key, views, source, repository, partitions: partitions)
            file.position = online.position
            for (view, state) in zip(views, online.states) {
                let stored = try newestRow(of: view, key, connection)
                if let stored { file.storedMillis = max(stored.millis, file.storedMillis ?? stored.millis) }
                file.features += Self.pairs(view, state, atMillis, stored)
            }
        }
        return file
    }

    private struct StoredRow {
        let millis: Int64, texts: [String?]
    }

    /// The features of the newest scored event of an entity that is stored under these definitions: found by the events of its newest
    /// answers, since a view's table has no index by key.
    private func newestRow(of view: StreamView, _ key: String, _ connection: PostgresConnection) throws -> StoredRow? {
        let names = view.features.map { "f.\(PostgresQuoting.identifier($0.name))" }.joined(separator: ", ")
        guard !names.isEmpty else { return nil }
        let rows = try connection.query(
            """
            SELECT (extract(epoch FROM f.event_timestamp) * 1000)::bigint, \(names)
            FROM \(PostgresQuoting.identifier(view.name)) f WHERE f.event_id = ANY(ARRAY(
                SELECT transaction_id FROM predictions WHERE entity = $1 ORDER BY event_timestamp DESC LIMIT 20))
            AND f.definition_hash = $2 ORDER BY f.event_timestamp DESC LIMIT 1
            """, [.text(key), .text(repository.streamHash)])
        guard rows.count == 1, let millis = rows.integer(0, 0) else { return nil }
        return StoredRow(millis: millis, texts: view.features.indices.map { rows.text(0, $0 + 1) })
    }

    private static func pairs(
        _ view: StreamView, _ state: EntityState?, _ atMillis: Int64, _ stored: StoredRow?
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
            return FeaturePair(
                view: view.name, name: view.features[index].name, now: text(now, index),
                online: stored == nil ? nil : text(then, index), offline: offline)
        }
    }
}
