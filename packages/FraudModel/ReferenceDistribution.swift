/// What one feature (or the score) looked like in training, small enough to travel with the model: a sample for the
/// Kolmogorov-Smirnov test and bins for the stability index; for a category the counts of its values.
public enum ReferenceDistribution: Hashable, Sendable {
    /// A number. `edges` are the upper bounds of the bins but the last, `counts` one longer than them. The outer bins are open and
    /// empty in training: what lies below or above all of training is told from its extremes.
    case number(sample: KolmogorovSmirnov.Sample, edges: [Double], counts: [Int], missing: Int)
    /// A category, its values sorted by bytes.
    case category(values: [String], counts: [Int], missing: Int)

    /// Values kept for the Kolmogorov-Smirnov test at most.
    static let sampleSize = 2_000
    /// Bins a number is cut into, of about equal counts.
    static let binCount = 10

    /// Describes numbers, NaN for missing. The sample takes every n-th row, so it is the same for the same rows.
    public init(numbers: [Float]) {
        let present = numbers.filter { !$0.isNaN }
        let step = max(1, (present.count + Self.sampleSize - 1) / Self.sampleSize)
        let sample = KolmogorovSmirnov.Sample(stride(from: 0, to: present.count, by: step).map { Double(present[$0]) })
        let edges = Self.edges(present.sorted())
        self = .number(
            sample: sample, edges: edges, counts: Self.histogram(present, edges), missing: numbers.count - present.count
        )
    }

    /// The smallest value's lower neighbour, the deciles, the largest value. A decile that is a tenth of the values or more is a
    /// bin of its own: beside others it would hide that all of them moved.
    private static func edges(_ sorted: [Float]) -> [Double] {
        guard let least = sorted.first, let largest = sorted.last else { return [] }
        var edges = [least.nextDown]
        for bin in 1...binCount {
            let decile = bin == binCount ? largest : sorted[sorted.count * bin / binCount]
            guard decile > edges[edges.count - 1] else { continue }
            let ties = Self.end(of: decile, in: sorted) - Self.end(of: decile.nextDown, in: sorted)
            if ties >= (sorted.count + binCount - 1) / binCount, decile.nextDown > edges[edges.count - 1] {
                edges.append(decile.nextDown)
            }
            edges.append(decile)
        }
        return edges.map(Double.init)
    }

    /// How many values are at most `value`.
    private static func end(of value: Float, in sorted: [Float]) -> Int {
        var (low, high) = (0, sorted.count)
        while low < high {
            let middle = (low + high) / 2
            if sorted[middle] <= value { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Describes a category by the indexes of its values, NaN for missing.
    public init(indexes: [Float], values: [String]) {
        var counts = Array(repeating: 0, count: values.count)
        var missing = 0
        for index in indexes {
            if index.isNaN { missing += 1 } else { counts[Int(index)] += 1 }
        }
        self = .category(values: values, counts: counts, missing: missing)
    }

    /// Rows in each bin: a value belongs to the first bin whose edge is not below it.
    static func histogram(_ values: [Float], _ edges: [Double]) -> [Int] {
        var counts = Array(repeating: 0, count: edges.count + 1)
        for value in values {
            var (low, high) = (0, edges.count)
            while low < high {
                let middle = (low + high) / 2
                if edges[middle] < Double(value) { low = middle + 1 } else { high = middle }
            }
            counts[low] += 1
        }
        return counts
    }
}
