/// The trees of a compiled XGBoost model: the same float32 comparisons and the same order of additions as libxgboost, so its answers
/// have the same bits. Immutable and shared; each thread brings its own `ModelInputs`.
///
/// Trees are laid out breadth first with siblings side by side, so a step is `left + (value < threshold ? 0 : 1)` without a
/// branch. A missing value is kept twice, as +∞ for nodes that send it right and as −∞ for those that send it left; a leaf
/// points at itself. So every tree takes the same number of steps and several walk at once: what costs is waiting for
/// memory, and eight walks wait together.
///
/// Why float32: libxgboost compares float32 with float32. A threshold of 0.671 and a value of 0.671 in double fall on different
/// sides of each other where both were rounded differently, and ties are common (amounts have two decimals). Why the order of
/// additions: a margin is a float32 sum over trees, and float addition is not associative.
public struct TreeEnsemble: Sendable {
    struct Node: Sendable {
        var threshold: Float
        var feature: Int32  // a slot of ModelInputs.slots
        var left: Int32  // the left child, the right one behind it; a leaf itself
        var value: Float
    }

    struct Tree: Sendable {
        var root: Int32
        var depth: Int32
    }

    /// Steps from a root to a leaf that a tree may take at most. XGBoost's own depth is 6 by default and seldom above 30.
    static let mostDepth = 512

    /// Number of features of a row.
    let featureCount: Int
    /// Number of trees.
    var treeCount: Int { trees.count }

    let baseMargin: Float
    let nodes: [Node]
    let trees: [Tree]
    let weights: [Float]  // of dart's trees; empty where all are 1
    /// The mean margin over the training cover: what contributions start from.
    let expectedMargin: Double
    /// The splits on categories; nil where there are none.
    let categories: CategorySplits?
    let explanation: Explanation

    func margin(_ inputs: ModelInputs) -> Float {
        inputs.slots.withUnsafeBufferPointer { slots in
            nodes.withUnsafeBufferPointer { nodes in
                trees.withUnsafeBufferPointer { trees in
                    weights.isEmpty ? sum(slots, nodes, trees) : weightedSum(slots, nodes, trees)
                }
            }
        }
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
}
