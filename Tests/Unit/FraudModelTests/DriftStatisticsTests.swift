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
}
