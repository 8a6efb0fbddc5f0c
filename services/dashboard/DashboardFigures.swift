import FeatureEngine

/// Stands for a figure that is not known.
let unknownFigure = "–"

/// A count in groups of three digits, one decimal where it is not whole.
package func count(_ value: Double) -> String {
    guard value.isFinite, value.magnitude < 1e15 else { return unknownFigure }
    let text = value == value.rounded() ? String(Int64(value)) : decimal(value, 1)
    let parts = text.split(separator: ".")
    var digits = ""
    for (index, digit) in parts[0].reversed().enumerated() {
        if index > 0, index % 3 == 0, digit != "-" { digits.append(" ") }
        digits.append(digit)
    }
    return String(digits.reversed()) + (parts.count > 1 ? "." + parts[1] : "")
}

/// A number with a fixed count of decimals, at most six.
package func decimal(_ value: Double, _ places: Int) -> String {
    guard value.isFinite, value.magnitude < 1e12 else { return unknownFigure }
    var scale = 1.0
    for _ in 0..<places { scale *= 10 }
    return Decimals.text(minorUnits: Int64((value * scale).rounded()), places: places)
}

/// A duration in the unit that suits it: µs, ms, s, min, h, d.
package func duration(_ seconds: Double) -> String {
    guard seconds.isFinite, seconds >= 0, seconds < 1e12 else { return unknownFigure }
    return switch seconds {
    case ..<0.001: "\(Int((seconds * 1e6).rounded())) µs"
    case ..<1: "\(decimal(seconds * 1e3, seconds < 0.01 ? 1 : 0)) ms"
    case ..<120: "\(decimal(seconds, seconds == seconds.rounded() ? 0 : 1)) s"
    case ..<7_200: "\(Int(seconds) / 60) min"
    case ..<172_800: "\(Int(seconds) / 3_600) h"
    default: "\(Int(seconds) / 86_400) d"
    }
}

/// `2026-01-31 23:59:59` of a moment in ms UTC, or less of it from its start: 10 characters are the date. Unknown outside of the
/// years 0 to 9999, which no display has room for.
package func clock(_ millis: Int64?, characters: Int = 19) -> String {
    guard let millis, (-62_167_219_200_000..<253_402_300_800_000).contains(millis) else { return unknownFigure }
    return String(CivilTime.iso8601(millis).prefix(characters)).replacing("T", with: " ")
}

/// `17.2/s`
package func rate(_ perSecond: Double?) -> String {
    guard let perSecond, perSecond.isFinite else { return unknownFigure }
    return "\(count((perSecond * 10).rounded() / 10))/s"
}
