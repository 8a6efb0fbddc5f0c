/// The values of a category in the order of their bytes, each once: the place of a value is a model's input. Compared by
/// bytes, so spellings that only look alike are different values, as they are in the stores.
struct CategoryIndex: Sendable {
    private let values: [[UInt8]]

    /// Takes values; nil where they are not sorted by their bytes or one is there twice.
    init?(_ values: [String]) {
        self.values = values.map { Array($0.utf8) }
        guard zip(self.values, self.values.dropFirst()).allSatisfy({ $0.lexicographicallyPrecedes($1) }) else {
            return nil
        }
    }

    /// The place of a value, or nil. Allocates nothing.
    func place(of text: String) -> Int? {
        var text = text
        return text.withUTF8 { wanted in
            var (low, high) = (0, values.count)
            while low < high {
                let middle = (low + high) / 2
                if values[middle].lexicographicallyPrecedes(wanted) { low = middle + 1 } else { high = middle }
            }
            return low < values.count && values[low].elementsEqual(wanted) ? low : nil
        }
    }
}
