import Glibc

/// The two-sample Kolmogorov-Smirnov test: could two samples come from one distribution?
///
/// D is the largest distance between the two empirical distribution functions. Both are walked once, in order of value:
///
///     F_a  0 ────┐‾‾‾‾‾‾‾‾‾       each value's share of a is added to F_a, of b to F_b; |F_a − F_b| is looked at only
///     F_b  0 ──────────┐‾‾‾       behind a whole value, since between two equal values nothing has a distance
///
/// Looking after each row instead of each value makes D depend on the order of ties, and columns of counts are mostly ties. The
/// p-value is that of Kolmogorov's limit at √(mn/(m+n))·D: with thousands of rows its error is far below any threshold used
/// here, and ties make it larger than it is, so it errs towards "no drift".
public enum KolmogorovSmirnov {
    /// A sample as its different values, ascending, each with how often it occurs.
    public struct Sample: Hashable, Sendable {
        /// The different values, ascending.
        public let values: [Double]
        /// How often each occurs.
        public let counts: [Int]
        /// The size of the sample.
        public let total: Int

        /// Sorts and counts values; NaN is left out.
        public init(_ raw: some Sequence<Double>) {
            var (values, counts) = ([Double](), [Int]())
            for value in raw.filter({ !$0.isNaN }).sorted() {
                if value == values.last {
                    counts[counts.count - 1] += 1
                } else {
                    values.append(value)
                    counts.append(1)
                }
            }
            self.init(values: values, counts: counts)
        }

        /// Takes values that are counted already.
        public init(values: [Double], counts: [Int]) {
            self.values = values
            self.counts = counts
            total = counts.reduce(0, +)
        }
    }

    /// D, the largest distance between the two distribution functions, and its p-value by Kolmogorov's limit (no correction
    /// for small samples or ties). D is compared after all of a value's ties. Nil when a sample is empty.
    public static func test(_ a: Sample, _ b: Sample) -> (d: Double, p: Double)? {
        guard a.total > 0, b.total > 0 else { return nil }
        var (i, j) = (0, 0)
        var (below, belowOther) = (0, 0)
        var d = 0.0
        while i < a.values.count, j < b.values.count {
            let value = min(a.values[i], b.values[j])
            if a.values[i] == value {
                below += a.counts[i]
                i += 1
            }
            if b.values[j] == value {
                belowOther += b.counts[j]
                j += 1
            }
            d = max(d, abs(Double(below) / Double(a.total) - Double(belowOther) / Double(b.total)))
        }
        let effective = Double(a.total) * Double(b.total) / Double(a.total + b.total)
        return (d, survival(effective.squareRoot() * d))
    }

    /// P(K > λ) of Kolmogorov's distribution, by whichever of its two series converges at once.
    static func survival(_ lambda: Double) -> Double {
        guard lambda > 0 else { return 1 }
        var sum = 0.0
        if lambda < 1 {
            let exponent = -Double.pi * Double.pi / (8 * lambda * lambda)
            for odd in stride(from: 1.0, through: 9, by: 2) { sum += exp(exponent * odd * odd) }
            return 1 - (2 * Double.pi).squareRoot() / lambda * sum
        }
        var sign = 1.0
        for k in stride(from: 1.0, through: 10, by: 1) {
            sum += sign * exp(-2 * k * k * lambda * lambda)
            sign = -sign
        }
        return min(1, max(0, 2 * sum))
    }
}
