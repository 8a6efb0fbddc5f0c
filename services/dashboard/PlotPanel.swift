import TerminalUI

/// As many plots side by side as have room, each over the chosen window.
func drawPlots(_ model: DashboardModel, _ screen: inout Screen, _ panel: Panel) {
    let count = max(1, min(PlotSeries.allCases.count, panel.width / 30))
    for (index, series) in PlotSeries.allCases.prefix(count).enumerated() {
        let x = panel.x + panel.width * index / count
        let width = panel.x + panel.width * (index + 1) / count - x
        let values = model.plots.values(series, model.plotWindow)
        let newest = values.last { $0.isFinite }
        let title = "\(series.title) \(newest.map(short) ?? unknownFigure), \(model.plotWindow.title)"
        screen.drawBox(title, x: x, y: panel.y, width: width, height: panel.height)
        let room = width - 4
        // Few buckets are drawn wider, so that a window fills its panel.
        let cells = max(1, room / max(1, model.plotWindow.buckets))
        let wide = values.flatMap { Array(repeating: $0, count: cells) }
        screen.drawPlot(
            wide, x: x + 2, y: panel.y + 1, columns: room, rows: panel.height - 2,
            style: model.isDown(series.part) ? label : Style(.cyan))
        let largest = values.filter(\.isFinite).max() ?? 0
        if largest > 0 { screen.draw(short(largest), x: x + 2, y: panel.y + 1, style: label) }
    }
}

private func short(_ value: Double) -> String {
    value < 100 ? decimal(value, value < 10 ? 2 : 1) : count(value.rounded())
}
