import TestSupport
import Testing
import TransactionData

@testable import BatchFeatures

@Suite struct FeatureLineTests {
    static func text(_ value: Double) -> String {
        var bytes: [UInt8] = []
        CSVText.append(value, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test(arguments: [
        0.0, -0.0, 1, -1, 0.1, 0.01, -0.05, 0.001, 1e-5, 100, 12.3, 999_999.99, 9_999_999_999_999.99, 1e13, 1e15, 1e16,
        1e17,
        1.0 / 3, 2_886_751.340174626, .leastNonzeroMagnitude, .greatestFiniteMagnitude, .infinity,
        4_503_599_627_370_497.5, 0.30000000000000004,
        1_005.0 / 100, 70.995, 0.29, 0.57, 1.15,
    ])
    func `a number is written as Swift describes it`(value: Double) {
        #expect(Self.text(value) == "\(value)")
    }

    @Test func `a missing number is nothing`() { #expect(Self.text(.nan) == "") }

    @Test(arguments: [UInt64(1), 2, 3])
    func `any number is written as Swift describes it`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<20_000 {
            let cents = Double(Int64.random(in: -1_000_000_000_000_000...1_000_000_000_000_000, using: &random))
            let small = Double(Int.random(in: -100_000...100_000, using: &random))
            for value in [
                cents / 100, small / 100, small, small / 1_000, small / 37, Double(bitPattern: random.next()),
            ]
            where !value.isNaN {
                #expect(Self.text(value) == "\(value)", "seed \(seed)")
            }
        }
    }
}
