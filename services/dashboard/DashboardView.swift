import FeatureEngine
package import TerminalUI

/// Draws the dashboard at a size.
///
/// What matters most is never cut: the header keeps every part's light, dropping the date, the clock and its names first, and the
/// alerts keep their table. A window too small for panels gets the same figures in three lines.
package func view(_ model: DashboardModel, _ size: Size) -> Screen {
    var screen = Screen(size)
    if model.showsHelp {
        drawHelp(&screen)
        return screen
    }
    drawHeader(model, &screen)
    let hasPanels = size.width >= 64 && size.height >= 20
    let notices = model.notices
    let room = hasPanels ? max(1, min(3, size.height - 21)) : size.height >= 10 ? 1 : 0
    let shown = min(notices.count, room)
    drawNotices(notices, rows: shown, &screen, y: 1)
    var y = 1 + shown
    if hasPanels {
        let half = size.width / 2
        drawStream(model, &screen, Panel(x: 0, y: y, width: half, height: 6))
        drawPredictions(model, &screen, Panel(x: half, y: y, width: size.width - half, height: 6))
        drawLag(model, &screen, Panel(x: 0, y: y + 6, width: half, height: 6))
        drawModel(model, &screen, Panel(x: half, y: y + 6, width: size.width - half, height: 6))
        y += 12
    } else {
        drawSummary(model, &screen, y: y)
        y += 3
    }
    drawAlerts(model, &screen, y: y, height: size.height - y - 1)
    let keys = "q quit  p pause  ↑↓ alerts  Esc back  ? help"
    screen.draw(keys, x: 0, y: size.height - 1, style: label)
    return screen
}

let label = Style(.grey)

/// A frame's place.
struct Panel {
    let x: Int, y: Int, width: Int, height: Int
}

private func drawHeader(_ model: DashboardModel, _ screen: inout Screen) {
    let name = "needletail"
    let project = cleaned(model.project)
    guard let newest = model.newest else {
        var x = screen.draw(name, x: 0, y: 0, style: Style(.cyan, bold: true))
        x += screen.draw(" \(project)", x: x, y: 0, style: Style(bold: true))
        screen.draw("  asking every part …", x: x, y: 0, style: label)
        return
    }
    let lights = newest.parts.reduce(0) { $0 + DisplayWidth.of($1.name) + 3 }
    let time = clock(newest.timeMillis)
    // The first that leaves room for the lights.
    let heads = [
        (name, " \(project)", "  \(time) UTC"), (name, " \(project)", "  \(time.suffix(8))"), (name, " \(project)", ""),
        (name, "", ""), ("", project, ""), ("", "", ""),
    ]
    let width = screen.size.width
    let head = heads.first { DisplayWidth.of($0.0 + $0.1 + $0.2) + 2 + lights <= width } ?? ("", "", "")
    var x = screen.draw(head.0, x: 0, y: 0, style: Style(.cyan, bold: true))
    x += screen.draw(head.1, x: x, y: 0, style: Style(bold: true))
    x += screen.draw(head.2, x: x, y: 0, style: label)
    if x > 0 { x += 2 }
    for part in newest.parts {
        let (light, style): (String, Style) =
            switch part.state {
            case .unknown: ("·", label)
            case .up: ("●", Style(.green))
            case .down: ("○", Style(.red, bold: true))
            }
        x += screen.draw("\(light) ", x: x, y: 0, style: style)
        x += screen.draw(part.name, x: x, y: 0, style: part.state == .up ? .plain : style) + 1
    }
}

private func drawNotices(_ notices: [Notice], rows: Int, _ screen: inout Screen, y: Int) {
    for row in 0..<rows {
        let notice = notices[row]
        let more = row == rows - 1 && notices.count > rows ? " (and \(notices.count - rows) more)" : ""
        let room = screen.size.width - DisplayWidth.of(more)
        let style = Style(notice.weight == .wrong ? .red : .yellow, bold: notice.weight == .wrong)
        let x = screen.draw("! " + cleaned(notice.text), x: 0, y: y + row, style: style, columns: room)
        screen.draw(more, x: x, y: y + row, style: label)
    }
}

private func drawAlerts(_ model: DashboardModel, _ screen: inout Screen, y: Int, height: Int) {
    guard height >= 3 else { return }
    let width = screen.size.width
    var title = "alerts"
    if case .value(let served)? = model.newest?.served, let threshold = served.threshold {
        title += ", fraud ≥ \(decimal(threshold, 3))"
    }
    if model.isPaused {
        let beyond = model.waitingBeyond > 0 ? "+" : ""
        title += " (paused, \(model.waiting.count)\(beyond) wait)"
    }
    screen.drawBox(title, x: 0, y: y, width: width, height: height)
    let table = AlertTable(model.columns, width: width - 4)
    screen.draw(table.header, x: 2, y: y + 1, style: Style(bold: true), columns: width - 4)
    let rows = max(0, height - 3)
    let first = max(0, min(model.selected - rows + 1, model.alerts.count - rows))
    if model.alerts.isEmpty {
        screen.draw(noAlerts(model), x: 2, y: y + 2, style: label, columns: rows > 0 ? width - 4 : 0)
    }
    for (index, alert) in model.alerts.dropFirst(first).prefix(rows).enumerated() {
        let color: Color? = alert.isDegraded ? .yellow : alert.isStrong ? .red : nil
        screen.draw(
            table.row(alert), x: 2, y: y + 2 + index,
            style: Style(color, reversed: first + index == model.selected), columns: width - 4)
    }
}

/// Why there is no alert to see: that there is none is only known from a log that was read.
private func noAlerts(_ model: DashboardModel) -> String {
    switch model.newest?.state(of: "kafka") ?? .unknown {
    case .up: "none in the newest predictions"
    case .unknown: "not known yet"
    case .down: "not known: Kafka does not answer"
    }
}

/// How wide the columns of the alerts are, and what stands in them.
private struct AlertTable {
    private let captions: [String]
    private let widths: [Int]
    private let textCount: Int

    init(_ columns: AlertColumns, width: Int) {
        textCount = columns.texts.count
        // A narrow window has no room for the year, then none for the date; the texts share what the others leave.
        let time = width >= 96 ? 20 : width >= 72 ? 15 : 9
        let amount = columns.amount == nil ? 0 : width >= 72 ? 12 : 10
        let key = columns.reveals ? 21 : 13  // A masked key has eleven characters.
        let first = [time > 9 ? "event time" : "time", columns.keyCaption]
        captions = first + columns.texts + [columns.amount ?? "", "fraud", ""]
        let rest = max(0, width - time - key - amount - 6 - 2)
        let texts =
            switch textCount {
            case 0: [Int]()
            case 1: [rest]
            default: [rest - rest / 3, rest / 3]
            }
        widths = [time, key] + texts + [amount, 6, 2]
    }

    var header: String { line(captions.map(cleaned)) }

    func row(_ alert: Alert) -> String {
        let time = clock(alert.eventTimeMillis)
        // The marks say without colours what the colours say.
        let mark = alert.isDegraded ? "~" : alert.isStrong ? "!" : ""
        return line(
            [String(time.suffix(widths[0] - 1)), cleaned(alert.entity)] + alert.texts.prefix(textCount).map(cleaned)
                + [cleaned(alert.amount), decimal(alert.probability, 3), mark])
    }

    private func line(_ cells: [String]) -> String {
        zip(cells, widths).enumerated().map { index, cell in
            let (text, width) = cell
            guard width > 0 else { return "" }
            let isNumber = index == cells.count - 2 || index == cells.count - 3
            return DisplayWidth.fit(text, to: width - 1, alignRight: isNumber) + " "
        }.joined()
    }
}

private func drawHelp(_ screen: inout Screen) {
    let minutes = Int(CounterWindow.spanMillis / 60_000)
    let lines = [
        "q, Ctrl-C        leave", "Esc              back: out of help, out of pause, to the newest alert",
        "p, space         pause the alerts", "↑ ↓ k j          choose an alert",
        "PgUp PgDn g G    by ten, to the newest, to the oldest", "Ctrl-Z           stop; fg brings it back", "",
        "shares           of the last \(minutes) minutes; what is older is labelled \"since start\"",
        "freshness        from producing to readable features",
        "lag              records not yet stored, by partition",
        "! red            an alert in the upper half between threshold and 1",
        "~ yellow         an alert that was scored without all of its features", "", "any key goes back",
    ]
    screen.drawBox(
        "keys and figures", x: 0, y: 0, width: min(screen.size.width, 78),
        height: min(screen.size.height, lines.count + 2))
    for (row, line) in lines.enumerated() where row + 2 < screen.size.height {
        screen.draw(line, x: 2, y: row + 1, columns: screen.size.width - 4)
    }
}
