import FeatureEngine
import FeatureStore

/// Asks about the entities of some rows that have no blob, whether they are new or their blobs were lost, and calls back once
/// when all is answered or the time is over.
final class KnownLookups {
    private let reader: any OnlineReader
    private let model: ActiveModel
    private let sinceMicros: Int64
    private let body: ([JoinedRow]) -> Void
    private var rows: [JoinedRow] = []
    private var questions: [(row: Int, view: Int, key: [UInt8], entity: ByteString)] = []
    private var open = 0

    init(
        _ reader: any OnlineReader, _ model: ActiveModel, sinceMicros: Int64, _ body: @escaping ([JoinedRow]) -> Void
    ) {
        self.reader = reader
        self.model = model
        self.sinceMicros = sinceMicros
        self.body = body
    }

    /// Adds a row, in the order in which the rows are given back; one without an open question just waits for the others.
    func add(_ joined: JoinedRow, _ row: SourceRow, _ read: OnlineRead) {
        for view in joined.unproven {
            let (key, entity) = model.join.filter(of: view, row, read)
            questions.append((rows.count, view, key, entity))
        }
        rows.append(joined)
    }

    /// Asks.
    func start() {
        open = questions.count
        for (row, view, key, entity) in questions {
            reader.lookUp(key, entity: entity, sinceMicros: sinceMicros) { [self] answer in
                model.join.settle(&rows[row], view: view, answer)
                open -= 1
                if open == 0 { body(rows) }
            }
        }
    }
}
