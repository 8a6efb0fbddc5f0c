import CContributions

/// Exact SHAP values of trees.
///
/// A feature's Shapley value is its marginal effect averaged over random coalitions: draw t uniformly from [0, 1] and let every
/// other feature be present with probability t. A leaf's weight is then a product of one factor a feature on its path,
/// share·(1 − t) + taken·t, where "share" is the part of the training cover that follows the path's edges of that feature and
/// "taken" is whether this row does. The value of feature i at a leaf v is
///
///     v · (takenᵢ − shareᵢ) · ∫ ∏ⱼ≠ᵢ (shareⱼ·(1 − t) + takenⱼ·t) dt        over [0, 1]
///
/// a polynomial, which Gauss-Legendre quadrature integrates exactly with half as many points as the path has features.
///
/// The factors of a split's two children add up to their parent's, since both the shares and the row's way do. So at a split
/// with share s of the left child, where c says whether the row goes left, it is enough to know g = s + e·t, e = c − s:
///
///     down:  A_left = A·g      A_right = A − A_left           A: the product of the factors above
///     up:    D = G_left − G_right      G = G_right + g·D      G: the sum over the leaves below, factors below included
///            φ += w·e·A·D
///
/// Nothing calls itself: one pass over the splits from the root, one back, whatever the depth. Where the feature has split
/// above already (the factor so far is 1/q = share·(1 − t) + t as long as the row took those edges), t becomes t·q and w
/// becomes w·share·q², which the model alone decides and which are ready before the first row; where the row did not take
/// them, e is 0. The passes themselves are `nc_explain`, in C for the registers' sake.
extension TreeEnsemble {
    /// The splits of all trees in the order of the passes.
    struct Explanation: Sendable {
        /// Trees whose values so many blocks of four points make exact.
        struct Group: Sendable {
            fileprivate var trees: [nc_tree] = []
            fileprivate var splits: [nc_split] = []
            fileprivate var bottoms: [nc_bottom] = []
            fileprivate var leaves: [nc_leaf] = []
            fileprivate var again = [nc_again(threshold: 0, slot: 0, above: 0, goes_left: 0)]
            /// By block: for each entry of `again` what its split's way and weight are multiplied with.
            fileprivate var pairs: [[nc_pair]]

            fileprivate init(blocks: Int) {
                pairs = Quadrature.blocks[blocks].map { [Self.pair($0, share: 1)] }
            }

            /// Of a split below edges of its feature that this share of the cover follows; 1 where there are none.
            private static func pair(_ block: Quadrature.Block, share: Double) -> nc_pair {
                let q = 1 / (block.points + (1 - block.points) * share)
                return nc_pair(way: nc_lanes(block.points * q), weight: nc_lanes(q * q * share))
            }

            fileprivate mutating func add(_ edge: nc_again, share: Double, blocks: Int) -> UInt32 {
                for (index, block) in Quadrature.blocks[blocks].enumerated() {
                    pairs[index].append(Self.pair(block, share: share))
                }
                again.append(edge)
                return UInt32(again.count - 1)
            }
        }

        /// A split as the compiler describes it.
        struct Split {
            var threshold: Float
            var slot: Int32  // of ModelInputs.slots
            var share: Double  // of the cover that goes left
            var place: Int, left: Int  // counted from the tree's root; the right child stands behind the left
            /// The last edge of its feature above, and the share of the cover down to there.
            var above: (split: Int, goesLeft: Bool, share: Double)?
        }

        /// One tree on its way in.
        struct Draft {
            fileprivate(set) var splits: [Split] = []
            fileprivate var leaves: [nc_leaf] = []

            mutating func leaf(at place: Int, _ value: Float) {
                leaves.append(nc_leaf(place: UInt32(place), value: value))
            }

            mutating func add(_ split: Split) { splits.append(split) }
        }

        fileprivate private(set) var groups = (0...Quadrature.mostBlocks).map { Group(blocks: $0) }
        fileprivate private(set) var mostPlaces = 0
        fileprivate private(set) var mostAgain = 1

        /// Takes a tree whose longest path has so many different features.
        mutating func add(_ draft: Draft, features: Int, weight: Double) {
            // n points are exact up to degree 2n − 1; the product over the other features has one degree each.
            let blocks = (max(1, (features + 1) / 2) + 3) / 4
            guard !draft.splits.isEmpty else { return }
            var values = Dictionary(uniqueKeysWithValues: draft.leaves.map { (Int($0.place), $0.value) })
            var tree = nc_tree(weight: weight, splits: 0, bottoms: 0, leaves: 0)
            var entries: [UInt32] = []  // by split
            for split in draft.splits {
                var entry: UInt32 = 0
                if let above = split.above {
                    let edge = draft.splits[above.split]
                    entry = groups[blocks].add(
                        nc_again(
                            threshold: edge.threshold, slot: UInt32(edge.slot), above: entries[above.split],
                            goes_left: above.goesLeft ? 1 : 0), share: above.share, blocks: blocks)
                }
                entries.append(entry)
                if let left = values[split.left], let right = values[split.left + 1] {
                    groups[blocks].bottoms.append(
                        nc_bottom(
                            share: split.share, threshold: split.threshold, slot: UInt32(split.slot),
                            place: UInt32(split.place), again: entry, left: left, right: right))
                    (values[split.left], values[split.left + 1]) = (nil, nil)
                    tree.bottoms += 1
                } else {
                    groups[blocks].splits.append(
                        nc_split(
                            share: split.share, threshold: split.threshold, slot: UInt32(split.slot),
                            place: UInt32(split.place), left: UInt32(split.left), again: entry))
                    tree.splits += 1
                }
            }
            let leaves = draft.leaves.filter { values[Int($0.place)] != nil }
            groups[blocks].leaves += leaves
            tree.leaves = UInt32(leaves.count)
            groups[blocks].trees.append(tree)
            mostPlaces = max(mostPlaces, draft.splits.count + draft.leaves.count)
            mostAgain = max(mostAgain, groups[blocks].again.count)
        }
    }

    /// Memory of one thread for the passes.
    struct Scratch: Sendable {
        fileprivate var factors: [nc_lanes] = []  // A by place
        fileprivate var sums: [nc_lanes] = []  // G by place
        fileprivate var ways: [nc_lanes] = []  // g by split
        fileprivate var effects: [Double] = []  // e by split
        fileprivate var taken: [Double] = []  // by entry of `again`
        fileprivate var values: [nc_lanes] = []  // φ by slot

        fileprivate mutating func fit(_ explanation: Explanation, slots: Int) {
            guard factors.count < explanation.mostPlaces || values.count < slots else { return }
            factors = Array(repeating: .zero, count: explanation.mostPlaces)
            sums = factors
            ways = factors
            effects = Array(repeating: 0, count: explanation.mostPlaces)
            taken = Array(repeating: 0, count: explanation.mostAgain)
            values = Array(repeating: .zero, count: slots)
        }
    }

    /// Adds the SHAP values of one row; returns the bias.
    func addContributions(_ inputs: inout ModelInputs, to contributions: inout [Double]) -> Double {
        inputs.scratch.fit(explanation, slots: inputs.slots.count)
        for (blocks, group) in explanation.groups.enumerated() where !group.trees.isEmpty {
            nc_take(group.again, group.again.count, inputs.slots, &inputs.scratch.taken)
            for (block, pairs) in zip(Quadrature.blocks[blocks], group.pairs) {
                nc_explain(
                    group.trees, group.trees.count, group.splits, group.bottoms, group.leaves, pairs,
                    inputs.scratch.taken, inputs.slots, &inputs.scratch.factors, &inputs.scratch.sums,
                    &inputs.scratch.ways, &inputs.scratch.effects, &inputs.scratch.values)
                for feature in 0..<featureCount {
                    // A feature has a slot for each side that its missing values may go to.
                    let value = inputs.scratch.values[feature].simd + inputs.scratch.values[feature + featureCount].simd
                    contributions[feature] += (block.weights * value).sum()
                    inputs.scratch.values[feature] = .zero
                    inputs.scratch.values[feature + featureCount] = .zero
                }
                for (index, feature) in (categories?.featureOfSlot ?? []).enumerated() {
                    let slot = ModelInputs.slotCount(of: featureCount) + index
                    contributions[Int(feature)] += (block.weights * inputs.scratch.values[slot].simd).sum()
                    inputs.scratch.values[slot] = .zero
                }
            }
        }
        return expectedMargin
    }
}

extension nc_lanes {
    fileprivate static let zero = nc_lanes(SIMD4.zero)
    fileprivate init(_ simd: SIMD4<Double>) { self.init(lane: (simd[0], simd[1], simd[2], simd[3])) }
    fileprivate var simd: SIMD4<Double> { SIMD4(lane.0, lane.1, lane.2, lane.3) }
}
