internal import FeatureEngine
internal import Text

/// Numbers as people read them.
enum Figures {
    /// With a fixed number of decimals.
    static func rounded(_ value: Double, _ places: Int) -> String {
        guard value.isFinite, abs(value) < 1e12 else { return "\(value)" }
        var scale = 1.0
        for _ in 0..<places { scale *= 10 }
        let units = (abs(value) * scale).rounded()
        let whole = Int(units / scale)
        let fraction = Int(units - Double(whole) * scale)
        let digits = String(fraction)
        let sign = value < 0 && units > 0 ? "-" : ""
        guard places > 0 else { return "\(sign)\(whole)" }
        return "\(sign)\(whole).\(Padding.zeros(digits, places))"
    }

    /// 1,234,567.
    static func grouped(_ value: Int) -> String { Padding.grouped(value) }

    /// Filled with spaces on the right.
    static func left(_ text: String, _ width: Int) -> String {
        Padding.left(text, width, least: 1)
    }

    /// Filled with spaces on the left.
    static func right(_ text: String, _ width: Int) -> String {
        Padding.right(text, width, least: 1)
    }

    /// A moment, ms UTC.
    static func time(_ millis: Int64) -> String { CivilTime.iso8601(millis) }
}
