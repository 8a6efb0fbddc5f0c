import FeatureEngine
import FeatureStore
import Observability
import Pipeline
import PostgresOfflineStore
import RedisOnlineStore
import ServiceRuntime

/// Holds one feed's rows and online states against the log: its stored events are replayed through the engine, entity after entity.
final class StateVerifier {
    private let feed: ViewFeed
    private let repository: FeatureRepository
    private let store: PostgresOfflineStore
    private let online: RedisOnlineStore
    private let report: VerifyReport
    private let repairs: Bool

    private var replay: MomentReplay
    private var vectors: [FeatureVector]
    private var key: ByteString?
    private var last: LogPosition?
    private var removedBefore: Int64 = 0
    private var firstMillis: [Int64] = []
    /// Views that have rows of these definitions; others were not rolled out yet.
    private var isInForce: [Bool] = []

    /// `repairs`: an online state that differs is written anew.
    init(
        _ feed: ViewFeed, _ repository: FeatureRepository, _ store: PostgresOfflineStore, _ online: RedisOnlineStore,
        _ report: VerifyReport, repairs: Bool
    ) {
        (self.feed, self.repository, self.store, self.online) = (feed, repository, store, online)
        (self.report, self.repairs) = (report, repairs)
        replay = MomentReplay(feed.views)
        vectors = feed.views.map { FeatureVector(count: $0.features.count) }
    }

    /// Compares the sampled entities. Within a snapshot of the store; `isStopping` ends it with an error.
    func run(_ sample: EntitySample, _ runtime: ServiceRuntime) throws {
        let horizon = try store.horizon(ofTopic: feed.source.topic)
        removedBefore = horizon.removedBefore
        firstMillis = feed.views.map { horizon.firstWholeMillis(lookBackMillis: $0.retentionMillis) }
        isInForce = try feed.views.map { try store.hasRows(of: $0, definitionHash: repository.streamHash) }
        for (view, inForce) in zip(feed.views, isInForce) where !inForce {
            report.leaveOut("rows of \(view.name), which has none of these definitions yet")
        }
        let progress = runtime.progress("verifying \(feed.source.name)")
        var rows = 0
        try store.scanStoredRows(feed, sample) { event in
            try turn(to: event)
            try compare(event)
            replay.insert(event.row, position: event.position.offset)
            last = event.position
            rows += 1
            guard rows & 0x3FF == 0 else { return }
            progress.update(to: rows)
            guard !runtime.isStopping else { throw runtime.stopped("not everything was compared") }
        }
        try finishEntity()
        progress.update(to: rows)
        progress.finish()
    }

    private func turn(to event: StoredEvent) throws {
        let next = event.row.withCanonicalBytes(feed.keyIndex) { ByteString(copying: $0) }
        if next != key {
            try finishEntity()
            key = next
            replay.turn(to: next.bytes[...])
        } else if let last, last.topic != event.position.topic || last.partition != event.position.partition {
            throw CommandError(
                .dataError,
                "\(feed.source.fields[feed.keyIndex].name) \(next) has events in two partitions, \(VerifyReport.place(last)) and \(VerifyReport.place(event.position)): the topic's partition count was changed, and their order is lost."
            )
        }
    }

    // MARK: Rows

    private func compare(_ event: StoredEvent) throws {
        guard event.isDue else { return }
        for (index, view) in feed.views.enumerated() where isInForce[index] && !view.features.isEmpty {
            guard event.row.eventTimeMillis >= firstMillis[index] else {
                report.leaveOut("rows whose windows reach back to what was deleted")
                continue
            }
            let subject = "\(view.name) of \(event.row.eventID), \(VerifyReport.place(event.position))"
            guard let stored = event.features[index] else {
                report.check(.row)
                try report.add(.row, subject, ["is not stored"])
                continue
            }
            guard stored.definitionHash == repository.streamHash else {
                report.leaveOut("rows of other definitions")
                continue
            }
            report.check(.row)
            replay.evaluate(
                view: index, atMillis: event.row.eventTimeMillis, current: event.row, into: &vectors[index])
            var differences = VerifyReport.differences(
                view.features.map(\.name), view.kinds, stored.vector, vectors[index], "is stored")
            var before = event.position
            before.offset -= 1
            if stored.position != before {
                differences.append(
                    "v: \(VerifyReport.place(stored.position)) is stored, the log gives \(VerifyReport.place(before))")
            }
            if !differences.isEmpty { try report.add(.row, subject, differences) }
        }
    }

    // MARK: Online states

    /// What the log gives for the entity that ends here, against what the online store has.
    private func finishEntity() throws {
        guard let key, let last else { return }
        defer { (self.key, self.last) = (nil, nil) }
        let mark = OnlineKeys.watermark(
            hash8: repository.hash8, topic: last.topic, partition: Int(last.partition))
        let keys = feed.views.map {
            OnlineKeys.blob(
                project: repository.project, view: $0.name, hash8: repository.hash8, entity: key.description)
        }
        let (watermark, blobs) = try online.read(watermarkKey: mark, blobKeys: keys)
        guard let watermark, watermark.isComplete else {
            return report.leaveOut("online states of a partition that is being built, or has none of these definitions")
        }
        for index in feed.views.indices {
            var state = replay.state(view: index)
            let floor = (state.newestMillis ?? 0) - feed.views[index].retentionMillis - StreamView.disorderMillis
            guard removedBefore == 0 || floor >= removedBefore else {
                report.leaveOut("online states that reach back to what was deleted")
                continue
            }
            state.move(to: state.offset, generation: watermark.generation)
            try compare(state, with: blobs[index], under: watermark, key: keys[index], entity: key, last)
        }
    }

    private func compare(
        _ state: EntityState, with blob: [UInt8]?, under watermark: Watermark, key: String, entity: ByteString,
        _ last: LogPosition
    ) throws {
        // What the stream has not brought there yet, or has brought there since, says nothing.
        guard watermark.nextOffset > state.offset else {
            return report.leaveOut("online states that the stream is just writing")
        }
        var right: [UInt8] = []
        state.encode(into: &right)
        let found: String
        switch OnlineView.found(state.view, blob: blob, under: watermark) {
        case .failure(.absent), .failure(.outdated): found = "is not there"
        case .failure(.unreadable): found = "does not decode"
        case .failure(.ahead): found = "is of a generation that was never planted"
        case .success(let stored) where stored.offset > state.offset:
            return report.leaveOut("online states that the stream is just writing")
        case .success(let stored) where stored.offset < state.offset:
            found = "is of offset \(stored.offset), the log gives \(state.offset)"
        case .success(let stored):
            found = blob == right ? "" : Self.difference(stored, state)
        }
        report.check(.blob)
        guard !found.isEmpty else { return }
        let subject = "\(state.view.name) of \(state.view.entityName) \(entity), \(VerifyReport.place(last))"
        try report.add(.blob, subject, [found])
        guard repairs else { return }
        if let blob { try online.discard([(key: key, bytes: blob)]) }
        if try online.write([(key: key, blob: right)]) == .accepted { report.noteRepaired() }
    }

    /// What of two states of one position differs.
    private static func difference(_ stored: EntityState, _ right: EntityState) -> String {
        guard stored.count == right.count else {
            return "holds \(stored.count) events, the log gives \(right.count)"
        }
        let millis = max(stored.newestMillis ?? 0, right.newestMillis ?? 0) + 1
        var vectors = [stored, right].map { _ in FeatureVector(count: right.view.features.count) }
        stored.evaluate(atMillis: millis, into: &vectors[0])
        right.evaluate(atMillis: millis, into: &vectors[1])
        let names = right.view.features.map(\.name)
        let differences = VerifyReport.differences(names, right.view.kinds, vectors[0], vectors[1], "is stored")
        return differences.isEmpty ? "holds other events than the log gives" : differences.joined(separator: "; ")
    }
}

extension OnlineView {
    /// The state of a blob, or what is wrong with it.
    fileprivate static func found(
        _ view: StreamView, blob: [UInt8]?, under watermark: Watermark
    ) -> Result<EntityState, OnlineFault> {
        do throws(OnlineFault) {
            guard let blob else { throw .absent }
            return .success(try state(view, blob: blob.span, under: watermark))
        } catch {
            return .failure(error)
        }
    }
}
