internal import Foundation
internal import FraudModel
internal import ServiceRuntime

/// A drift report as one page, without scripts.
struct DriftPage {
    let html: String

    init(_ report: DriftReport) {
        func cell(_ value: Double?, _ places: Int) -> String {
            "<td class=\"n\">\(value.map { Figures.rounded($0, places) } ?? "–")</td>"
        }
        let sorted =
            report.entries.prefix(1) + report.entries.dropFirst().sorted { ($0.stability ?? 0) > ($1.stability ?? 0) }
        let rows = sorted.map { entry in
            let unseen = entry.unseen.prefix(10).map { "\($0.0) (\(Figures.grouped($0.1)))" }.joined(separator: ", ")
            return "<tr\(entry.isDrifted ? " class=\"moved\"" : "")><th>\(Chart.escaped(entry.name))</th>"
                + cell(entry.stability, 4) + cell(entry.distance, 4) + cell(entry.correctedP, 4)
                + cell(entry.missing * 100, 1) + cell(entry.missingBefore * 100, 1)
                + "<td>\(entry.isDrifted ? "drifted" : "")</td><td>\(Chart.escaped(unseen))</td></tr>"
        }
        let verdict =
            !report.isDecided
            ? "Under \(Figures.grouped(DriftReport.leastRows)) rows nothing is decided."
            : report.entries.contains(where: \.isDrifted) ? "The data have drifted." : "No distribution has drifted."
        html = """
            <!doctype html>
            <html lang="en"><head><meta charset="utf-8"><title>Drift of model \(Chart.escaped(report.modelVersion))</title>
            <style>
            body { font-family: sans-serif; color: #1f2328; max-width: 1100px; margin: 2em auto; padding: 0 1em; }
            table { border-collapse: collapse; }
            td, th { padding: .25em .8em; border-bottom: 1px solid #d0d7de; text-align: left; }
            td.n { text-align: right; font-variant-numeric: tabular-nums; }
            tr.moved th, tr.moved td { background: #fff1e5; }
            </style></head><body>
            <h1>Drift of model \(Chart.escaped(report.modelVersion))</h1>
            <p>\(Figures.grouped(report.rows)) rows from \(Figures.time(report.fromMillis)) to \(Figures.time(report.toMillis)).
            \(verdict)</p>
            <p>\(Chart.escaped(report.decay?.text ?? ""))</p>
            <table><tr><th></th><th>PSI</th><th>KS distance</th><th>p, corrected</th><th>missing %</th><th>before %</th><th></th>
            <th>never seen in training</th></tr>
            \(rows.joined(separator: "\n"))
            </table></body></html>

            """
    }

    func write(to path: String) throws(CommandError) {
        do {
            try Data(html.utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
        } catch {
            throw CommandError(.cannotCreate, "cannot write \(path): \(error.localizedDescription).")
        }
    }
}
