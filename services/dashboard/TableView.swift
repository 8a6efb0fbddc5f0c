import TerminalUI

/// How wide each column of a table is where there is so much room; 0 for one that has to go.
package func columnWidths(_ columns: [TableColumn], room: Int) -> [Int] {
    var widths = columns.map(\.width)
    func taken() -> Int { widths.reduce(0) { $0 + ($1 > 0 ? $1 + 1 : 0) } - 1 }
    if taken() > room { widths = columns.map(\.least) }
    while taken() > room {
        let kept = columns.indices.filter { widths[$0] > 0 }
        guard let last = kept.max(by: { columns[$0].rank < columns[$1].rank }), kept.count > 1 else { break }
        widths[last] = 0
    }
    var rest = max(0, room - taken())
    // Columns that were shortened get their room back before others grow.
    for index in columns.indices where widths[index] > 0 {
        let more = min(rest, columns[index].width - widths[index])
        widths[index] += more
        rest -= more
    }
    let growing = columns.indices.filter { columns[$0].grows && widths[$0] > 0 }
    for (place, index) in growing.enumerated() {
        let share = rest / (growing.count - place)
        widths[index] += share
        rest -= share
    }
    return widths
}

/// A table in a box: captions, then the rows around the chosen one.
func drawTable(_ table: Table, _ state: TableState, isFocused: Bool, _ screen: inout Screen, _ panel: Panel) {
    guard panel.height >= 3 else { return }
    let rows = table.shown(state)
    let width = panel.width - 4
    let widths = columnWidths(table.columns, room: width)
    var title = cleaned(table.title)
    if let filter = state.filter { title += " /\(cleaned(filter.text))/ \(rows.count) of \(table.rows.count)" }
    screen.drawBox(
        title, x: panel.x, y: panel.y, width: panel.width, height: panel.height,
        style: isFocused ? Style(.cyan) : label)
    let sorted = state.sort.map { ($0, state.isDescending ? "↓" : "↑") }
    let head = table.columns.enumerated().map { index, column in
        cleaned(column.name) + (sorted?.0 == index ? sorted?.1 ?? "" : "")
    }
    screen.draw(
        line(head, table.columns, widths), x: panel.x + 2, y: panel.y + 1, style: Style(bold: true), columns: width)
    let room = panel.height - 3
    if rows.isEmpty {
        let remark = table.rows.isEmpty ? table.remark : "the filter leaves none of \(table.rows.count)"
        screen.draw(cleaned(remark), x: panel.x + 2, y: panel.y + 2, style: label, columns: room > 0 ? width : 0)
    }
    let chosen = state.place(in: rows)
    let first = max(0, min(chosen - room + 1, rows.count - room))
    for (index, row) in rows.dropFirst(first).prefix(max(0, room)).enumerated() {
        var style = table.isStale ? label : row.style
        style.isReversed = isFocused && first + index == chosen
        screen.draw(
            line(row.cells.map(cleaned), table.columns, widths), x: panel.x + 2, y: panel.y + 2 + index, style: style,
            columns: width)
    }
}

private func line(_ cells: [String], _ columns: [TableColumn], _ widths: [Int]) -> String {
    var parts: [String] = []
    for (index, column) in columns.enumerated() where widths[index] > 0 {
        var text = cells[index]
        if column.keepsEnd, text.count > widths[index] { text = String(text.suffix(widths[index])) }
        parts.append(DisplayWidth.fit(text, to: widths[index], alignRight: column.isRight))
    }
    return parts.joined(separator: " ")
}

/// Where each of a screen's tables stands; one place alone is for the one that takes the keys.
package func placements(_ count: Int, _ width: Int, _ height: Int) -> [(x: Int, y: Int, width: Int, height: Int)] {
    guard count > 1, width >= 110, height >= 16 else { return [(0, 0, width, height)] }
    let (half, upper) = (width / 2, (height + 1) / 2)
    let right = width - half
    switch count {
    case 2: return [(0, 0, half, height), (half, 0, right, height)]
    case 3: return [(0, 0, width, upper), (0, upper, half, height - upper), (half, upper, right, height - upper)]
    default:
        return [
            (0, 0, half, upper), (half, 0, right, upper), (0, upper, half, height - upper),
            (half, upper, right, height - upper),
        ]
    }
}

func drawTables(_ model: DashboardModel, _ screen: inout Screen, y: Int, height: Int) {
    let tables = model.tables
    let focus = min(model.focus, tables.count - 1)
    let places = placements(tables.count, screen.size.width, height)
    if places.count == tables.count {
        for (index, place) in places.enumerated() {
            drawTable(
                tables[index], model.state(tables[index].id), isFocused: index == focus, &screen,
                Panel(x: place.x, y: y + place.y, width: place.width, height: place.height))
        }
        return
    }
    let table = tables[focus]
    drawTable(
        table, model.state(table.id), isFocused: true, &screen,
        Panel(x: 0, y: y, width: screen.size.width, height: height))
    let next = tables[(focus + 1) % tables.count].title
    let hint = " \(focus + 1) of \(tables.count), Tab: \(DisplayWidth.cut(cleaned(next), to: 24)) "
    screen.draw(hint, x: max(0, screen.size.width - 2 - DisplayWidth.of(hint)), y: y + height - 1, style: label)
}
