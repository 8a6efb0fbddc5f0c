import Glibc

/// A compiled XGBoost model: the same float32 comparisons and the same order of additions as libxgboost, so its answers
/// have the same bits. Immutable and shared; each thread brings its own `Inputs`.
///
/// Trees are laid out breadth first with siblings side by side, so a step is `left + (value < threshold ? 0 : 1)` without a
/// branch. A missing value is kept twice, as +∞ for nodes that send it right and as −∞ for those that send it left; a leaf
/// points at itself. So every tree takes the same number of steps and several walk at once: what costs is waiting for
/// memory, and eight walks wait together.
public struct TreeEnsemble: Sendable {
    struct Node: Sendable {
        var threshold: Float
        var feature: Int32  // a slot of Inputs.slots
        var left: Int32  // the left child, the right one behind it; a leaf itself
        var value: Float
    }

    /// What SHAP needs beside a node. The edge is the one that leads to the node.
    struct Edge: Sendable {
        /// Share of the training cover that takes all edges of the same feature down to here.
        var share: Double
        /// The edge of the same feature above it, as its node; −1 for none.
        var previous: Int32
        /// The feature of the split the edge leaves.
        var feature: Int32
    }

    struct Tree: Sendable {
        var root: Int32
        var depth: Int32
        /// Blocks of four quadrature points that make its SHAP values exact.
        var blocks: Int32
    }

    /// A row for one thread: filled by `set`, read by `margin` and `contributions`.
    public struct Inputs: Sendable {
        var slots: [Float]
        let count: Int
        var isTaken: [Bool] = []  // by node, for SHAP: whether the row takes all edges of the feature down to it

        init(count: Int) {
            self.count = count
            slots = Array(repeating: .infinity, count: 2 * count + 1)
            for index in count..<2 * count { slots[index] = -.infinity }
            slots[2 * count] = 0
        }

        /// Sets a feature. NaN is missing. An infinity, or a double past float32's range, counts as the largest float32,
        /// which falls on the same side of every threshold and which libxgboost accepts.
        @inlinable
        public mutating func set(_ index: Int, _ value: Double) { set(index, float: TreeEnsemble.float(value)) }

        @usableFromInline
        mutating func set(_ index: Int, float value: Float) {
            slots[index] = value.isNaN ? .infinity : value
            slots[index + count] = value.isNaN ? -.infinity : value
        }

        subscript(index: Int) -> Float { slots[index] == .infinity ? .nan : slots[index] }
    }

    /// Number of features of a row.
    public let featureCount: Int
    /// The features' names; empty when the file has none.
    public let featureNames: [String]
    /// Number of trees; 0 for a linear model.
    public var treeCount: Int { trees.count }

    let baseMargin: Float
    let nodes: [Node]
    let edges: [Edge]
    let trees: [Tree]
    let weights: [Float]  // of dart's trees; empty where all are 1
    let linear: [Float]  // a weight a feature, then the bias; empty for trees
    /// The mean margin over the training cover: what contributions start from.
    let expectedMargin: Double

    /// A row with every value missing.
    public func makeInputs() -> Inputs { Inputs(count: featureCount) }

    /// The float32 a value is compared as: see `Inputs.set`.
    @inlinable
    public static func float(_ value: Double) -> Float {
        let largest = Float.greatestFiniteMagnitude
        return value.isNaN ? .nan : min(max(Float(value), -largest), largest)
    }

    /// The margin of a row: the sum before the logistic function.
    public func margin(_ inputs: Inputs) -> Float {
        guard linear.isEmpty else { return linearMargin(inputs) }
        return inputs.slots.withUnsafeBufferPointer { slots in
            nodes.withUnsafeBufferPointer { nodes in
                trees.withUnsafeBufferPointer { trees in
                    weights.isEmpty ? sum(slots, nodes, trees) : weightedSum(slots, nodes, trees)
                }
            }
        }
    }

    /// The probability of a row.
    public func probability(_ inputs: Inputs) -> Float { Self.logistic(margin(inputs)) }

    /// The logistic function in float32, as libxgboost computes it.
    public static func logistic(_ margin: Float) -> Float {
        1 / (expf(min(-margin, 88.7)) + 1 + 1e-16)
    }

    @inline(__always)
    private static func step(
        _ node: Int32, _ slots: UnsafeBufferPointer<Float>, _ nodes: UnsafeBufferPointer<Node>
    ) -> Int32 {
        let split = nodes[Int(node)]
        return split.left &+ (slots[Int(split.feature)] < split.threshold ? 0 : 1)
    }

    private func sum(
        _ slots: UnsafeBufferPointer<Float>, _ nodes: UnsafeBufferPointer<Node>, _ trees: UnsafeBufferPointer<Tree>
    ) -> Float {
        var sum = baseMargin
        var index = 0
        while index + 8 <= trees.count {
            var (a, b, c, d) = (trees[index].root, trees[index + 1].root, trees[index + 2].root, trees[index + 3].root)
            var (e, f, g, h) = (
                trees[index + 4].root, trees[index + 5].root, trees[index + 6].root, trees[index + 7].root
            )
            var steps: Int32 = 0
            for tree in index..<index + 8 { steps = max(steps, trees[tree].depth) }
            for _ in 0..<steps {
                a = Self.step(a, slots, nodes)
                b = Self.step(b, slots, nodes)
                c = Self.step(c, slots, nodes)
                d = Self.step(d, slots, nodes)
                e = Self.step(e, slots, nodes)
                f = Self.step(f, slots, nodes)
                g = Self.step(g, slots, nodes)
                h = Self.step(h, slots, nodes)
            }
            // One after the other, in the order of the trees: float32 sums depend on it.
            sum += nodes[Int(a)].value
            sum += nodes[Int(b)].value
            sum += nodes[Int(c)].value
            sum += nodes[Int(d)].value
            sum += nodes[Int(e)].value
            sum += nodes[Int(f)].value
            sum += nodes[Int(g)].value
            sum += nodes[Int(h)].value
            index += 8
        }
        while index < trees.count {
            sum += nodes[Int(leaf(trees[index], slots, nodes))].value
            index += 1
        }
        return sum
    }

    private func weightedSum(
        _ slots: UnsafeBufferPointer<Float>, _ nodes: UnsafeBufferPointer<Node>, _ trees: UnsafeBufferPointer<Tree>
    ) -> Float {
        var sum = baseMargin
        for (index, tree) in trees.enumerated() {
            sum += nodes[Int(leaf(tree, slots, nodes))].value * weights[index]
        }
        return sum
    }

    private func leaf(
        _ tree: Tree, _ slots: UnsafeBufferPointer<Float>, _ nodes: UnsafeBufferPointer<Node>
    ) -> Int32 {
        var node = tree.root
        for _ in 0..<tree.depth { node = Self.step(node, slots, nodes) }
        return node
    }

    private func linearMargin(_ inputs: Inputs) -> Float {
        var sum = linear[featureCount] + baseMargin
        for index in 0..<featureCount where !inputs[index].isNaN { sum += inputs[index] * linear[index] }
        return sum
    }
}
