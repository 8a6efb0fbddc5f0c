import FeatureEngine
import TestSupport
import Testing

@Suite struct DecimalTests {
    static func units(_ text: String, _ places: Int = 2) -> Int64? {
        Decimals.minorUnits(Array(text.utf8).span, places: places)
    }

    @Test(arguments: [
        ("0", 0 as Int64?), ("12.3", 1_230), ("12.30", 1_230), ("-0.01", -1), ("-0.00", 0), ("007", 700),
        ("9999999999999.99", 999_999_999_999_999),
        ("10000000000000.00", 1_000_000_000_000_000), ("10000000000000.01", nil), ("12.345", nil), ("12.", nil),
        (".5", nil),
        ("1e2", nil), ("+1", nil), (" 1", nil), ("1 ", nil), ("", nil), ("-", nil), ("1,5", nil), ("NaN", nil),
        ("--1", nil),
        ("99999999999999999999999", nil), ("1.2.3", nil), ("٣", nil),
    ])
    func `an amount is read exactly or not at all`(text: String, units: Int64?) {
        #expect(Self.units(text) == units)
    }

    @Test func `every amount reads back from its text`() {
        var random = SeededRandom(seed: 3)
        for places in 0...9 {
            for _ in 0..<200 {
                let units = Int64.random(in: -Decimals.largestMinorUnits...Decimals.largestMinorUnits, using: &random)
                #expect(Self.units(Decimals.text(minorUnits: units, places: places), places) == units)
            }
        }
        #expect(Decimals.text(minorUnits: -5, places: 2) == "-0.05")
        #expect(Decimals.text(minorUnits: 1_230, places: 2) == "12.30")
    }

    @Test func `amounts as numbers are the nearest double of their text`() {
        var random = SeededRandom(seed: 4)
        for _ in 0..<2_000 {
            let units = Int64.random(in: -9_999_999...9_999_999, using: &random)
            #expect(Decimals.majorUnits(units, places: 2) == Double(Decimals.text(minorUnits: units, places: 2)))
        }
    }

    @Test(arguments: [
        ("9223372036854775807", Int64.max as Int64?), ("-9223372036854775808", .min), ("9223372036854775808", nil),
        ("-9223372036854775809", nil), ("-0", 0), ("00012", 12), ("", nil), ("-", nil), ("1.0", nil), ("1e3", nil),
    ])
    func `an integer is read exactly or not at all`(text: String, value: Int64?) {
        #expect(Decimals.integer(Array(text.utf8).span) == value)
    }
}
