extension TreeEnsemble {
    /// Compiles trees, with a weight each for `dart`. What is not a tree (a loop, a child or feature out of range, a path past
    /// `mostDepth`, a cover below zero) is refused.
    init(_ described: [DecisionTree], weights: [Float] = [], _ featureCount: Int, baseMargin: Float) throws(ModelError)
    {
        guard weights.isEmpty || weights.count == described.count else {
            throw .malformed("the model", "it has \(weights.count) weights for \(described.count) trees")
        }
        var compiler = TreeCompiler(featureCount: featureCount)
        var (expected, largest) = (Double(baseMargin), abs(Double(baseMargin)))
        for (index, tree) in described.enumerated() {
            let weight = weights.isEmpty ? 1 : Double(weights[index])
            do {
                expected += weight * (try compiler.add(tree, weight: weight))
            } catch {
                throw .malformed("tree \(index) of the model", error.reason)
            }
            largest += abs(weight) * compiler.largestLeaf
        }
        // Float32 sums of such size are infinite, and two of them of different signs no number.
        guard largest < Double(Float.greatestFiniteMagnitude) else {
            throw .malformed("the model", "its leaves or weights are no numbers, or too large to be added up")
        }
        self.featureCount = featureCount
        self.baseMargin = baseMargin
        self.weights = weights
        nodes = compiler.nodes
        trees = compiler.trees
        compiler.categories.finish()
        categories = compiler.categories.isEmpty ? nil : compiler.categories
        expectedMargin = expected
        explanation = compiler.explanation
    }
}

/// Lays trees out breadth first, for margins and for contributions.
private struct TreeCompiler {
    var nodes: [TreeEnsemble.Node] = []
    var trees: [TreeEnsemble.Tree] = []
    var explanation = TreeEnsemble.Explanation()
    /// The largest leaf of the tree that was added last, without its sign.
    var largestLeaf = 0.0
    var categories: CategorySplits
    let featureCount: Int

    init(featureCount: Int) {
        self.featureCount = featureCount
        categories = CategorySplits(featureCount: featureCount)
    }

    struct Refusal: Error {
        let reason: String
        init(_ reason: String) { self.reason = reason }
    }

    /// A node on its way into the layout, with the edge that leads to it.
    struct Pending {
        let source: Int  // in the description
        let place: Int  // in the layout, counted from the root
        let depth: Int
        let weight: Double  // share of the cover that reaches it
        let parent: Int  // in the queue; −1 for the root
        let feature: Int32  // of the edge
        let share: Double  // of the cover, along all edges of the feature down to here
        let features: Int  // different ones on the path
        let split: Int  // of the draft's splits: the edge's
        let goesLeft: Bool  // whether the edge does
    }

    /// Adds a tree and returns its mean over the training cover.
    mutating func add(_ tree: DecisionTree, weight: Double) throws(Refusal) -> Double {
        let count = tree.left.count
        guard count > 0, tree.right.count == count, tree.feature.count == count, tree.condition.count == count,
            tree.defaultLeft.count == count, tree.cover.count == count
        else { throw Refusal("its arrays are empty or of different lengths") }
        guard count <= Int(Int32.max) - nodes.count else { throw Refusal("it has too many nodes") }
        let root = nodes.count
        var (mean, deepest, mostFeatures) = (0.0, 0, 0)
        var plan = TreeEnsemble.Explanation.Draft()
        largestLeaf = 0
        nodes.append(.init(threshold: 0, feature: 0, left: 0, value: 0))
        var queue = [
            Pending(
                source: 0, place: 0, depth: 0, weight: 1, parent: -1, feature: -1, share: 1, features: 0,
                split: -1, goesLeft: false)
        ]
        var isPlaced = Array(repeating: false, count: count)
        var next = 0
        while next < queue.count {
            let pending = queue[next]
            next += 1
            // A tree has each of its nodes once: a second visit is a loop or a shared child.
            guard !isPlaced[pending.source] else { throw Refusal("its nodes do not form a tree") }
            isPlaced[pending.source] = true
            deepest = max(deepest, pending.depth)
            mostFeatures = max(mostFeatures, pending.features)
            guard tree.cover[pending.source] >= 0, tree.cover[pending.source].isFinite else {
                throw Refusal("node \(pending.source) has no valid cover")
            }
            guard tree.left[pending.source] != -1 else {
                let value = tree.condition[pending.source]
                guard value.isFinite else { throw Refusal("leaf \(pending.source) is no number") }
                let slot = root + pending.place
                nodes[slot] = .init(threshold: 1, feature: Int32(2 * featureCount), left: Int32(slot), value: value)
                plan.leaf(at: pending.place, value)
                largestLeaf = max(largestLeaf, abs(Double(value)))
                mean += pending.weight * Double(value)
                continue
            }
            try split(next - 1, of: &queue, tree, root, &plan)
        }
        trees.append(.init(root: Int32(root), depth: Int32(deepest)))
        explanation.add(plan, features: mostFeatures, weight: weight)
        return mean
    }

    /// Lays out the split at a place of the queue and puts its children there.
    private mutating func split(
        _ index: Int, of queue: inout [Pending], _ tree: DecisionTree, _ root: Int,
        _ plan: inout TreeEnsemble.Explanation.Draft
    ) throws(Refusal) {
        let pending = queue[index]
        let (node, count) = (pending.source, tree.left.count)
        let (left, right, feature) = (Int(tree.left[node]), Int(tree.right[node]), tree.feature[node])
        guard (1..<count).contains(left), (1..<count).contains(right), left != right else {
            throw Refusal("node \(node) has a child that is not there")
        }
        guard feature >= 0, feature < featureCount else {
            throw Refusal("node \(node) splits on feature \(feature) of \(featureCount)")
        }
        guard pending.depth < TreeEnsemble.mostDepth else {
            throw Refusal("it is deeper than \(TreeEnsemble.mostDepth) splits")
        }
        let (slot, threshold) = try question(node, tree)
        let place = nodes.count - root
        nodes[root + pending.place] = .init(threshold: threshold, feature: slot, left: Int32(nodes.count), value: 0)
        nodes += repeatElement(.init(threshold: 0, feature: 0, left: 0, value: 0), count: 2)

        // The last edge of the same feature above, looked for on the way up: paths are short.
        var above = index
        while above >= 0, queue[above].feature != feature { above = queue[above].parent }
        let previousShare = above >= 0 ? queue[above].share : 1
        let features = pending.features + (above >= 0 ? 0 : 1)
        guard features <= Quadrature.mostFeatures else {
            throw Refusal("one path splits on more than \(Quadrature.mostFeatures) different features")
        }
        let share = Self.leftShare(left, right, tree)
        plan.add(
            .init(
                threshold: threshold, slot: slot, share: share, place: pending.place, left: place,
                above: above >= 0 ? (queue[above].split, queue[above].goesLeft, previousShare) : nil))
        for (child, goesLeft, share) in [(left, true, share), (right, false, 1 - share)] {
            queue.append(
                Pending(
                    source: child, place: goesLeft ? place : place + 1, depth: pending.depth + 1,
                    weight: pending.weight * share, parent: index, feature: feature, share: share * previousShare,
                    features: features, split: plan.splits.count - 1, goesLeft: goesLeft))
        }
    }

    /// The slot of the row that a split looks at, and the threshold below which a row goes left.
    private mutating func question(_ node: Int, _ tree: DecisionTree) throws(Refusal) -> (slot: Int32, Float) {
        let (feature, isDefaultLeft) = (tree.feature[node], tree.defaultLeft[node])
        if let set = tree.categories[Int32(node)] {
            do throws(CategorySplits.Refusal) {
                let slot = try categories.slot(feature, goingRight: set, isDefaultLeft: isDefaultLeft)
                return (slot, CategorySplits.threshold)
            } catch {
                throw Refusal("node \(node) \(error.reason)")
            }
        }
        // +∞ parts the present values from the missing ones; with NaN or −∞ no missing value would go left.
        let threshold = tree.condition[node]
        guard threshold > -.infinity else { throw Refusal("node \(node) has a threshold that is no number") }
        return (feature + (isDefaultLeft ? Int32(featureCount) : 0), threshold)
    }

    /// The share of a split's cover that goes left. A split that no training row reached gives each child a half: any share adds
    /// up, and nothing is divided by zero.
    private static func leftShare(_ left: Int, _ right: Int, _ tree: DecisionTree) -> Double {
        let all = Double(tree.cover[left]) + Double(tree.cover[right])
        guard all > 0, all.isFinite else { return 0.5 }  // what is no number is refused when the child's turn comes
        return Double(tree.cover[left]) / all
    }
}
