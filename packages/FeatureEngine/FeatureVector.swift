/// Feature values in a fixed order: a number per slot, NaN for missing; text beside it for categories.
public struct FeatureVector: Sendable {
    /// One number a feature; NaN for a missing one and for a category.
    public var numbers: [Double]
    /// One text a feature, nil for a missing one and for a number.
    public var texts: [String?]

    /// A vector of missing values.
    public init(count: Int) {
        numbers = Array(repeating: .nan, count: count)
        texts = Array(repeating: nil, count: count)
    }

    /// The number of features.
    public var count: Int { numbers.count }

    /// Whether both hold the same bits; every NaN is the one missing value.
    public func isIdentical(to other: FeatureVector) -> Bool {
        guard count == other.count, texts.count == other.texts.count else { return false }
        // By bytes: two Strings of other bytes may be equal.
        for (a, b) in zip(texts, other.texts) where a.map({ ByteString($0) }) != b.map({ ByteString($0) }) {
            return false
        }
        return zip(numbers, other.numbers).allSatisfy { a, b in a.bitPattern == b.bitPattern || (a.isNaN && b.isNaN) }
    }

    /// Makes every value missing again.
    public mutating func reset() {
        for index in numbers.indices {
            numbers[index] = .nan
            texts[index] = nil
        }
    }
}
