import Observability
import TerminalUI

/// Data text as it may stand on a terminal.
func cleaned(_ text: String) -> String { TerminalText.visible(text) }

func drawStream(_ model: DashboardModel, _ screen: inout Screen, _ panel: Panel) {
    drawBox("stream", &screen, panel)
    drawRate("produced", model.rates[.produced] ?? [], &screen, panel, row: 0)
    drawRate("transformed", model.rates[.transformed] ?? [], &screen, panel, row: 1)
    let newest = model.newest
    var freshness = newest?.freshnessSeconds.map(duration) ?? unknownFigure
    if let age = newest?.featureAgeSeconds { freshness += ", state \(duration(age)) old" }
    drawFact("freshness", [freshness], &screen, panel, row: 2)
    let recent = model.window.growth(of: .deadLetters)
    let total = newest?.counters[.deadLetters].map(count)
    let letters =
        recent.map { "\(count($0.count)) in \(duration($0.seconds.rounded()))" } ?? unknownFigure
    drawFact(
        "dead letters", [total.map { "\(letters), \($0) since start" } ?? letters, letters], &screen, panel, row: 3,
        style: (recent?.count ?? 0) > 0 ? Style(.yellow) : .plain)
}

func drawPredictions(_ model: DashboardModel, _ screen: inout Screen, _ panel: Panel) {
    let seconds = model.window.seconds
    drawBox(seconds > 0 ? "predictions, last \(duration(seconds.rounded()))" : "predictions", &screen, panel)
    drawRate("rate", model.rates[.predictions] ?? [], &screen, panel, row: 0)
    drawFact("latency", [latency(model)], &screen, panel, row: 1)
    let recent = model.window.growth(of: .predictions)
    var all = ""
    if let frauds = model.newest?.counters[.frauds], let total = model.newest?.counters[.predictions] {
        all = "; since start \(count(frauds)) of \(count(total))"
    }
    let frauds = share(of: .frauds, model)
    drawFact("frauds", [frauds + all, frauds], &screen, panel, row: 2)
    let degraded = model.window.growth(of: .degraded)
    let dropped = model.window.growth(of: .logDropped).map { "  not logged \(count($0.count))" } ?? ""
    drawFact(
        "degraded", [share(of: .degraded, model) + dropped, share(of: .degraded, model)], &screen, panel, row: 3,
        style: (degraded?.count ?? 0) > 0 && (recent?.count ?? 0) > 0 ? Style(.yellow) : .plain)
}

/// `1.25 % of 1 204`: a share of the predictions of the last minutes.
private func share(of counter: Counter, _ model: DashboardModel) -> String {
    guard let predictions = model.window.growth(of: .predictions), let part = model.window.growth(of: counter) else {
        return unknownFigure
    }
    guard predictions.count > 0 else { return "no prediction" }
    return "\(decimal(part.count / predictions.count * 100, 2)) % of \(count(predictions.count))"
}

private func latency(_ model: DashboardModel) -> String {
    let recent = model.window.recentLatency
    return "p50 \(quantile(0.5, of: recent).map(duration) ?? unknownFigure)"
        + "  p99 \(quantile(0.99, of: recent).map(duration) ?? unknownFigure)"
}

private func lagTopics(_ lags: [PartitionLag]) -> [(topic: String, partitions: [PartitionLag])] {
    Set(lags.map(\.topic)).sorted().map { topic in
        (topic, lags.filter { $0.topic == topic }.sorted { $0.partition < $1.partition })
    }
}

func drawLag(_ model: DashboardModel, _ screen: inout Screen, _ panel: Panel) {
    drawBox("not yet stored, by partition", &screen, panel)
    switch model.newest?.lags ?? .unknown {
    case .unknown: drawRemark(unknownBecause("postgres", model), &screen, panel)
    case .none: drawRemark("nothing was ever stored", &screen, panel)
    case .value(let lags):
        for (row, entry) in lagTopics(lags).prefix(panel.height - 2).enumerated() {
            let records = entry.partitions.map { $0.records.map { count(Double($0)) } ?? "?" }
            let known = entry.partitions.compactMap(\.records).reduce(0.0) { $0 + Double($1) }
            let sum = "\(count(known)) in \(entry.partitions.count) partitions"
            drawFact(
                cleaned(entry.topic), [records.joined(separator: "  "), sum, count(known)], &screen, panel, row: row,
                style: entry.partitions.contains { ($0.records ?? 0) > 1_000 } ? Style(.yellow) : .plain)
        }
    }
}

func drawModel(_ model: DashboardModel, _ screen: inout Screen, _ panel: Panel) {
    let served = model.newest?.served ?? .unknown
    let isStale: Bool
    let champion: Champion?
    switch model.newest?.champion ?? .unknown {
    case .value(let known): (champion, isStale) = (known, false)
    case .none: (champion, isStale) = (nil, false)
    case .unknown: (champion, isStale) = (model.lastChampion?.champion, true)
    }
    let asOf = isStale ? model.lastChampion.map { " as of \(clock($0.timeMillis).suffix(8))" } ?? "" : ""
    drawBox("model\(asOf)", &screen, panel)
    let differs: Bool
    switch served {
    case .value(let answering):
        differs = champion.map { $0.version != answering.version } ?? false
        let threshold = answering.threshold.map { ", fraud ≥ \(decimal($0, 3))" } ?? ""
        let version = cleaned(answering.version)
        let mark = differs ? " ≠ champion" : ""
        drawFact(
            "answers with", [version + mark + threshold, version + mark, version], &screen, panel, row: 0,
            style: differs ? Style(.yellow, bold: true) : .plain)
    case .none: drawFact("answers with", ["no model"], &screen, panel, row: 0, style: Style(.red))
    case .unknown: drawFact("answers with", [unknownBecause("api", model)], &screen, panel, row: 0, style: label)
    }
    guard let champion else {
        let remark = isStale ? unknownBecause("postgres", model) : "none is registered"
        return drawFact("champion", [remark], &screen, panel, row: 1, style: label)
    }
    let plain = isStale ? label : .plain
    let version = cleaned(champion.version)
    drawFact(
        "champion",
        [
            "\(version), registered \(clock(champion.createdMillis, characters: 16))",
            "\(version) (\(clock(champion.createdMillis, characters: 10)))", version,
        ],
        &screen, panel, row: 1, style: plain)
    let metrics = champion.metrics.map { "\(cleaned($0.name)) \(decimal($0.value, 3))" }
    drawFact(
        "holdout", [metrics.joined(separator: "  "), metrics.prefix(2).joined(separator: "  ")], &screen, panel, row: 2,
        style: plain)
    drawDrift(champion.drift, &screen, panel, isStale: isStale)
}

private func drawDrift(_ drift: DriftSummary?, _ screen: inout Screen, _ panel: Panel, isStale: Bool) {
    guard let drift else { return drawFact("drift", ["no report yet"], &screen, panel, row: 3, style: label) }
    let verdict = drift.isDrifted ? "yes" : "no"
    let worst = drift.worst.map { "\(cleaned($0.name)) \(decimal($0.value, 2))" }
    let texts = (0...worst.count).reversed().map { kept in
        kept == 0 ? verdict : "\(verdict), PSI \(worst.prefix(kept).joined(separator: ", "))"
    }
    let style = isStale ? label : drift.isDrifted ? Style(.yellow, bold: true) : Style(.green)
    drawFact("drift", texts, &screen, panel, row: 3, style: style)
}

/// The panels' figures in three lines, for windows without room for panels.
func drawSummary(_ model: DashboardModel, _ screen: inout Screen, y: Int) {
    let width = screen.size.width
    let newest = model.newest
    func newestRate(_ counter: Counter) -> String { rate(model.rates[counter]?.last) }
    var lag = unknownFigure
    if case .value(let lags)? = newest?.lags {
        lag = count(lags.compactMap(\.records).reduce(0.0) { $0 + Double($1) })
    }
    var version = unknownFigure
    if case .value(let served)? = newest?.served { version = cleaned(served.version) }
    let letters = model.window.growth(of: .deadLetters).map { count($0.count) } ?? unknownFigure
    let lines = [
        "produced \(newestRate(.produced))  transformed \(newestRate(.transformed))  lag \(lag)",
        "predictions \(newestRate(.predictions))  \(latency(model))  model \(version)",
        "frauds \(share(of: .frauds, model))  dead letters \(letters)  (\(duration(model.window.seconds.rounded())))",
    ]
    for (row, line) in lines.enumerated() { screen.draw(line, x: 0, y: y + row, columns: width) }
}

/// Why something is not known: because the part that knows it is not there, or was not asked yet.
private func unknownBecause(_ part: String, _ model: DashboardModel) -> String {
    if case .down? = model.newest?.state(of: part) { return "not known: \(part) does not answer" }
    return "not known"
}

private func drawBox(_ title: String, _ screen: inout Screen, _ panel: Panel) {
    screen.drawBox(title, x: panel.x, y: panel.y, width: panel.width, height: panel.height)
}

private func drawRemark(_ text: String, _ screen: inout Screen, _ panel: Panel) {
    screen.draw(text, x: panel.x + 2, y: panel.y + 1, style: label, columns: panel.width - 4)
}

private func drawRate(_ name: String, _ rates: [Double], _ screen: inout Screen, _ panel: Panel, row: Int) {
    let width = panel.width - 4
    drawFact(name, [rate(rates.last)], &screen, panel, row: row, room: min(width, 27))
    screen.drawSparkline(
        rates, x: panel.x + 2 + 27, y: panel.y + 1 + row, columns: max(0, width - 27), style: Style(.cyan))
}

/// A name and the first of the texts that has room, or the last one cut.
private func drawFact(
    _ name: String, _ texts: [String], _ screen: inout Screen, _ panel: Panel, row: Int, style: Style = .plain,
    room: Int? = nil
) {
    guard row < panel.height - 2 else { return }
    let width = room ?? panel.width - 4
    let y = panel.y + 1 + row
    screen.draw(DisplayWidth.fit(name, to: min(12, max(0, width))), x: panel.x + 2, y: y, style: label)
    let left = width - 13
    let text = texts.first { DisplayWidth.of($0) <= left } ?? texts.last ?? ""
    screen.draw(text, x: panel.x + 2 + 13, y: y, style: style, columns: left)
}
