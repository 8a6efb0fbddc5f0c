/// A change of recent rows that did not happen, to see what drift would say of it.
public struct DriftInjection: Hashable, Sendable {
    enum Change: Hashable, Sendable {
        case times(Double)
        case missing
    }
    /// The feature's name.
    public let feature: String
    let change: Change

    /// Reads `FEATURE*FACTOR` or `FEATURE=missing`; nil for anything else.
    public init?(_ text: String) {
        if text.hasSuffix("=missing") {
            (feature, change) = (String(text.dropLast("=missing".count)), .missing)
        } else {
            let parts = text.split(separator: "*", maxSplits: 1)
            guard parts.count == 2, let factor = Double(parts[1]), factor.isFinite else { return nil }
            (feature, change) = (String(parts[0]), .times(factor))
        }
        guard !feature.isEmpty else { return nil }
    }
}

extension TrainingSet {
    /// Makes the change in every row; false where there is no such feature, or it is a category that cannot be multiplied.
    public mutating func inject(_ injection: DriftInjection) -> Bool {
        guard let column = featureNames.firstIndex(of: injection.feature) else { return false }
        switch injection.change {
        case .missing: change(column) { _ in .nan }
        case .times(let factor):
            guard occurring[column] == nil else { return false }
            change(column) { ModelInputs.float(Double($0) * factor) }
        }
        return true
    }
}
