import JSON
import TestSupport
import Testing

/// The oracle is Swift's own `description`, without the `.0` of integers.
@Suite struct NumberTextTests {
    private func text(_ number: Double) -> String {
        var bytes: [UInt8] = []
        NumberText.append(number, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    private func text(_ number: Float) -> String {
        var bytes: [UInt8] = []
        NumberText.append(number, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    private func expected(_ description: String) -> String {
        description.hasSuffix(".0") ? String(description.dropLast(2)) : description
    }

    @Test(
        arguments: [
            0, -0.0, 1, -1, 0.1, 0.5, 12.3, 12.34, -12.34, 1e-4, 9.999e-5, 1e-5, 1e15, 1e16, 0x1p53, 0x1p54, 0x1p54 + 4,
            -0x1p54, 0x1p53 + 2, 9.99e12, 1e13, 12_345_678_901_234.56, .pi, .leastNonzeroMagnitude,
            .greatestFiniteMagnitude, -.leastNormalMagnitude, 0.3, 1 / 3, 123_456_789.015, 4.35, 1.005, 1e22,
        ] as [Double])
    func `a number looks as its description does`(number: Double) {
        #expect(text(number) == expected(number.description))
        #expect(text(Float(number.magnitude > 1e38 ? 1 : number)).isEmpty == false)
    }

    @Test(
        arguments: [
            0, -0.0, 1, 0.1, 1e-4, 9.9e-5, 1e7, 0x1p24, 0x1p24 + 2, 0x1p25, 1e16, 3.4e38, .leastNonzeroMagnitude,
            .greatestFiniteMagnitude, 1.149_423_5e-05,
        ] as [Float])
    func `a float looks as its description does`(number: Float) {
        #expect(text(number) == expected(number.description))
    }

    @Test func `random numbers look as their descriptions do`() {
        var random = SplitMix64(11)
        for _ in 0..<200_000 {
            let bits = Double(bitPattern: random.next())
            let plain = Double.random(in: -1e6...1e6, using: &random)
            let cents = Double(Int.random(in: -1_000_000_000...1_000_000_000, using: &random)) / 100
            let large = Double(Int.random(in: 0...Int.max, using: &random))
            for number in [bits, plain, cents, large] where number.isFinite {
                let found = text(number)
                guard found == expected(number.description) else {
                    Issue.record("\(number.description) is written \(found)")
                    return
                }
            }
            let float = Float(bitPattern: UInt32(truncatingIfNeeded: random.next()))
            guard float.isFinite else { continue }
            let found = text(float)
            guard found == expected(float.description) else {
                Issue.record("\(float.description) is written \(found)")
                return
            }
        }
    }
}
