/// Splits on XGBoost's own categories: whole numbers, of which a split's set goes right and any other value left.
///
/// Each different split has a slot behind those of the features, 1 where the row goes right and 0 where it goes left. They are
/// filled when the feature is set; so trees and contributions compare a slot with a threshold as they do for numbers, and know no sets.
struct CategorySplits: Sendable {
    struct Refusal: Error {
        let reason: String
    }

    /// A feature's splits. The slots that are 1 for a category are listed by it, and each set is there once: a file's sets take
    /// memory as its text does.
    private struct Feature {
        var slots: [Int32] = []
        var whereMissing: [Float] = []
        var goingRight: [Int32: [Int32]] = [:]
    }

    private struct Split: Hashable {
        let feature: Int32
        let set: [Int32]
        let isDefaultLeft: Bool
    }

    /// Categories are below this: float32 counts no further.
    private static let mostCategories: Int32 = 1 << 24
    /// What a slot is compared with.
    static let threshold: Float = 0.5

    /// The feature of each slot, in the slots' order.
    private(set) var featureOfSlot: [Int32] = []
    private let firstSlot: Int32
    private var known: [Split: Int32] = [:]
    private var features: [Feature]

    /// For rows of so many features.
    init(featureCount: Int) {
        firstSlot = Int32(ModelInputs.slotCount(of: featureCount))
        features = Array(repeating: Feature(), count: featureCount)
    }

    var isEmpty: Bool { featureOfSlot.isEmpty }
    var slotCount: Int { featureOfSlot.count }

    /// The slot of a split of a feature that there is: its own, or that of an equal one.
    mutating func slot(_ feature: Int32, goingRight set: [Int32], isDefaultLeft: Bool) throws(Refusal) -> Int32 {
        let set = Set(set).sorted()
        guard let first = set.first, let last = set.last, first >= 0, last < Self.mostCategories else {
            throw Refusal(reason: "splits on no categories, or on one below 0 or past \(Self.mostCategories - 1)")
        }
        let split = Split(feature: feature, set: set, isDefaultLeft: isDefaultLeft)
        if let slot = known[split] { return slot }
        let slot = firstSlot + Int32(featureOfSlot.count)
        known[split] = slot
        featureOfSlot.append(feature)
        features[Int(feature)].slots.append(slot)
        features[Int(feature)].whereMissing.append(isDefaultLeft ? 0 : 1)
        for category in set { features[Int(feature)].goingRight[category, default: []].append(slot) }
        return slot
    }

    /// The splits are all there: what only finds them again is let go.
    mutating func finish() { known = [:] }

    /// Fills the slots of a feature. As in libxgboost a fraction belongs to the whole number below it, and what can be no
    /// category goes left.
    func fill(_ slots: inout [Float], _ index: Int, _ value: Float) {
        let own = features[index].slots
        for (place, slot) in own.enumerated() {
            slots[Int(slot)] = value.isNaN ? features[index].whereMissing[place] : 0
        }
        guard !own.isEmpty, value >= 0, value < Float(Self.mostCategories) else { return }
        for slot in features[index].goingRight[Int32(value)] ?? [] { slots[Int(slot)] = 1 }
    }
}
