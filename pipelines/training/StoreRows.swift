internal import FeatureEngine
internal import FeatureStore
internal import FraudModel
internal import Observability
internal import PostgresClient
internal import PostgresOfflineStore
internal import ServiceRuntime

/// Point-in-time rows of the offline store.
struct StoreRows {
    let store: PostgresOfflineStore
    let context: TrainingContext

    init(store: PostgresOfflineStore, context: TrainingContext) { (self.store, self.context) = (store, context) }

    /// The rows of the context's store.
    init(_ context: TrainingContext) throws {
        self.init(store: PostgresOfflineStore(try context.connect()), context: context)
    }

    /// The rows with features under the present definitions, by event time, whose label has arrived. Without `labelled` also the
    /// others, as if their label were 0: for what looks at features only.
    func rows(fromMillis: Int64? = nil, labelled: Bool = true, _ runtime: ServiceRuntime) throws -> TrainingSet {
        var set = TrainingSet(context.service)
        let read = try scan(fromMillis: fromMillis, runtime) { vector, label, timeMillis, id in
            guard label != nil || !labelled else { return }
            set.append(vector, label: label == 1 ? 1 : 0, timeMillis: timeMillis, id: id)
        }
        if fromMillis == nil { try explain(read, set.count, runtime) }
        return set
    }

    /// All rows from a moment on, and those of them whose label has arrived.
    func recent(fromMillis: Int64?, _ runtime: ServiceRuntime) throws -> RecentRows {
        var (all, labelled) = (TrainingSet(context.service), TrainingSet(context.service))
        _ = try scan(fromMillis: fromMillis, runtime) { vector, label, timeMillis, id in
            all.append(vector, label: label == 1 ? 1 : 0, timeMillis: timeMillis, id: id)
            if let label { labelled.append(vector, label: label == 1 ? 1 : 0, timeMillis: timeMillis, id: id) }
        }
        return RecentRows(all: all, labelled: labelled)
    }

    /// Reads the rows by event time and returns how many there were; a row's label is nil until it has arrived.
    private func scan(
        fromMillis: Int64?, _ runtime: ServiceRuntime,
        _ body: (_ vector: FeatureVector, _ label: Int?, _ timeMillis: Int64, _ id: UInt64) -> Void
    ) throws -> Int {
        let service = context.service
        let progress = runtime.progress("reading the offline store")
        defer { progress.finish() }
        var vector = service.makeVector()
        var read = 0
        do {
            try store.scanTrainingRows(service, streamHash: context.repository.streamHash, fromMillis: fromMillis) {
                row, vectors, label, _ in
                try TrainingContext.requireGoingOn(runtime)
                read += 1
                if read.isMultiple(of: 10_000) { progress.update(to: read) }
                service.assemble(row: row, viewVectors: vectors, into: &vector)
                body(vector, label, row.eventTimeMillis, TrainingSet.id(of: row))
            }
            progress.update(to: read)
        } catch let error as PostgresError {
            throw TrainingContext.explained(error)
        }
        return read
    }

    /// Says why there are fewer rows than events, and what computes the rest.
    private func explain(_ read: Int, _ labelled: Int, _ runtime: ServiceRuntime) throws {
        let stored = try store.eventCount(of: context.service.source)
        guard read < stored else { return }
        let missing =
            "\(Figures.grouped(read)) of \(Figures.grouped(stored)) stored rows have features under the definitions \(context.repository.streamHash)"
        guard labelled > 0 else {
            throw CommandError(.dataError, "\(missing): \(TrainingContext.cure) make a model that serves them.")
        }
        // What transform has not reached yet is no reason to speak.
        guard read < stored / 10 * 9 else { return }
        runtime.log.warning("only some rows are trained on", ["reason": "\(missing): \(TrainingContext.cure)"])
    }

    /// Recomputes the features of some events under other definitions, from the events as they are stored: every partition in the
    /// order of its log, so that each row is what the stream would have written. Empty where the events are not stored as those
    /// definitions declare them.
    func replayed(_ service: FeatureService, wanted: Set<UInt64>, _ runtime: ServiceRuntime) throws -> TrainingSet {
        do {
            return try replay(service, wanted, runtime)
        } catch let error as PostgresError where error.sqlState == "42703" || error.sqlState == "42P01" {
            return TrainingSet(service)
        }
    }

    private func replay(
        _ service: FeatureService, _ wanted: Set<UInt64>, _ runtime: ServiceRuntime
    ) throws -> TrainingSet {
        var set = TrainingSet(service)
        var vector = service.makeVector()
        let feeds = ViewFeed.feeds(of: service.views)
        // Views of another entity were computed in the order of their own topic: those vectors of wanted events are kept until the
        // events come in the order of the source's.
        var others = feeds.filter(\.isRekeyed).map { (feed: $0, vectors: [UInt64: [FeatureVector]]()) }
        let progress = runtime.progress("recomputing the champion's features")
        defer { progress.finish() }
        var read = 0
        func replay(_ feed: ViewFeed, _ body: (SourceRow, UInt64, [FeatureVector]) -> Void) throws {
            let first = try store.firstWholeMillis(
                ofTopic: service.source.topic, lookBackMillis: service.views.map(\.retentionMillis).max() ?? 0)
            var replay = ViewsReplay(feed.views)
            var vectors = replay.makeVectors()
            var position: Int64 = 0
            try store.scanEvents(feed) { row, _ in
                try TrainingContext.requireGoingOn(runtime)
                replay.next(row, position: position, into: &vectors)
                position += 1
                read += 1
                if read.isMultiple(of: 10_000) { progress.update(to: read) }
                let id = TrainingSet.id(of: row)
                // Before it, the windows reach back to events that were deleted by age.
                guard wanted.contains(id), row.eventTimeMillis >= first else { return }
                body(row, id, vectors)
            }
        }
        // What is deleted between the horizon and the scan would cut windows that count as whole.
        try store.connection.snapshot {
            for index in others.indices {
                try replay(others[index].feed) { _, id, vectors in others[index].vectors[id] = vectors }
            }
            let own = feeds.first { !$0.isRekeyed } ?? ViewFeed(own: service.source)
            var viewVectors = service.makeViewVectors()
            try replay(own) { row, id, vectors in
                func take(_ feed: ViewFeed, _ vectors: [FeatureVector]) {
                    for (view, vector) in zip(feed.views, vectors) {
                        if let slot = service.views.firstIndex(where: { $0 === view }) { viewVectors[slot] = vector }
                    }
                }
                take(own, vectors)
                for other in others { if let vectors = other.vectors[id] { take(other.feed, vectors) } }
                service.assemble(row: row, viewVectors: viewVectors, into: &vector)
                set.append(vector, label: 0, timeMillis: row.eventTimeMillis, id: id)
            }
        }
        progress.update(to: read)
        return set
    }
}

/// What drift looks at: recent rows, and those of them whose label has arrived.
struct RecentRows {
    var all: TrainingSet
    var labelled: TrainingSet?
}
