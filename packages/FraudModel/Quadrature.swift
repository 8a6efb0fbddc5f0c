import Glibc

/// Gauss-Legendre points and weights on [0, 1], four at a time.
enum Quadrature {
    struct Block: Sendable {
        let points: SIMD4<Double>
        let weights: SIMD4<Double>
    }

    /// Most blocks of four points a tree may need.
    static let mostBlocks = 16
    /// Different features a path may have for so many blocks to be exact.
    static let mostFeatures = 8 * mostBlocks

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
