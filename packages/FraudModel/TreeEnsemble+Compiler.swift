import Glibc

extension TreeEnsemble {
    /// Compiles a model. What is not a tree (a loop, a child or feature out of range, a cover below zero) is refused.
    public init(_ model: BoosterModel) throws(ModelError) {
        guard model.baseScore > 0, model.baseScore < 1 else {
            throw .malformed("the model", "its base_score is \(model.baseScore), not a probability between 0 and 1")
        }
        featureCount = model.featureCount
        featureNames = model.featureNames
        // The rounding of libxgboost: 1/p in float32, then its logarithm.
        baseMargin = -logf(1 / model.baseScore - 1)
        switch model.booster {
        case .linear(let values):
            guard values.count == model.featureCount + 1 else {
                throw .malformed(
                    "the model", "it has \(values.count) weights for \(model.featureCount) features and a bias")
            }
            linear = values
            (nodes, edges, trees, weights) = ([], [], [], [])
            expectedMargin = Double(values[model.featureCount] + baseMargin)
        case .trees(let described):
            (linear, weights) = ([], [])
            let compiled = try TreeCompiler(described, weights: [], model.featureCount)
            (nodes, edges, trees) = (compiled.nodes, compiled.edges, compiled.trees)
            expectedMargin = Double(baseMargin) + compiled.expected
        case .weightedTrees(let described, let factors):
            guard factors.count == described.count else {
                throw .malformed("the model", "it has \(factors.count) weights for \(described.count) trees")
            }
            (linear, weights) = ([], factors)
            let compiled = try TreeCompiler(described, weights: factors, model.featureCount)
            (nodes, edges, trees) = (compiled.nodes, compiled.edges, compiled.trees)
            expectedMargin = Double(baseMargin) + compiled.expected
        }
    }
}

/// Lays trees out breadth first.
private struct TreeCompiler {
    var nodes: [TreeEnsemble.Node] = []
    var edges: [TreeEnsemble.Edge] = []
    var trees: [TreeEnsemble.Tree] = []
    var expected = 0.0
    let featureCount: Int

    init(_ described: [DecisionTree], weights: [Float], _ featureCount: Int) throws(ModelError) {
        self.featureCount = featureCount
        for (index, tree) in described.enumerated() {
            let weight = weights.isEmpty ? 1 : Double(weights[index])
            do {
                expected += weight * (try add(tree))
            } catch {
                throw .malformed("tree \(index) of the model", error.reason)
            }
        }
    }

    struct Refusal: Error {
        let reason: String
        init(_ reason: String) { self.reason = reason }
    }

    /// A node on its way into the layout.
    struct Pending {
        let source: Int  // in the description
        let slot: Int  // in the layout
        let depth: Int32
        let weight: Double  // share of the cover that reaches it
        let path: [Int32]  // by the last edge of each feature above it: its node in the layout
    }

    /// Adds a tree and returns its mean over the training cover.
    private mutating func add(_ tree: DecisionTree) throws(Refusal) -> Double {
        let count = tree.left.count
        guard count > 0, tree.right.count == count, tree.feature.count == count, tree.condition.count == count,
            tree.defaultLeft.count == count, tree.cover.count == count
        else { throw Refusal("its arrays are empty or of different lengths") }
        let root = nodes.count
        var mean = 0.0
        var (deepest, mostFeatures) = (Int32(0), 0)
        appendPlace(share: 1, previous: -1, feature: -1)
        var queue = [Pending(source: 0, slot: root, depth: 0, weight: 1, path: [])]
        var next = 0
        while next < queue.count {
            let pending = queue[next]
            next += 1
            // A tree has each of its nodes once: more visits than nodes is a loop or a shared child.
            guard queue.count <= count else { throw Refusal("its nodes do not form a tree") }
            let node = pending.source
            guard tree.condition[node].isFinite else { throw Refusal("node \(node) has a threshold that is no number") }
            deepest = max(deepest, pending.depth)
            mostFeatures = max(mostFeatures, pending.path.count)
            if tree.left[node] == -1 {
                nodes[pending.slot] = .init(
                    threshold: 1, feature: Int32(2 * featureCount), left: Int32(pending.slot),
                    value: tree.condition[node])
                mean += pending.weight * Double(tree.condition[node])
                continue
            }
            let (left, right, feature) = (Int(tree.left[node]), Int(tree.right[node]), tree.feature[node])
            guard (1..<count).contains(left), (1..<count).contains(right), left != right else {
                throw Refusal("node \(node) has a child that is not there")
            }
            guard feature >= 0, feature < featureCount else {
                throw Refusal("node \(node) splits on feature \(feature) of \(featureCount)")
            }
            let first = nodes.count
            nodes[pending.slot] = .init(
                threshold: tree.condition[node], feature: feature + (tree.defaultLeft[node] ? Int32(featureCount) : 0),
                left: Int32(first), value: 0)
            let above = pending.path.first { edges[Int($0)].feature == feature }
            for (side, child) in [left, right].enumerated() {
                let share = try Self.share(of: child, beside: side == 0 ? right : left, under: node, in: tree)
                let earlier = above.map { edges[Int($0)].share } ?? 1
                appendPlace(share: share * earlier, previous: above ?? -1, feature: feature)
                let path = pending.path.filter { $0 != above } + [Int32(first + side)]
                queue.append(
                    Pending(
                        source: child, slot: first + side, depth: pending.depth + 1, weight: pending.weight * share,
                        path: path))
            }
        }
        // n Gauss-Legendre points are exact up to degree 2n − 1; the product over the other features has one degree each.
        let points = max(1, (mostFeatures + 1) / 2)
        guard points <= 4 * Quadrature.mostBlocks else {
            throw Refusal(
                "one path splits on \(mostFeatures) different features, more than \(8 * Quadrature.mostBlocks)")
        }
        trees.append(.init(root: Int32(root), depth: deepest, blocks: Int32((points + 3) / 4)))
        return mean
    }

    private mutating func appendPlace(share: Double, previous: Int32, feature: Int32) {
        nodes.append(.init(threshold: 0, feature: 0, left: 0, value: 0))
        edges.append(.init(share: share, previous: previous, feature: feature))
    }

    /// The share of a split's cover that a child takes. A split that no training row reached gives each child a half: any
    /// share adds up, and nothing is divided by zero.
    private static func share(of child: Int, beside other: Int, under node: Int, in tree: DecisionTree) throws(Refusal)
        -> Double
    {
        let (cover, all) = (tree.cover[child], tree.cover[node])
        guard cover >= 0, cover.isFinite, all >= 0, all.isFinite else {
            throw Refusal("node \(child) has no valid cover")
        }
        return all == 0 ? 0.5 : Double(cover) / Double(all)
    }
}
