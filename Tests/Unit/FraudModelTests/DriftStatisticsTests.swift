import Foundation
import FraudModel
import Testing

@Suite struct DriftStatisticsTests {
    private func sample(_ counts: [(Double, Int)]) -> KolmogorovSmirnov.Sample {
        .init(values: counts.map(\.0), counts: counts.map(\.1))
    }

    @Test func `tied samples differ by hand-computed distance and probability`() throws {
        let a = sample([(1, 50), (2, 30), (3, 20)])
        let b = sample([(1, 40), (2, 30), (3, 30)])
        let result = try #require(KolmogorovSmirnov.test(a, b))
        #expect(abs(result.d - 0.1) < 1e-15)
        #expect(abs(result.p - 0.6994) < 5e-5)
        let mirrored = try #require(KolmogorovSmirnov.test(b, a))
        #expect(mirrored == result)
        // Raw values, in any order, make the same samples.
        let raw = (0..<100).map { Double($0 < 20 ? 3 : $0 < 50 ? 2 : 1) }
        #expect(KolmogorovSmirnov.Sample(raw) == a)
    }

    @Test func `far and near samples have a probability between 0 and 1`() throws {
        let uniform = KolmogorovSmirnov.Sample((0..<3_000).map { Double($0) / 3_000 })
        let shifted = KolmogorovSmirnov.Sample((0..<4_000).map { 0.5 + Double($0) / 4_000 })
        let far = try #require(KolmogorovSmirnov.test(uniform, shifted))
        #expect(abs(far.d - 0.500333) < 1e-6)
        #expect(far.p >= 0 && far.p < 1e-300)
        let bent = KolmogorovSmirnov.Sample((0..<4_000).map { pow(Double($0) / 4_000, 1.02) })
        let near = try #require(KolmogorovSmirnov.test(uniform, bent))
        #expect(abs(near.d - 0.0075) < 1e-4)
        #expect(abs(near.p - 0.99997) < 1e-4)
        let same = try #require(KolmogorovSmirnov.test(uniform, uniform))
        #expect(same.d == 0)
        #expect(same.p == 1)
        #expect(KolmogorovSmirnov.test(uniform, .init([Double.nan])) == nil)
    }

    @Test func `an empty bin makes the stability index large, not infinite`() throws {
        let reference = Array(repeating: 100, count: 10)
        let recent = Array(repeating: 0, count: 9) + [1_000]
        #expect(abs(try #require(PopulationStability.index(expected: reference, actual: recent)) - 8.283089) < 1e-6)
        let categories = try #require(
            PopulationStability.index(expected: [500, 300, 200, 0], actual: [450, 300, 150, 100]))
        #expect(abs(categories - 0.709737) < 1e-6)
        #expect(PopulationStability.index(expected: reference, actual: reference) == 0)
        #expect(PopulationStability.index(expected: [0, 0], actual: [1, 2]) == nil)
    }

    @Test func `many p-values are corrected after Benjamini and Hochberg`() {
        let adjusted = PopulationStability.benjaminiHochberg([0.01, 0.04, 0.03, 0.005, 0.5])
        for (value, expected) in zip(adjusted, [0.025, 0.05, 0.05, 0.025, 0.5]) {
            #expect(abs(value - expected) < 1e-12)
        }
        #expect(PopulationStability.benjaminiHochberg([]) == [])
    }

    /// The parts of a description by hand: edges and counts.
    private func bins(_ numbers: [Float]) -> (edges: [Double], counts: [Int]) {
        guard case .number(_, let edges, let counts, _) = ReferenceDistribution(numbers: numbers) else {
            return ([], [])
        }
        return (edges, counts)
    }

    @Test func `the outer bins are open, and frequent values are bins of their own`() {
        // Ten deciles of ten values each; below 1 and above 100 there was nothing.
        let even = bins((1...100).map(Float.init))
        #expect(even.edges == [Double(Float(1).nextDown), 11, 21, 31, 41, 51, 61, 71, 81, 91, 100])
        #expect(even.counts == [0, 11, 10, 10, 10, 10, 10, 10, 10, 10, 9, 0])
        let constant = bins(Array(repeating: 5, count: 70))
        #expect(constant.edges == [Double(Float(5).nextDown), 5])
        #expect(constant.counts == [0, 70, 0])
        // 60 zeros, then 1…40: the zeros are apart, from below and from above.
        let tied = bins(Array(repeating: 0, count: 60) + (1...40).map(Float.init))
        #expect(tied.edges == [Double(Float(0).nextDown), 0, 1, 11, 21, 31, 40])
        #expect(tied.counts == [0, 60, 1, 10, 10, 10, 9, 0])
        // A frequent value in the middle.
        let middle = bins((1...40).map(Float.init) + Array(repeating: 50, count: 30) + (60...89).map(Float.init))
        #expect(middle.edges.contains(Double(Float(50).nextDown)) && middle.edges.contains(50))
        #expect(middle.counts.reduce(0, +) == 100 && middle.counts.contains(30))
        #expect(bins([]).edges == [])
        #expect(bins([]).counts == [0])
    }

    @Test func `a constant that changed completely has moved as far as can be`() throws {
        let constant = bins(Array(repeating: 5, count: 1_000))
        for (value, bin) in [(Float(7), 2), (4, 0)] {
            var counts = [0, 0, 0]
            counts[bin] = 500
            let index = try #require(PopulationStability.index(expected: constant.counts, actual: counts))
            // (1 − 0.0001)·ln(1 / 0.0001), from the bin that emptied and from the bin that filled.
            #expect(abs(index - 18.418839) < 1e-6, "\(value)")
        }
    }
}
