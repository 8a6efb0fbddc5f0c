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

    static func rounded(_ text: String, _ places: Int = 2) -> Int64? {
        Decimals.roundedMinorUnits(Array(text.utf8).span, places: places)
    }

    @Test(arguments: [
        ("251.20000000000002", 25_120 as Int64?), ("251.19999999999999", 25_120), ("0.125", 12), ("0.135", 14),
        ("0.12500000000000000000000001", 13), ("-0.125", -12), ("-0.135", -14), ("0.005", 0), ("0.0050000001", 1),
        ("1e-05", 0), ("5.684341886080802e-14", 0), ("1e3", 100_000), ("1.5E+2", 15_000), ("12345e-3", 1_234),
        ("12355e-3", 1_236), ("0e999999999999999999999", 0), ("1e999999999999999999999", nil),
        ("1e-999999999999999999999", 0), ("9999999999999.994999", 999_999_999_999_999),
        ("9999999999999.995", 1_000_000_000_000_000), ("10000000000000.004", 1_000_000_000_000_000),
        ("10000000000000.0051", nil), ("10000000000000.005", 1_000_000_000_000_000), ("12", 1_200), ("007.1", 710),
        ("", nil), ("-", nil), (".5", nil), ("5.", nil), ("1,5", nil), ("NaN", nil), ("1e", nil), ("1e+", nil),
        ("1.2.3", nil), (" 1", nil), ("inf", nil), ("٣", nil),
    ])
    func `a declared rounding is half to even on the text`(text: String, units: Int64?) {
        #expect(Self.rounded(text) == units)
    }

    @Test(arguments: [UInt64(1), 2, 3])
    func `rounding agrees with exact integers`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<5_000 {
            let mantissa = Int64.random(in: -999_999...999_999, using: &random)
            let decimals = Int.random(in: 0...8, using: &random)
            let places = Int.random(in: 0...4, using: &random)
            let exponent = Int.random(in: -6...6, using: &random)
            let plain = Decimals.text(minorUnits: mantissa, places: decimals)
            let text = Bool.random(using: &random) ? "\(plain)e\(exponent)" : plain
            let shift = (text == plain ? 0 : exponent) - decimals + places
            // mantissa · 10^shift, rounded half to even.
            func power(_ count: Int) -> Int128 { (0..<count).reduce(Int128(1)) { value, _ in value * 10 } }
            var expected = Int128(mantissa)
            if shift >= 0 {
                expected *= power(shift)
            } else {
                let (whole, rest) = expected.magnitude.quotientAndRemainder(dividingBy: power(-shift).magnitude)
                let twice = rest * 2
                let up = twice > power(-shift).magnitude || twice == power(-shift).magnitude && whole % 2 == 1
                expected = Int128(whole + (up ? 1 : 0)) * (mantissa < 0 ? -1 : 1)
            }
            let inRange = expected.magnitude <= Decimals.largestMinorUnits.magnitude ? expected : nil
            #expect(Self.rounded(text, places).map { Int128($0) } == inRange, "seed \(seed): \(text), \(places)")
            if decimals <= places, text == plain { #expect(Self.rounded(text, places) == Self.units(text, places)) }
        }
    }

    @Test func `a row rounds where its source says so, as text and as number, and tells the cure where not`() throws {
        func schema(_ rounds: Bool) -> SourceSchema {
            SourceSchema(
                name: "s", topic: "s",
                fields: [
                    Field("id", .string), Field("time", .integer),
                    Field("amt", .decimal(places: 2), isOptional: true, rounds: rounds),
                ], eventIDIndex: 0, eventTimeIndex: 1, eventTimeFormat: .unixMillis, keyIndex: 0, label: nil)
        }
        let noise = Array("251.20000000000002".utf8)
        var row = SourceRow(schema(true))
        try row.set(2, text: noise.span)
        #expect(row.bits(2) == 25_120)
        try row.set(2, number: noise.span)
        #expect(row.canonicalText(2) == "251.20")
        row = SourceRow(schema(false))
        let error = #expect(throws: FieldError.self) { try row.set(2, number: noise.span) }
        #expect(
            error?.reason
                == "is not decimal(2): \"251.20000000000002\"; decimal(2, round) in the source rounds it, half to even")
        let comma = #expect(throws: FieldError.self) { try row.set(2, text: Array("1,50".utf8).span) }
        #expect(comma?.reason == "is not decimal(2): \"1,50\"; decimals stand behind a point")
    }

    @Test(arguments: [
        ("decimal(2, round)", 2 as Int?), ("decimal(0,round)", 0), ("decimal(9,  round)", 9),
        ("decimal(10, round)", nil),
        ("decimal(2, up)", nil), ("decimal(2,)", nil), ("decimal(, round)", nil), ("double(2, round)", nil),
    ])
    func `a rounding decimal is declared so`(text: String, places: Int?) {
        let declaration = FieldType.declaration(text)
        #expect(declaration.map { $0.type } == places.map { FieldType.decimal(places: $0) })
        #expect(declaration?.rounds ?? true)
        if let places {
            #expect(Field("x", .decimal(places: places), rounds: true).declaration == "decimal(\(places), round)")
            #expect(FieldType.declaration("decimal(\(places))")?.rounds == false)
        }
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
