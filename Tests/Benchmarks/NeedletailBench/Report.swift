import Foundation

/// One line of the report: a figure, what it is compared with in the same run, and their ratio.
struct ReportLine: Codable {
    let name: String
    let unit: String
    let value: Double
    let baseline: String
    let baselineValue: Double
    let ratio: Double
    let spread: Double
    let note: String

    init(_ name: String, _ unit: String, _ value: Rounds, baseline: String, _ baselineValue: Rounds, note: String = "")
    {
        self.name = name
        self.unit = unit
        self.value = value.median
        self.baseline = baseline
        self.baselineValue = baselineValue.median
        // Pair by pair, so that a machine that slows down slows both.
        ratio = Rounds(values: zip(value.values, baselineValue.values).map { $0 / $1 }).median
        spread = value.spread
        self.note = note
    }

    var text: String {
        let figure = "\(Self.round(value)) \(unit)"
        let other = "\(baseline) \(Self.round(baselineValue))"
        let columns = [name, figure, other, "ratio \(Self.round(ratio))", "spread \(Self.round(spread))", note]
        return zip(columns, [34, 30, 44, 14, 14, 0]).map {
            $0.padding(toLength: max($1, $0.count), withPad: " ", startingAt: 0)
        }
        .joined(separator: " ").trimmingCharacters(in: .whitespaces)
    }

    private static func round(_ value: Double) -> String {
        guard value.isFinite else { return "–" }
        return value.magnitude >= 100 ? String(Int(value.rounded())) : String(format: "%.3g", value)
    }
}
