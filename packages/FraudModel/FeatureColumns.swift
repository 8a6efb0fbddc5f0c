import FeatureEngine

/// Reads the cells of a table whose columns are a model's features.
///
/// An empty cell, `NaN` and `null` are missing (in a category only the empty cell is, every other text is a value, unseen
/// ones being missing too); 0 is a value. Infinities, and numbers past float32's range, count as the largest float32.
public struct FeatureColumns: Sendable {
    /// For each feature, in the model's order, the column it is in.
    public let columns: [Int]
    /// Columns that are no feature of the model.
    public let ignored: [String]

    /// Finds the features by name, in any order. Every one that is missing is named at once.
    public init(header: [String], of model: ScoringModel) throws(ModelError) {
        var places: [ByteString: Int] = [:]
        var twice: Set<ByteString> = []
        for (index, name) in header.map({ ByteString($0) }).enumerated() {
            if places.updateValue(index, forKey: name) != nil { twice.insert(name) }
        }
        let missing = model.featureNames.filter { places[ByteString($0)] == nil }
        guard missing.isEmpty else {
            throw .mismatch("the input lacks the model's feature\(missing.count == 1 ? "" : "s") \(Self.list(missing))")
        }
        let doubled = model.featureNames.filter { twice.contains(ByteString($0)) }
        guard doubled.isEmpty else {
            throw .mismatch("the input has more than one column \(Self.list(doubled))")
        }
        columns = model.featureNames.map { places[ByteString($0)] ?? 0 }
        let wanted = Set(model.featureNames.map { ByteString($0) })
        ignored = header.filter { !wanted.contains(ByteString($0)) }
    }

    /// The number of a cell, NaN for missing; nil when it is no number.
    public static func number(_ cell: Span<UInt8>) -> Double? {
        if cell.count == 0 { return .nan }
        let text = String(unsafeUninitializedCapacity: cell.count) { buffer in
            for index in 0..<cell.count { buffer[index] = cell[index] }
            return cell.count
        }
        switch text.lowercased() {
        case "nan", "null": return .nan
        default: break
        }
        // Swift reads hexadecimal numbers too; a cell that looks like one is a mistake.
        guard !text.utf8.contains(where: { $0 | 0x20 == 0x78 }) else { return nil }
        return Double(text)
    }

    private static func list(_ names: [String]) -> String {
        names.prefix(20).joined(separator: ", ") + (names.count > 20 ? " and \(names.count - 20) more" : "")
    }
}
