import FeatureEngine
import TerminalUI

/// The tables whose rows are predictions.
extension DashboardModel {
    /// The place of the expected loss among the columns of the cases.
    static let lossColumn = 1

    private var keyWidth: Int { columns.reveals ? 20 : 11 }  // A masked key has eleven characters.

    private var textColumns: [TableColumn] {
        columns.texts.enumerated().map { TableColumn($1, 6, grows: true, rank: 2 + $0) }
    }

    private var amountColumn: [TableColumn] {
        columns.amount.map { [TableColumn($0, 11, least: 9, right: true)] } ?? []
    }

    /// Key, texts and amount of a prediction.
    private func cells(_ prediction: Prediction) -> [String] {
        [prediction.entity] + prediction.texts.prefix(columns.texts.count)
            + (columns.amount == nil ? [] : [prediction.amount])
    }

    private func style(_ prediction: Prediction) -> Style {
        prediction.isDegraded ? Style(.yellow) : prediction.isFraud && prediction.isStrong ? Style(.red) : .plain
    }

    private static func id(_ prediction: Prediction) -> ByteString {
        ByteString(prediction.predictionID.isEmpty ? prediction.transactionID : prediction.predictionID)
    }

    private func row(_ prediction: Prediction, _ rest: [String]) -> TableRow {
        let cells = [clock(prediction.eventTimeMillis)] + cells(prediction) + rest
        let score = 1 + self.cells(prediction).count
        let numbers: [Int: Double] = [
            0: prediction.eventTimeMillis.map(Double.init) ?? .nan,
            score - 1: columns.amount == nil ? .nan : Double(prediction.amount) ?? .nan,
            score: prediction.probability,
        ]
        return TableRow(Self.id(prediction), cells, numbers: numbers, style: style(prediction))
    }

    private var frozen: String {
        guard isPaused else { return "" }
        return " (paused, \(waiting.count)\(waitingBeyond > 0 ? "+" : "") wait)"
    }

    /// The newest alerts of the topic.
    package var newestTable: Table {
        var title = "alerts"
        if case .value(let served)? = newest?.served, let threshold = served.threshold {
            title += ", fraud ≥ \(decimal(threshold, 3))"
        }
        title += waitingCases
        let head = [TableColumn.time("event time"), TableColumn(columns.keyCaption, keyWidth)] + textColumns
        return Table(
            .newest, title + frozen,
            head + amountColumn + [TableColumn("fraud", 5, right: true), TableColumn("", 1)],
            alerts.map { row($0, [decimal($0.probability, 3), $0.mark]) }, remark: noPredictions,
            isStale: isDown("kafka"))
    }

    /// How many cases wait and for how long; at most as many as were asked for.
    private var waitingCases: String {
        guard let known = answers[.cases], case .cases(let cases) = known.answer else { return "" }
        let now = newest?.timeMillis ?? known.timeMillis
        let open = cases.filter { $0.prediction.isFraud && [.open, .claimed].contains($0.state.atMillis(now).status) }
        guard let oldest = open.map(\.createdMillis).min() else { return "; no case waits" }
        let more = open.count >= 200 ? "+" : ""
        return "; \(open.count)\(more) cases wait, the oldest \(duration(Double(max(0, now &- oldest)) / 1_000))"
    }

    /// Every prediction as it comes.
    package var streamTable: Table {
        var title = "predictions"
        if newest?.skippedPredictions ?? 0 > 0 { title += ", a sample: more come than are read" }
        let head = [TableColumn.time("event time"), TableColumn(columns.keyCaption, keyWidth)] + textColumns
        return Table(
            .stream, title + frozen,
            head + amountColumn + [
                TableColumn("score", 5, right: true), TableColumn("", 10, rank: 1), TableColumn("why", 8, rank: 1),
            ],
            predictions.map {
                let why = $0.isDegraded ? "degraded" : $0.isFraud ? ($0.isStrong ? "! fraud" : "fraud") : ""
                return row($0, [decimal($0.probability, 3), bar($0.probability, 10), why])
            }, remark: noPredictions, isStale: isDown("kafka"))
    }

    /// Open cases. What makes one wait (an alert, or the random share below the threshold) is not to be seen.
    package var casesTable: Table {
        var rows: [CaseRow] = []
        if let known = answers[.cases], case .cases(let cases) = known.answer { rows = cases }
        let now = newest?.timeMillis ?? answers[.cases]?.timeMillis ?? 0
        let head = [
            TableColumn("age", 7, right: true), TableColumn("loss", 9, right: true),
            TableColumn("score", 5, right: true), TableColumn(columns.keyCaption, keyWidth),
        ]
        let open = rows.filter { [.open, .claimed].contains($0.state.atMillis(now).status) }
        return Table(
            .cases, "open cases by \(sortName(.cases, head.map(\.name)))",
            head + textColumns + amountColumn + [
                TableColumn("status", 8), TableColumn("owner", 10, rank: 2), TableColumn.time("answered", rank: 5),
            ], open.map { caseRow($0, now) }, remark: remark(.cases, "no case waits"), isStale: isStale(.cases))
    }

    private func caseRow(_ row: CaseRow, _ now: Int64) -> TableRow {
        let prediction = row.prediction
        let state = row.state.atMillis(now)
        let age = Double(max(0, now &- row.createdMillis)) / 1_000
        let cells =
            [duration(age), decimal(prediction.expectedLoss, 2), decimal(prediction.probability, 3)]
            + self.cells(prediction) + [state.status.rawValue, state.owner, clock(row.createdMillis)]
        return TableRow(
            Self.id(prediction), cells,
            numbers: [
                0: age, Self.lossColumn: prediction.expectedLoss, 2: prediction.probability,
                cells.count - 4: columns.amount == nil ? .nan : Double(prediction.amount) ?? .nan,
            ], style: state.status == .claimed ? Style(.cyan) : style(prediction))
    }

    /// Answers about one entity, the one of the open case marked.
    func historyTable(_ id: TableID, _ title: String, _ rows: [CaseRow], of this: String?, _ kind: Question.Kind)
        -> Table
    {
        let head = [TableColumn("", 1), TableColumn.time("event time")] + textColumns
        return Table(
            id, title,
            head + amountColumn + [
                TableColumn("score", 5, right: true), TableColumn("", 1), TableColumn("verdict", 10, rank: 1),
            ],
            rows.map { row in
                let prediction = row.prediction
                let isThis = this.map { $0.utf8.elementsEqual(prediction.predictionID.utf8) } ?? false
                let cells =
                    [isThis ? ">" : "", clock(prediction.eventTimeMillis)] + self.cells(prediction).dropFirst()
                    + [decimal(prediction.probability, 3), prediction.mark, verdict(row.state)]
                return TableRow(
                    Self.id(prediction), Array(cells),
                    numbers: [
                        1: prediction.eventTimeMillis.map(Double.init) ?? .nan,
                        cells.count - 3: prediction.probability,
                    ], style: isThis ? Style(.cyan, bold: true) : style(prediction))
            }, remark: remark(kind, "no answer is stored"), isStale: isStale(kind))
    }

    private func verdict(_ state: CaseState) -> String {
        [.fraud, .legitimate].contains(state.status) ? state.status.rawValue : ""
    }

    private func sortName(_ id: TableID, _ names: [String]) -> String {
        let state = state(id)
        return state.sort.flatMap { names.indices.contains($0) ? names[$0] : "another column" } ?? "time"
    }

    func isDown(_ part: String) -> Bool {
        if case .down? = newest?.state(of: part) { true } else { false }
    }

    /// Why there is nothing to see: that there is none is only known from a log that was read.
    private var noPredictions: String {
        switch newest?.state(of: "kafka") ?? .unknown {
        case .up: "none in the newest predictions"
        case .unknown: "not known yet"
        case .down: "not known: Kafka does not answer"
        }
    }
}

/// A share from 0 to 1 as a bar of so many cells.
func bar(_ share: Double, _ cells: Int) -> String {
    guard share.isFinite else { return "" }
    let filled = max(0, min(cells, Int((share * Double(cells)).rounded())))
    return String(repeating: "█", count: filled) + String(repeating: "░", count: cells - filled)
}
