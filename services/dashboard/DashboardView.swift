package import TerminalUI

/// The smallest window that has room for anything.
package let leastSize = Size(60, 16)

/// Draws the dashboard at a size.
///
/// What matters most is never cut: the header keeps every part's light, dropping the date, the clock and its names first. The
/// overview of a window too small for panels has the same figures in three lines.
package func view(_ model: DashboardModel, _ size: Size) -> Screen {
    var screen = Screen(size)
    guard size.width >= leastSize.width, size.height >= leastSize.height else {
        let text = "needletail needs \(leastSize.width)×\(leastSize.height), this is \(size.width)×\(size.height)"
        screen.draw(text, x: 0, y: 0)
        return screen
    }
    if model.showsHelp {
        drawTable(
            model.helpTable, model.state(.help), isFocused: true, &screen,
            Panel(x: 0, y: 0, width: min(size.width, 90), height: min(size.height - 1, HelpLine.all.count + 3)))
        drawFooter(model, &screen)
        return screen
    }
    drawHeader(model, &screen)
    let notices = model.notices
    let isOverview = model.place == .screen(.overview)
    let room = isOverview && size.height >= 20 ? max(1, min(3, size.height - 21)) : 1
    let shown = min(notices.count, room)
    drawNotices(notices, rows: shown, &screen, y: 1)
    var y = 1 + shown
    switch model.place {
    case .screen(.overview): y = drawOverview(model, &screen, y: y)
    case .file: y = drawCaseHead(model, &screen, y: y)
    case .screen(.entity): y = drawEntityHead(model, &screen, y: y)
    default: break
    }
    drawTables(model, &screen, y: y, height: size.height - y - 1)
    drawFooter(model, &screen)
    return screen
}

/// The panels, and where the alerts begin below them.
private func drawOverview(_ model: DashboardModel, _ screen: inout Screen, y: Int) -> Int {
    let size = screen.size
    guard size.width >= 64, size.height >= 20 else {
        drawSummary(model, &screen, y: y)
        return y + 3
    }
    let half = size.width / 2
    drawStream(model, &screen, Panel(x: 0, y: y, width: half, height: 6))
    drawPredictions(model, &screen, Panel(x: half, y: y, width: size.width - half, height: 6))
    drawLag(model, &screen, Panel(x: 0, y: y + 6, width: half, height: 6))
    drawModel(model, &screen, Panel(x: half, y: y + 6, width: size.width - half, height: 6))
    guard size.height >= 34 else { return y + 12 }
    let height = min(12, 6 + (size.height - 34) / 3)
    drawPlots(model, &screen, Panel(x: 0, y: y + 12, width: size.width, height: height))
    return y + 12 + height
}

private func drawFooter(_ model: DashboardModel, _ screen: inout Screen) {
    let y = screen.size.height - 1
    if let prompt = model.prompt {
        let head =
            switch prompt.purpose {
            case .filter: "/"
            case .go: model.place == .screen(.entity) ? "key: " : "transaction: "
            case .moment: "as of, UTC; empty is now: "
            case .note: "note: "
            }
        let text = cleaned(prompt.text)
        // The end of what is typed stays in sight.
        let room = screen.size.width - DisplayWidth.of(head) - 1
        let x = screen.draw(head, x: 0, y: y, style: Style(bold: true))
        let end = screen.draw(String(text.suffix(max(0, room))), x: x, y: y, columns: room)
        screen.draw(" ", x: x + end, y: y, style: Style(reversed: true))
        return
    }
    guard model.remark.isEmpty else {
        screen.draw(cleaned(model.remark), x: 0, y: y, style: Style(.cyan, bold: true))
        return
    }
    var x = 0
    for name in ScreenName.allCases {
        let isHere = model.place == .screen(name)
        x +=
            screen.draw("\(name.digit) \(name.rawValue)", x: x, y: y, style: isHere ? Style(reversed: true) : label) + 1
    }
    if case .file = model.place {
        let keys = model.rights.refusal ?? "F fraud  L legitimate  c note  a claim  z snooze  u undo"
        screen.draw("  \(cleaned(keys))", x: x, y: y, style: label)
    } else if screen.size.width - x >= 60 {
        screen.draw("  / filter  s sort  Enter open  p pause  w plots  ? help  q", x: x, y: y, style: label)
    } else {
        screen.draw(" ? help  q", x: x, y: y, style: label)
    }
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
