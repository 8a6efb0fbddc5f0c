import Glibc

/// Exact SHAP values of trees.
///
/// A feature's Shapley value is its marginal effect averaged over random coalitions: draw t uniformly from [0, 1] and let every
/// other feature be present with probability t. A leaf's weight is then a product of one factor a feature on its path,
/// share·(1 − t) + taken·t, where "share" is the part of the training cover that follows the path's edges of that feature and
/// "taken" is whether this row does. The value of feature i at a leaf v is
///
///     v · (takenᵢ − shareᵢ) · ∫ ∏ⱼ≠ᵢ (shareⱼ·(1 − t) + takenⱼ·t) dt        over [0, 1]
///
/// a polynomial, which Gauss-Legendre quadrature integrates exactly with half as many points as the path has features. One
/// walk over a tree carries the products at four points down and the sums over leaves back up: O(nodes), where the usual
/// algorithm needs O(leaves · depth²). A feature that occurs twice on a path has its factor replaced, and the upper edge's
/// part for that subtree is taken back.
extension TreeEnsemble {
    /// The SHAP values of one row: one a feature, replacing what `contributions` held; returns the bias. Bias and contributions add up to the margin.
    public func contributions(_ inputs: inout Inputs, into contributions: inout [Double]) -> Double {
        contributions.removeAll(keepingCapacity: true)
        contributions.append(contentsOf: repeatElement(0, count: featureCount))
        guard linear.isEmpty else {
            for index in 0..<featureCount where !inputs[index].isNaN {
                contributions[index] = Double(inputs[index] * linear[index])
            }
            return expectedMargin
        }
        if inputs.isTaken.count != nodes.count { inputs.isTaken = Array(repeating: true, count: nodes.count) }
        inputs.slots.withUnsafeBufferPointer { slots in
            inputs.isTaken.withUnsafeMutableBufferPointer { isTaken in
                contributions.withUnsafeMutableBufferPointer { sums in
                    nodes.withUnsafeBufferPointer { nodes in
                        edges.withUnsafeBufferPointer { edges in
                            for (index, tree) in trees.enumerated() {
                                let weight = weights.isEmpty ? 1 : Double(weights[index])
                                for block in Quadrature.blocks[Int(tree.blocks)] {
                                    let walk = Walk(
                                        slots: slots, nodes: nodes, edges: edges, points: block.points,
                                        rest: 1 - block.points, weights: block.weights, isTaken: isTaken, sums: sums)
                                    _ = walk.visit(tree.root, SIMD4(repeating: weight))
                                }
                            }
                        }
                    }
                }
            }
        }
        return expectedMargin
    }
}

/// One walk over one tree at four quadrature points.
private struct Walk {
    let slots: UnsafeBufferPointer<Float>
    let nodes: UnsafeBufferPointer<TreeEnsemble.Node>
    let edges: UnsafeBufferPointer<TreeEnsemble.Edge>
    let points: SIMD4<Double>
    let rest: SIMD4<Double>
    let weights: SIMD4<Double>
    let isTaken: UnsafeMutableBufferPointer<Bool>
    let sums: UnsafeMutableBufferPointer<Double>

    /// The factor of a feature whose edges down to a node take `share` of the cover.
    @inline(__always)
    private func factor(_ share: Double, _ taken: Bool) -> SIMD4<Double> {
        let absent = rest * share
        return taken ? absent + points : absent
    }

    /// Walks the subtree of `node`; `product` holds the factors above it. Returns the sum over its leaves.
    func visit(_ node: Int32, _ product: SIMD4<Double>) -> SIMD4<Double> {
        let split = nodes[Int(node)]
        guard split.left != node else { return product * Double(split.value) }
        let goesLeft = slots[Int(split.feature)] < split.threshold
        return follow(split.left, goesLeft, product) + follow(split.left + 1, !goesLeft, product)
    }

    @inline(__always)
    private func follow(_ child: Int32, _ isRowsWay: Bool, _ product: SIMD4<Double>) -> SIMD4<Double> {
        let edge = edges[Int(child)]
        var taken = isRowsWay
        var earlierShare = 1.0
        var earlierTaken = true
        if edge.previous >= 0 {
            earlierShare = edges[Int(edge.previous)].share
            earlierTaken = isTaken[Int(edge.previous)]
            taken = taken && earlierTaken
        }
        isTaken[Int(child)] = taken
        let effect = (taken ? 1 : 0) - edge.share
        // Neither this row nor any training row comes here: the leaves below weigh nothing in any coalition.
        guard taken || edge.share > 0 else { return .zero }
        let factor = factor(edge.share, taken)
        guard edge.previous >= 0 else {
            let sum = visit(child, product * factor)
            sums[Int(edge.feature)] += effect * (weights * (sum / factor)).sum()
            return sum
        }
        let earlier = self.factor(earlierShare, earlierTaken)
        let sum = visit(child, product / earlier * factor)
        let earlierEffect = (earlierTaken ? 1 : 0) - earlierShare
        sums[Int(edge.feature)] += (weights * sum * (effect / factor - earlierEffect / earlier)).sum()
        return sum
    }
}

/// Gauss-Legendre points and weights on [0, 1], four at a time.
enum Quadrature {
    struct Block: Sendable {
        let points: SIMD4<Double>
        let weights: SIMD4<Double>
    }

    /// Most blocks of four points a tree may need: paths of 128 different features.
    static let mostBlocks = 16

    /// By number of blocks: a rule of four times as many points.
    static let blocks: [[Block]] = (0...mostBlocks).map { count in
        let rule = gaussLegendre(4 * count)
        return (0..<count).map { block in
            var (points, weights) = (SIMD4<Double>(), SIMD4<Double>())
            for lane in 0..<4 { (points[lane], weights[lane]) = rule[4 * block + lane] }
            return Block(points: points, weights: weights)
        }
    }

    /// The roots of the Legendre polynomial of degree `count` by Newton's method, moved from [−1, 1] to [0, 1].
    static func gaussLegendre(_ count: Int) -> [(point: Double, weight: Double)] {
        (0..<count).map { index in
            var x = cos(Double.pi * (Double(index) + 0.75) / (Double(count) + 0.5))
            var slope = 0.0
            for _ in 0..<100 {
                var (previous, value) = (0.0, 1.0)
                for degree in 1...count {
                    let next = (Double(2 * degree - 1) * x * value - Double(degree - 1) * previous) / Double(degree)
                    (previous, value) = (value, next)
                }
                slope = Double(count) * (x * value - previous) / (x * x - 1)
                let step = value / slope
                x -= step
                if abs(step) < 1e-15 { break }
            }
            return (point: (1 - x) / 2, weight: 1 / ((1 - x * x) * slope * slope))
        }
    }
}
