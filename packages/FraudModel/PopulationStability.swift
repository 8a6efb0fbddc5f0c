import Glibc

/// The population stability index: how far the shares of bins have moved. Σ (a − e)·ln(a/e): each bin pays for what it gained or
/// lost, and the more, the smaller it was. It is the sum of the two Kullback-Leibler divergences, so it does not matter which
/// side is called the reference. Rules of thumb, not theory: below 0.1 nothing happened, from 0.25 on something did.
///
/// Unlike a test it does not grow with the number of rows: KS finds any difference at all in a million rows, PSI says whether it
/// is one to act on. Drift is decided by both.
public enum PopulationStability {
    /// A share below this counts as this much, so an empty bin is a large number and never infinite.
    public static let floor = 1e-4

    /// Σ (a − e)·ln(a/e) over the bins' shares. Nil when either side is empty.
    public static func index(expected: [Int], actual: [Int]) -> Double? {
        precondition(expected.count == actual.count, "the same bins")
        let (all, recent) = (expected.reduce(0, +), actual.reduce(0, +))
        guard all > 0, recent > 0 else { return nil }
        return zip(expected, actual).reduce(0) { sum, bin in
            let e = max(Double(bin.0) / Double(all), floor)
            let a = max(Double(bin.1) / Double(recent), floor)
            return sum + (a - e) * log(a / e)
        }
    }

    /// p-values corrected for being many, after Benjamini and Hochberg: rejecting those below q keeps the share of false
    /// alarms among the rejected at q.
    public static func benjaminiHochberg(_ p: [Double]) -> [Double] {
        let order = p.indices.sorted { p[$0] > p[$1] }
        var adjusted = p
        var smallest = 1.0
        for (above, index) in order.enumerated() {
            smallest = min(smallest, p[index] * Double(p.count) / Double(p.count - above))
            adjusted[index] = smallest
        }
        return adjusted
    }
}
