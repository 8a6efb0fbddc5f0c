import TerminalUI

/// What a case is, in two lines above its tables; returns the row below.
func drawCaseHead(_ model: DashboardModel, _ screen: inout Screen, y: Int) -> Int {
    guard let file = model.caseFile else {
        screen.draw("case", x: 0, y: y, style: Style(bold: true))
        return y + 1
    }
    let prediction = file.row.prediction
    let now = model.newest?.timeMillis ?? file.row.createdMillis
    let state = file.row.state.atMillis(now)
    var x = screen.draw("case \(cleaned(prediction.transactionID))", x: 0, y: y, style: Style(bold: true))
    x += screen.draw("  \(model.columns.keyCaption) \(cleaned(prediction.entity))", x: x, y: y)
    x += screen.draw("  \(clock(prediction.eventTimeMillis))", x: x, y: y, style: label)
    var status = state.status.rawValue
    if !state.owner.isEmpty { status += " by \(cleaned(state.owner))" }
    if let until = state.untilMillis { status += " until \(clock(until).suffix(8))" }
    screen.draw("  \(status)", x: x, y: y, style: Style(state.status == .open ? nil : .cyan, bold: true))
    let score = "score \(decimal(prediction.probability, 3)) "
    x = screen.draw(score, x: 0, y: y + 1)
    let color: Color = prediction.isStrong ? .red : prediction.isFraud ? .yellow : .green
    screen.drawBar(prediction.probability, x: x, y: y + 1, columns: 20, style: Style(color))
    x += 21
    var rest = "fraud ≥ \(decimal(prediction.threshold, 3)), model \(cleaned(prediction.modelVersion))"
    if prediction.expectedLoss.isFinite { rest += ", expected loss \(decimal(prediction.expectedLoss, 2))" }
    if prediction.isDegraded { rest += ", ~ without all features" }
    screen.draw(rest, x: x, y: y + 1, style: model.isStale(.file) ? label : .plain)
    return y + 2
}

/// Whose features these are, in one line.
func drawEntityHead(_ model: DashboardModel, _ screen: inout Screen, y: Int) -> Int {
    var text = "no key yet: type : and a \(model.columns.keyCaption)"
    if let known = model.answers[.entity], case .entity(let file) = known.answer {
        text =
            "\(model.columns.keyCaption) \(cleaned(file.key)) as of \(clock(file.atMillis))  \(cleaned(file.position))"
    } else if !model.entityKey.isEmpty {
        text = "\(model.columns.keyCaption) \(cleaned(model.columns.shownKey(model.entityKey)))"
    }
    screen.draw(text, x: 0, y: y, style: model.isStale(.entity) ? label : Style(bold: true))
    return y + 1
}
