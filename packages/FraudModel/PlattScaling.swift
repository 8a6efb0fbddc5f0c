import Glibc

/// Makes a margin a margin of true probabilities: p = logistic(slope·margin + intercept), Platt's scaling.
///
/// A model stopped by its ranking, or fitted on other frauds than come, ranks well and still says 0.02 where every second row is a
/// fraud. Two numbers, fitted on rows that the trees were not fitted on, mend that and cannot change the order of rows; a free
/// monotone curve (isotonic regression) would need more frauds than a tenth of the rows has, and could not be put into the trees.
public struct PlattScaling: Hashable, Sendable {
    /// What the margin is multiplied with, above 0.
    public let slope: Double
    /// What is added to it then.
    public let intercept: Double

    /// Frauds, and other rows, that are needed.
    static let leastOfEach = 20
    /// The farthest that `intercept` may lie from 0: beyond, a start of float32 would be 0 or 1.
    static let mostIntercept = 12.0

    /// Fits by Newton's method, against Platt's targets, which keep the fit finite where scores part the classes wholly: frauds count
    /// as (F + 1)/(F + 2), others as 1/(N + 2). Nil with too few of either, or where a higher margin means no higher risk.
    init?(margins: [Float], labels: [Float]) {
        let frauds = Double(labels.count { $0 == 1 })
        let others = Double(labels.count) - frauds
        guard min(frauds, others) >= Double(Self.leastOfEach), margins.allSatisfy(\.isFinite) else { return nil }
        let (high, low) = ((frauds + 1) / (frauds + 2), 1 / (others + 2))
        // Newton's method walks best on margins of about unit size.
        let mean = margins.reduce(0) { $0 + Double($1) } / Double(margins.count)
        let spread = (margins.reduce(0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / Double(margins.count))
            .squareRoot()
        guard spread > 0 else { return nil }
        let points = zip(margins, labels).map { ((Double($0) - mean) / spread, $1 == 1 ? high : low) }
        var (a, b) = (1.0, log((frauds + 1) / (others + 1)))
        var loss = Self.loss(points, a, b)
        for _ in 0..<100 {
            var (ga, gb, haa, hab, hbb) = (0.0, 0.0, 1e-12, 0.0, 1e-12)
            for (x, target) in points {
                let p = Self.logistic(a * x + b)
                let (residual, weight) = (p - target, p * (1 - p))
                ga += residual * x
                gb += residual
                haa += weight * x * x
                hab += weight * x
                hbb += weight
            }
            let determinant = haa * hbb - hab * hab
            guard abs(ga) + abs(gb) > 1e-9 * Double(points.count), determinant > 0 else { break }
            let (da, db) = ((hbb * ga - hab * gb) / determinant, (haa * gb - hab * ga) / determinant)
            var step = 1.0
            while step > 1e-6, Self.loss(points, a - step * da, b - step * db) > loss { step /= 2 }
            guard step > 1e-6 else { break }
            (a, b) = (a - step * da, b - step * db)
            loss = Self.loss(points, a, b)
        }
        (slope, intercept) = (a / spread, b - a * mean / spread)
        guard slope > 0, slope.isFinite, abs(intercept) <= Self.mostIntercept else { return nil }
    }

    init(slope: Double, intercept: Double) { (self.slope, self.intercept) = (slope, intercept) }

    private static func loss(_ points: [(Double, Double)], _ a: Double, _ b: Double) -> Double {
        points.reduce(0) { sum, point in
            let margin = a * point.0 + b
            // −t·ln p − (1 − t)·ln(1 − p), without a logarithm of 0.
            return sum + max(margin, 0) - margin * point.1 + log1p(exp(-abs(margin)))
        }
    }

    func probability(ofMargin margin: Double) -> Double { Self.logistic(slope * margin + intercept) }

    static func logistic(_ margin: Double) -> Double { 1 / (1 + exp(-margin)) }
    static func logit(_ probability: Double) -> Double { log(probability / (1 - probability)) }
}
