import FeatureEngine
public import TerminalUI

/// Draws the dashboard at a size. Small windows lose panels from the bottom, never their order.
public func view(_ model: DashboardModel, _ size: Size) -> Screen {
    var screen = Screen(size)
    if model.showsHelp {
        drawHelp(&screen)
        return screen
    }
    drawHeader(model, &screen)
    let half = size.width / 2
    if size.width >= 64 {
        drawStream(model, &screen, x: 0, y: 1, width: half)
        drawPredictions(model, &screen, x: half, y: 1, width: size.width - half)
        let lagHeight = min(max(6, lagTopics(model).count + 2), 8)
        drawLag(model, &screen, x: 0, y: 7, width: half, height: lagHeight)
        drawChampion(model, &screen, x: half, y: 7, width: size.width - half, height: lagHeight)
        drawAlerts(model, &screen, y: 7 + lagHeight, height: size.height - 8 - lagHeight)
    } else {
        drawStream(model, &screen, x: 0, y: 1, width: size.width)
        drawPredictions(model, &screen, x: 0, y: 7, width: size.width)
        drawAlerts(model, &screen, y: 13, height: size.height - 14)
    }
    drawFooter(model, &screen)
    return screen
}

private let label = Style(.grey)

private func drawHeader(_ model: DashboardModel, _ screen: inout Screen) {
    var x = screen.draw("needletail", x: 0, y: 0, style: Style(.cyan, bold: true))
    x += screen.draw(" \(model.project)", x: x, y: 0, style: Style(bold: true))
    guard let newest = model.newest else {
        screen.draw("  asking every part …", x: x, y: 0, style: label)
        return
    }
    x += screen.draw("  \(clock(newest.timeMillis)) UTC  ", x: x, y: 0, style: label)
    for part in newest.parts {
        let style: Style =
            switch part.state {
            case .unknown: label
            case .up: Style(.green)
            case .down: Style(.red, bold: true)
            }
        x += screen.draw(part.state == .up ? "● " : "○ ", x: x, y: 0, style: style)
        x += screen.draw("\(part.name) ", x: x, y: 0, style: part.state == .up ? .plain : style)
    }
}

private func drawStream(_ model: DashboardModel, _ screen: inout Screen, x: Int, y: Int, width: Int) {
    screen.drawBox("stream", x: x, y: y, width: width, height: 6)
    drawRate("produced", model.producedRates, &screen, x: x + 2, y: y + 1, width: width - 4)
    drawRate("transformed", model.transformedRates, &screen, x: x + 2, y: y + 2, width: width - 4)
    let freshness = model.newest?.freshnessSeconds.map(duration) ?? "–"
    drawFact("freshness", freshness, &screen, x: x + 2, y: y + 3, width: width - 4)
    let deadLetters = model.newest?.deadLetters
    drawFact(
        "dead letters", deadLetters.map(count) ?? "–", &screen, x: x + 2, y: y + 4, width: width - 4,
        style: (deadLetters ?? 0) > 0 ? Style(.yellow) : .plain)
}

private func drawPredictions(_ model: DashboardModel, _ screen: inout Screen, x: Int, y: Int, width: Int) {
    screen.drawBox("predictions", x: x, y: y, width: width, height: 6)
    drawRate("rate", model.predictionRates, &screen, x: x + 2, y: y + 1, width: width - 4)
    let latency = "p50 \(model.medianLatency.map(duration) ?? "–")  p99 \(model.slowLatency.map(duration) ?? "–")"
    drawFact("latency", latency, &screen, x: x + 2, y: y + 2, width: width - 4)
    let newest = model.newest
    let share =
        if let predictions = newest?.predictions, predictions > 0, let frauds = newest?.frauds {
            "\(count(frauds)) of \(count(predictions)) (\(decimal(frauds / predictions * 100, 2)) %)"
        } else {
            "–"
        }
    drawFact("frauds", share, &screen, x: x + 2, y: y + 3, width: width - 4)
    let degraded = newest?.degraded
    let dropped = newest?.logDropped.map { "  log dropped \(count($0))" } ?? ""
    drawFact(
        "degraded", (degraded.map(count) ?? "–") + dropped, &screen, x: x + 2, y: y + 4, width: width - 4,
        style: (degraded ?? 0) > 0 ? Style(.yellow) : .plain)
}

private func lagTopics(_ model: DashboardModel) -> [(topic: String, partitions: [PartitionLag])] {
    let lags = model.newest?.lags ?? []
    return Set(lags.map(\.topic)).sorted().map { topic in
        (topic, lags.filter { $0.topic == topic }.sorted { $0.partition < $1.partition })
    }
}

private func drawLag(_ model: DashboardModel, _ screen: inout Screen, x: Int, y: Int, width: Int, height: Int) {
    screen.drawBox("consumer lag by partition", x: x, y: y, width: width, height: height)
    let topics = lagTopics(model)
    if topics.isEmpty { screen.draw("not known", x: x + 2, y: y + 1, style: label, columns: width - 4) }
    for (row, entry) in topics.prefix(max(0, height - 2)).enumerated() {
        drawFact(
            entry.topic, entry.partitions.map { $0.records.map { count(Double($0)) } ?? "?" }.joined(separator: "  "),
            &screen, x: x + 2, y: y + 1 + row, width: width - 4,
            style: entry.partitions.contains { ($0.records ?? 0) > 1_000 } ? Style(.yellow) : .plain)
    }
}

private func drawChampion(_ model: DashboardModel, _ screen: inout Screen, x: Int, y: Int, width: Int, height: Int) {
    screen.drawBox("champion", x: x, y: y, width: width, height: height)
    guard let champion = model.newest?.champion else {
        screen.draw("no champion is registered", x: x + 2, y: y + 1, style: label, columns: width - 4)
        return
    }
    let since = String(CivilTime.iso8601(champion.createdMillis).prefix(16)).replacing("T", with: " ")
    var rows: [(String, String, Style)] = [("version", "\(champion.version)  since \(since)", .plain)]
    rows.append(
        ("holdout", champion.metrics.map { "\($0.name) \(decimal($0.value, 3))" }.joined(separator: "  "), .plain))
    if let drift = champion.drift {
        let worst = drift.worst.map { "\($0.name) \(decimal($0.value, 2))" }.joined(separator: ", ")
        rows.append(
            ("drift", drift.isDrifted ? "yes" : "no", drift.isDrifted ? Style(.yellow, bold: true) : Style(.green)))
        rows.append(("PSI", worst, .plain))
    } else {
        rows.append(("drift", "no report yet", label))
    }
    for (row, entry) in rows.prefix(max(0, height - 2)).enumerated() {
        drawFact(entry.0, entry.1, &screen, x: x + 2, y: y + 1 + row, width: width - 4, style: entry.2)
    }
}

private func drawAlerts(_ model: DashboardModel, _ screen: inout Screen, y: Int, height: Int) {
    guard height >= 3 else { return }
    let width = screen.size.width
    screen.drawBox(model.isPaused ? "alerts (paused)" : "alerts", x: 0, y: y, width: width, height: height)
    let room = width - 4
    // Time, card, amount and probability have a fixed width; merchant and category share what is left.
    let rest = max(0, room - 20 - 20 - 11 - 6)
    let widths = [20, 20, rest - rest / 3, rest / 3, 11, 6]
    func row(_ cells: [String]) -> String {
        zip(cells, widths).enumerated().map { index, cell in
            DisplayWidth.fit(cell.0, to: max(0, cell.1 - 1), alignRight: index >= 4) + (cell.1 > 0 ? " " : "")
        }.joined()
    }
    screen.draw(
        row(["event time", "card", "merchant", "category", "amount", "fraud"]), x: 2, y: y + 1,
        style: Style(bold: true),
        columns: room)
    let rows = max(0, height - 3)
    let first = max(0, min(model.selected - rows + 1, model.alerts.count - rows))
    if model.alerts.isEmpty { screen.draw("none yet", x: 2, y: y + 2, style: label, columns: room) }
    for (index, alert) in model.alerts.dropFirst(first).prefix(rows).enumerated() {
        let time = String(CivilTime.iso8601(alert.eventTimeMillis).prefix(19)).replacing("T", with: " ")
        let text = row([
            time, alert.entity, alert.merchant, alert.category, alert.amount,
            decimal(alert.probability, 3),
        ])
        let isSelected = first + index == model.selected
        screen.draw(
            text, x: 2, y: y + 2 + index,
            style: Style(alert.isDegraded ? .yellow : alert.probability >= 0.9 ? .red : nil, reversed: isSelected),
            columns: room)
    }
}

private func drawFooter(_ model: DashboardModel, _ screen: inout Screen) {
    let down = model.newest?.parts.compactMap { part -> String? in
        if case .down(let reason) = part.state { "\(part.name): \(reason)" } else { nil }
    }
    let text = (down ?? []).isEmpty ? "q quit  p pause  ↑↓ alerts  ? help" : (down ?? []).joined(separator: " · ")
    screen.draw(text, x: 0, y: screen.size.height - 1, style: (down ?? []).isEmpty ? label : Style(.red))
}

private func drawHelp(_ screen: inout Screen) {
    let lines = [
        "q, Esc, Ctrl-C   leave", "p, space         pause the alerts", "↑ ↓ k j          choose an alert",
        "PgUp PgDn g G    by ten, to the newest, to the oldest", "Ctrl-Z           stop; fg brings it back",
        "", "stream           events a second sent by produce and stored by transform",
        "freshness        from producing to readable features", "lag              records not yet read, by partition",
        "yellow alert     scored without its online features", "", "any key goes back",
    ]
    screen.drawBox(
        "keys and figures", x: 0, y: 0, width: min(screen.size.width, 74),
        height: min(screen.size.height, lines.count + 2))
    for (row, line) in lines.enumerated() where row + 2 < screen.size.height {
        screen.draw(line, x: 2, y: row + 1, columns: screen.size.width - 4)
    }
}

private func drawRate(_ name: String, _ rates: [Double], _ screen: inout Screen, x: Int, y: Int, width: Int) {
    let newest = rates.last.flatMap { $0.isNaN ? nil : $0 }
    let text = newest.map { "\(count($0.roundedToTenths))/s" } ?? "–"
    drawFact(name, text, &screen, x: x, y: y, width: min(width, 27))
    screen.drawSparkline(rates, x: x + 27, y: y, columns: max(0, width - 27), style: Style(.cyan))
}

private func drawFact(
    _ name: String, _ value: String, _ screen: inout Screen, x: Int, y: Int, width: Int, style: Style = .plain
) {
    screen.draw(DisplayWidth.fit(name, to: min(13, max(0, width))), x: x, y: y, style: label)
    screen.draw(value, x: x + 13, y: y, style: style, columns: width - 13)
}

private func clock(_ millis: Int64) -> String {
    String(CivilTime.iso8601(millis).prefix(19)).replacing("T", with: " ")
}

/// A count in groups of three digits, one decimal where it is not whole.
func count(_ value: Double) -> String {
    guard value.isFinite, value.magnitude < 1e15 else { return "–" }
    let text = value == value.rounded() ? String(Int64(value)) : decimal(value, 1)
    let parts = text.split(separator: ".")
    var digits = ""
    for (index, digit) in parts[0].reversed().enumerated() {
        if index > 0, index % 3 == 0, digit != "-" { digits.append(" ") }
        digits.append(digit)
    }
    return String(digits.reversed()) + (parts.count > 1 ? "." + parts[1] : "")
}

/// A number with a fixed count of decimals.
func decimal(_ value: Double, _ places: Int) -> String {
    guard value.isFinite, value.magnitude < 1e12 else { return "–" }
    var scale = 1.0
    for _ in 0..<places { scale *= 10 }
    return Decimals.text(minorUnits: Int64((value * scale).rounded()), places: places)
}

/// A duration in the unit that suits it: µs, ms, s, min.
func duration(_ seconds: Double) -> String {
    switch seconds {
    case ..<0.001: "\(Int((seconds * 1e6).rounded())) µs"
    case ..<1: "\(decimal(seconds * 1e3, seconds < 0.01 ? 1 : 0)) ms"
    case ..<120: "\(decimal(seconds, 1)) s"
    default: "\(Int(min(seconds, 1e9)) / 60) min"
    }
}

extension Double {
    fileprivate var roundedToTenths: Double { (self * 10).rounded() / 10 }
}
