/// What one feature (or the score) looked like in training, small enough to travel with the model: a sample for the
/// Kolmogorov-Smirnov test and bins for the stability index; for a category the counts of its values.
public enum ReferenceDistribution: Hashable, Sendable {
    /// A number. `edges` are the upper bounds of the bins but the last, `counts` one longer than them.
    case number(sample: KolmogorovSmirnov.Sample, edges: [Double], counts: [Int], missing: Int)
    /// A category, its values sorted by bytes.
    case category(values: [String], counts: [Int], missing: Int)

    /// Values kept for the Kolmogorov-Smirnov test at most.
    public static let sampleSize = 2_000
    /// Bins a number is cut into, of about equal counts.
    public static let binCount = 10

    /// Describes numbers, NaN for missing. The sample takes every n-th row, so it is the same for the same rows.
    public init(numbers: [Float]) {
        let present = numbers.filter { !$0.isNaN }
        let step = max(1, (present.count + Self.sampleSize - 1) / Self.sampleSize)
        let sample = KolmogorovSmirnov.Sample(stride(from: 0, to: present.count, by: step).map { Double(present[$0]) })
        let sorted = present.sorted()
        var edges: [Double] = []
        for bin in 1..<Self.binCount where !sorted.isEmpty {
            let edge = Double(sorted[min(sorted.count - 1, sorted.count * bin / Self.binCount)])
            // Values that occur often would end several bins: they make one.
            if edge != edges.last, edge < Double(sorted[sorted.count - 1]) { edges.append(edge) }
        }
        self = .number(
            sample: sample, edges: edges, counts: Self.histogram(present, edges), missing: numbers.count - present.count
        )
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
