import FeatureEngine
import Observability
import RedisClient

/// Joins and scores rows in their order, those that are near each other by one read of the online store, in slices of a few
/// milliseconds with a turn for everybody else of the loop between them. Its caller has the turn (see `Turns`), and has it again when
/// all are scored.
final class RowScoring {
    /// Most rows that share one read of the online store.
    static let rowsPerRead = 64
    /// How long a slice may keep the loop, µs; it ends after the row that it is at.
    static let sliceMicros: Int64 = 3_000
    /// How long a store that did not answer is left alone, µs: at first, and after failures in a row, twice as long each time.
    static let pauseMicros: (first: Int64, most: Int64) = (20_000, 640_000)

    private let app: PredictionApp
    private let model: ActiveModel
    private var rows: [SourceRow] = []
    private var each: (Int) -> Void = { _ in }
    private var done: () -> Void = {}
    private var keys = OnlineKeyList()
    private var reads: [OnlineRead] = []
    private var next = 0
    private var heldFrom = 0
    private var width = RowScoring.rowsPerRead
    /// Not before this moment is the store asked again: a row is not worth a deadline, but a stream may outlast an outage.
    private var askAgainMicros = Int64.min
    private var pauseMicros = RowScoring.pauseMicros.first

    init(_ app: PredictionApp, _ model: ActiveModel) {
        self.app = app
        self.model = model
        if !model.join.isReady { app.metrics.onlineFailures.add() }
    }

    /// Scores rows: calls `each` with the place of a row that was scored just now, in their order, then `done`.
    func score(_ rows: [SourceRow], each: @escaping (Int) -> Void, done: @escaping () -> Void) {
        self.rows = rows
        self.each = each
        self.done = done
        next = 0
        scoreNext()
    }

    private func scoreNext() {
        guard next < rows.count else {
            let done = done
            (each, self.done) = ({ _ in }, {})
            return done()
        }
        let now = app.clocks.micros()
        guard model.join.keysPerRow > 0, model.join.isReady, now >= askAgainMicros else { return scoreWithoutStore() }
        keys.removeAll()
        let count = min(rows.count - next, width)
        while reads.count < count { reads.append(OnlineRead()) }
        for place in 0..<count {
            model.join.appendKeys(rows[next + place], to: &keys, isShared: true, nowMicros: now, into: &reads[place])
        }
        app.reader.read(keys) { [self] values in
            noteRead(values.failure)
            let moment = Moment(wallMillis: app.clocks.wallMillis(), micros: now)
            let end = app.clocks.micros() + Self.sliceMicros
            var scored = 0
            var lookups: KnownLookups?
            model.join.beginSharing()
            while scored < count, scored == 0 || app.clocks.micros() <= end {
                let row = rows[next + scored]
                let degradation = model.join.evaluate(
                    values, reads[scored], row: row, now: moment, deadlineMicros: .max, into: &model.viewVectors,
                    positions: &model.positions)
                app.probe(row, model, values.failure, degradation)
                if lookups == nil, !model.join.unproven.isEmpty {
                    lookups = KnownLookups(app.reader, model, sinceMicros: now) { [self] in finish($0) }
                    // From here on the rows wait for one another, to be answered in their order.
                    heldFrom = next + scored
                }
                if let lookups {
                    lookups.add(model.joined(degradation), row, reads[scored])
                } else {
                    score(next + scored, degradation)
                }
                scored += 1
            }
            model.join.endSharing()
            // Rows of many events are read a few at a time, for what was not scored is read once more.
            width = scored < count ? scored : min(Self.rowsPerRead, width * 2)
            next += scored
            if let lookups { lookups.start() } else { app.turns.pass { [self] in scoreNext() } }
        }
    }

    private func noteRead(_ failure: RedisReadFailure?) {
        guard failure != nil else { return pauseMicros = Self.pauseMicros.first }
        app.metrics.onlineFailures.add()
        askAgainMicros = app.clocks.micros() + pauseMicros
        pauseMicros = min(pauseMicros * 2, Self.pauseMicros.most)
    }

    /// Scores the rows that waited for an answer.
    private func finish(_ joined: [JoinedRow]) {
        for (place, row) in joined.enumerated() {
            model.take(row)
            score(heldFrom + place, row.degradation)
        }
        app.turns.pass { [self] in scoreNext() }
    }

    private func scoreWithoutStore() {
        let end = app.clocks.micros() + Self.sliceMicros
        let degradation: Degradation = model.join.keysPerRow == 0 ? [] : .offline
        repeat {
            model.join.makeMissing(&model.viewVectors, &model.positions)
            score(next, degradation)
            next += 1
        } while next < rows.count && app.clocks.micros() <= end
        app.turns.pass { [self] in scoreNext() }
    }

    private func score(_ place: Int, _ degradation: Degradation) {
        model.score(rows[place], degradation)
        each(place)
    }
}
