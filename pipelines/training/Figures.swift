internal import FeatureEngine

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
        return "\(sign)\(whole).\(String(repeating: "0", count: places - digits.count))\(digits)"
    }

    /// 1,234,567.
    static func grouped(_ value: Int) -> String {
        var digits = String(value.magnitude)
        var index = digits.count - 3
        while index > 0 {
            digits.insert(",", at: digits.index(digits.startIndex, offsetBy: index))
            index -= 3
        }
        return (value < 0 ? "-" : "") + digits
    }

    /// Filled with spaces on the right.
    static func left(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(1, width - text.count))
    }

    /// Filled with spaces on the left.
    static func right(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(1, width - text.count)) + text
    }

    /// A moment, ms UTC.
    static func time(_ millis: Int64) -> String { CivilTime.iso8601(millis) }
}
