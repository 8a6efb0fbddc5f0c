import FeatureEngine
import Testing

@Suite struct DecimalsDoubleTests {
    @Test(arguments: [UInt64(1), 2, 3])
    func `a double read from text has the bits that the standard library reads`(seed: UInt64) {
        var state = seed
        func random(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        for _ in 0..<50_000 {
            var text = random(2) == 0 ? "-" : ""
            for _ in 0...random(12) { text += String(random(10)) }
            if random(4) > 0 {
                text += "."
                for _ in 0...random(12) { text += String(random(10)) }
            }
            if random(8) == 0 { text += "e\(random(60) - 30)" }
            #expect(Decimals.double(Array(text.utf8).span)?.bitPattern == Double(text)?.bitPattern, "\(text)")
        }
    }

    @Test(arguments: [
        "0.95000000000000000000", "9007199254740993", "123456789012345678901234567890", "5e-324", "-0",
        "1.7976931348623157e308",
    ])
    func `long and extreme numbers are read exactly`(text: String) {
        #expect(Decimals.double(Array(text.utf8).span)?.bitPattern == Double(text)?.bitPattern)
    }

    @Test(arguments: [
        "", "-", ".", "1.", ".5", "1e", "+1", " 1", "1 ", "0x1", "1e400", "inf", "nan", "1.2.3", "--1", "1e+",
    ])
    func `what is not a finite number is refused`(text: String) {
        #expect(Decimals.double(Array(text.utf8).span) == nil)
    }
}
