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
/// becomes w·share·q², the only division there is; where the row did not take them, e is 0.
extension TreeEnsemble {
    /// The splits of all trees in the order of the passes.
    struct Explanation: Sendable {
        struct Split: Sendable {
            var threshold: Float
            var slot: Int32  // of ModelInputs.slots
            var share: Double  // of the cover that goes left
            var previousShare: Double  // of the edges of the same feature above; 1 for none
            var previous: Int32  // the place the last of these edges leads to; 0, the root, for none
            var place: Int32, left: Int32  // counted from the tree's root; the right child stands behind the left
            var feature: Int32
        }

        /// A split whose children are both leaves, as half of all are: nothing below it has to be looked at.
        struct Bottom: Sendable {
            var split: Split
            var right: Double, difference: Double  // the right leaf's value, and by how much the left one's is larger
        }

        struct Leaf: Sendable {
            var place: Int32
            var value: Double
        }

        struct Tree: Sendable {
            var splits: Range<Int>, bottoms: Range<Int>, leaves: Range<Int>
            var index: Int  // among all trees
        }

        /// One tree on its way in.
        struct Draft {
            fileprivate var splits: [Split] = []
            fileprivate var leaves: [Leaf] = []

            mutating func leaf(at place: Int, _ value: Float) {
                leaves.append(Leaf(place: Int32(place), value: Double(value)))
            }

            mutating func split(
                at place: Int, left: Int, threshold: Float, slot: Int32, feature: Int32, share: Double, previous: Int32,
                previousShare: Double
            ) {
                splits.append(
                    Split(
                        threshold: threshold, slot: slot, share: share, previousShare: previousShare,
                        previous: previous, place: Int32(place), left: Int32(left), feature: feature))
            }
        }

        private(set) var splits: [Split] = []
        private(set) var bottoms: [Bottom] = []
        private(set) var leaves: [Leaf] = []
        /// By the blocks of four points that make their values exact.
        private(set) var trees: [[Tree]] = Array(repeating: [], count: Quadrature.mostBlocks + 1)
        private(set) var mostPlaces = 0
        private var count = 0

        /// Takes a tree whose longest path has so many different features.
        mutating func add(_ draft: Draft, features: Int) {
            // n points are exact up to degree 2n − 1; the product over the other features has one degree each.
            let points = max(1, (features + 1) / 2)
            defer { count += 1 }
            guard !draft.splits.isEmpty else { return }
            var values = Dictionary(uniqueKeysWithValues: draft.leaves.map { ($0.place, $0.value) })
            let (firstSplit, firstBottom, firstLeaf) = (splits.count, bottoms.count, leaves.count)
            for split in draft.splits {
                guard let left = values[split.left], let right = values[split.left + 1] else {
                    splits.append(split)
                    continue
                }
                bottoms.append(Bottom(split: split, right: right, difference: left - right))
                (values[split.left], values[split.left + 1]) = (nil, nil)
            }
            leaves += draft.leaves.filter { values[$0.place] != nil }
            let tree = Tree(
                splits: firstSplit..<splits.count, bottoms: firstBottom..<bottoms.count,
                leaves: firstLeaf..<leaves.count, index: count)
            mostPlaces = max(mostPlaces, draft.splits.count + draft.leaves.count)
            trees[(points + 3) / 4].append(tree)
        }
    }

    /// Memory of one thread for the passes.
    struct Scratch: Sendable {
        fileprivate var factors: [SIMD4<Double>] = []  // A by place
        fileprivate var sums: [SIMD4<Double>] = []  // G by place
        fileprivate var ways: [SIMD4<Double>] = []  // g by split
        fileprivate var effects: [SIMD4<Double>] = []  // e times what the feature's value is integrated with, by split
        fileprivate var taken: [Double] = []  // by place: 1 where the row takes all edges of the feature down to it
        fileprivate var values: [SIMD4<Double>] = []  // φ by feature

        fileprivate mutating func fit(places: Int, features: Int) {
            guard factors.count < places || values.count < features else { return }
            factors = Array(repeating: .zero, count: places)
            sums = factors
            ways = factors
            effects = factors
            taken = Array(repeating: 0, count: places)
            values = Array(repeating: .zero, count: features)
        }
    }

    /// Adds the SHAP values of one row; returns the bias.
    func addContributions(_ inputs: inout ModelInputs, to contributions: inout [Double]) -> Double {
        inputs.scratch.fit(places: explanation.mostPlaces, features: featureCount)
        for (blocks, trees) in explanation.trees.enumerated() where !trees.isEmpty {
            for block in Quadrature.blocks[blocks] {
                explain(trees, block, inputs.slots, &inputs.scratch)
                for feature in 0..<featureCount {
                    contributions[feature] += (block.weights * inputs.scratch.values[feature]).sum()
                    inputs.scratch.values[feature] = .zero
                }
            }
        }
        return expectedMargin
    }

    /// Both passes over trees at four quadrature points; what they give is added to the scratch's values.
    private func explain(
        _ trees: [Explanation.Tree], _ block: Quadrature.Block, _ slots: [Float], _ scratch: inout Scratch
    ) {
        slots.withUnsafeBufferPointer { slots in
            explanation.splits.withUnsafeBufferPointer { splits in
                explanation.bottoms.withUnsafeBufferPointer { bottoms in
                    explanation.leaves.withUnsafeBufferPointer { leaves in
                        scratch.withPasses(points: block.points, slots: slots) { passes in
                            for tree in trees {
                                let leaves = UnsafeBufferPointer(rebasing: leaves[tree.leaves])
                                for leaf in leaves { passes.sums[Int(leaf.place)] = .init(repeating: leaf.value) }
                                passes.factors[0] = .init(repeating: weights.isEmpty ? 1 : Double(weights[tree.index]))
                                passes.taken[0] = 1
                                let splits = UnsafeBufferPointer(rebasing: splits[tree.splits])
                                passes.down(splits)
                                passes.turn(UnsafeBufferPointer(rebasing: bottoms[tree.bottoms]))
                                passes.up(splits)
                            }
                        }
                    }
                }
            }
        }
    }
}

extension TreeEnsemble.Scratch {
    fileprivate mutating func withPasses(
        points: SIMD4<Double>, slots: UnsafeBufferPointer<Float>, _ body: (Passes) -> Void
    ) {
        factors.withUnsafeMutableBufferPointer { factors in
            sums.withUnsafeMutableBufferPointer { sums in
                ways.withUnsafeMutableBufferPointer { ways in
                    effects.withUnsafeMutableBufferPointer { effects in
                        taken.withUnsafeMutableBufferPointer { taken in
                            values.withUnsafeMutableBufferPointer { values in
                                body(
                                    Passes(
                                        points: points, slots: slots, factors: factors, sums: sums, ways: ways,
                                        effects: effects, taken: taken, values: values))
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The passes over one tree at four quadrature points.
private struct Passes {
    let points: SIMD4<Double>
    let slots: UnsafeBufferPointer<Float>
    let factors: UnsafeMutableBufferPointer<SIMD4<Double>>
    let sums: UnsafeMutableBufferPointer<SIMD4<Double>>
    let ways: UnsafeMutableBufferPointer<SIMD4<Double>>
    let effects: UnsafeMutableBufferPointer<SIMD4<Double>>
    let taken: UnsafeMutableBufferPointer<Double>
    let values: UnsafeMutableBufferPointer<SIMD4<Double>>

    /// g of a split, and e times what its feature's value is integrated with.
    @inline(__always)
    private func enter(
        _ split: TreeEnsemble.Explanation.Split, _ goesLeft: Double, _ isTaken: Double
    ) -> (way: SIMD4<Double>, weight: SIMD4<Double>) {
        let effect = (goesLeft - split.share) * isTaken
        guard split.previous != 0 else { return (points * effect + split.share, SIMD4(repeating: effect)) }
        let q = 1 / (points + (1 - points) * split.previousShare)
        let weight = q * q * (split.previousShare * effect)
        return (points * q * effect + split.share, weight)
    }

    /// From the root: the factors above each node.
    @inline(__always)
    func down(_ splits: UnsafeBufferPointer<TreeEnsemble.Explanation.Split>) {
        for index in 0..<splits.count {
            let split = splits[index]
            let goesLeft = slots[Int(split.slot)] < split.threshold ? 1.0 : 0
            let isTaken = taken[Int(split.previous)]
            let (way, weight) = enter(split, goesLeft, isTaken)
            let (factor, left) = (factors[Int(split.place)], Int(split.left))
            let leftFactor = factor * way
            ways[index] = way
            effects[index] = weight * factor
            factors[left] = leftFactor
            factors[left + 1] = factor - leftFactor
            taken[left] = isTaken * goesLeft
            taken[left + 1] = isTaken - isTaken * goesLeft
        }
    }

    /// At the splits above leaves only: both passes in one.
    @inline(__always)
    func turn(_ bottoms: UnsafeBufferPointer<TreeEnsemble.Explanation.Bottom>) {
        for bottom in bottoms {
            let split = bottom.split
            let goesLeft = slots[Int(split.slot)] < split.threshold ? 1.0 : 0
            let (way, weight) = enter(split, goesLeft, taken[Int(split.previous)])
            sums[Int(split.place)] = way * bottom.difference + bottom.right
            values[Int(split.feature)] += weight * factors[Int(split.place)] * bottom.difference
        }
    }

    /// Back to the root: the sums over the leaves below each node, and what each split gives its feature.
    @inline(__always)
    func up(_ splits: UnsafeBufferPointer<TreeEnsemble.Explanation.Split>) {
        var index = splits.count
        while index > 0 {
            index -= 1
            let split = splits[index]
            let (left, right) = (sums[Int(split.left)], sums[Int(split.left) + 1])
            let difference = left - right
            sums[Int(split.place)] = right + ways[index] * difference
            values[Int(split.feature)] += effects[index] * difference
        }
    }
}
