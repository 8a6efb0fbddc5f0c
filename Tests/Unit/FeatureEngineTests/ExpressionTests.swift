import FeatureEngine
import Testing

@Suite struct ExpressionTests {
    /// One view with a number that is there, one that is not, and two categories, one missing.
    static func compile(_ text: String) throws -> ExpressionProgram {
        let numbers: [String: Int] = ["mean": 0, "none": 1]
        let texts: [String: Int] = ["last": 2, "nothing": 3]
        return try ExpressionProgram(try Expression(parsing: text), scope: "req", schema: schema) {
            _, view, name, column throws(ExpressionError) in
            if view == nil, name == "event_timestamp" { return .eventTime }
            if view == nil, let field = schema.index(of: name) { return .field(field) }
            if view == "act", let index = numbers[name] { return .feature(view: 0, index: index, kind: .number) }
            if view == "act", let index = texts[name] { return .feature(view: 0, index: index, kind: .category) }
            throw ExpressionError(column: column, message: "`\(name)` is unknown", fix: "Name something else")
        }
    }

    static let schema = SourceSchema(
        name: "tx", topic: "tx",
        fields: [
            Field("id", .string), Field("time", .string), Field("amt", .decimal(places: 2)), Field("dob", .string),
            Field("shop", .string, isOptional: true), Field("chip", .boolean), Field("n", .integer, isOptional: true),
            Field("lat", .double), Field("merchant name", .string, isOptional: true),
        ],
        eventIDIndex: 0, eventTimeIndex: 1, eventTimeFormat: .iso8601, keyIndex: 0, label: nil)

    static func row(_ changes: [String: String] = [:]) throws -> SourceRow {
        let values = [
            "id": "e", "time": "2020-02-29T23:59:59Z", "amt": "12.30", "dob": "1960-02-29", "chip": "true",
            "lat": "-45.5",
            "shop": "Ärger",
        ]
        var row = SourceRow(schema)
        for (name, text) in values.merging(changes, uniquingKeysWith: { $1 }) where text != "-" {
            try row.set(try #require(schema.index(of: name)), text: Array(text.utf8).span)
        }
        try row.finish()
        return row
    }

    static func value(_ text: String, _ changes: [String: String] = [:]) throws -> Double {
        var act = FeatureVector(count: 4)
        act.numbers[0] = 4.1
        act.texts[2] = "Ärger"
        var vector = FeatureVector(count: 1)
        try compile(text).evaluate(try row(changes), [act], into: &vector, at: 0)
        return vector.numbers[0]
    }

    @Test(arguments: [
        ("1 + 2 * 3", 7.0), ("(1 + 2) * 3", 9), ("2 - 3 - 4", -5), ("24 / 4 / 2", 3), ("-2 * -3", 6), ("--5", 5),
        ("- -amt", 12.3), ("amt", 12.3), ("amt * 2", 24.6), ("amt / act.mean", 12.3 / 4.1), ("chip + 1", 2),
        ("-lat", 45.5),
        ("1e3 + 0.5", 1_000.5), ("1 < 2", 1), ("2 <= 1", 0), ("amt == 12.3", 1), ("amt != 12.3", 0), ("3 >= 3", 1),
        ("(1 < 2) == (3 > 4)", 0), ("abs(-3)", 3), ("sqrt(16)", 4), ("log(1)", 0), ("log1p(0)", 0), ("min(3, 1, 2)", 1),
        ("max(3, 1, 2)", 3), ("coalesce(act.none, 5)", 5), ("coalesce(act.none, act.none, amt)", 12.3),
        ("is_missing(act.none)", 1), ("is_missing(amt)", 0), ("is_missing(n)", 1), ("is_missing(shop)", 0),
        ("is_missing(act.nothing)", 1), ("if(amt > 10, 1, 0)", 1), ("if(chip, act.mean, act.none)", 4.1),
        ("if(0, act.none, 7)", 7), ("shop == \"Ärger\"", 1), ("shop != 'Ärger'", 0), ("shop == act.last", 1),
        ("'x' == shop", 0), ("hour_of_day(event_timestamp)", 23), ("day_of_week(event_timestamp)", 5),
        ("day_of_week(dob)", 0), ("hour_of_day(dob)", 0), ("age_years(dob, event_timestamp)", 60),
        ("years_between(dob, event_timestamp)", Double(21_915 * 86_400_000 + 86_399_000) / (365.25 * 86_400_000)),
    ])
    func `gives the value a hand computes`(text: String, expected: Double) throws {
        #expect(try Self.value(text) == expected)
    }

    @Test(arguments: [
        "amt / 0", "0 / 0", "act.none + 1", "1 + act.none", "-act.none", "log(0)", "log(-1)", "sqrt(-1)", "log1p(-1)",
        "1e308 * 10", "min(1, act.none)", "max(act.none, 1)", "coalesce(act.none, n)", "act.none < 1",
        "act.none == act.none",
        "if(act.none, 1, 2)", "if(1, act.none, 2)", "shop == act.nothing", "n + 1", "haversine_km(lat, 1, act.none, 2)",
        "age_years(shop, event_timestamp)", "hour_of_day(shop)", "years_between(event_timestamp, shop)",
        "abs(act.none)",
    ])
    func `is missing where it cannot be known`(text: String) throws {
        #expect(try Self.value(text).isNaN)
    }

    @Test(arguments: [
        ("1988-03-09", 31.0), ("1988-02-29", 32), ("1988-03-01", 31), ("2020-02-29", 0), ("2020-03-01", -1),
        ("1920-02-29", 100), ("0001-01-01", 2_019),
    ])
    func `an age counts completed years`(birth: String, expected: Double) throws {
        #expect(try Self.value("age_years(dob, event_timestamp)", ["dob": birth]) == expected)
    }

    @Test(arguments: ["1988-02-30", "1900-02-29", "1988-13-01", "88-01-01", "1950-01-01T00:00:00Z", "", "19500101"])
    func `a date that is none is missing`(text: String) throws {
        #expect(try Self.value("age_years(dob, event_timestamp)", ["dob": text]).isNaN)
    }

    @Test func `distances are those of a sphere`() throws {
        // A quarter of the equator, a pole to the other, and Paris to New York as published (5,837 km).
        let quarter = try Self.value("haversine_km(0, 0, 0, 90)")
        #expect(abs(quarter - .pi * 6371.0088 / 2) < 1e-9)
        let half = try Self.value("haversine_km(90, 0, -90, 0)")
        #expect(abs(half - .pi * 6371.0088) < 1e-9)
        let paris = try Self.value("haversine_km(48.8566, 2.3522, 40.7128, -74.0060)")
        #expect(abs(paris - 5_837) < 1)
        #expect(try Self.value("haversine_km(lat, lat, lat, lat)") == 0)
    }

    @Test func `a text alone is a category`() throws {
        var act = FeatureVector(count: 4)
        act.texts[2] = "Ärger"
        var vector = FeatureVector(count: 4)
        for (slot, text) in ["shop", "act.last", "act.nothing", "`merchant name`"].enumerated() {
            let program = try Self.compile(text)
            #expect(program.kind == .category)
            program.evaluate(try Self.row(["shop": "kids_pets"]), [act], into: &vector, at: slot)
        }
        #expect(vector.texts == ["kids_pets", "Ärger", nil, nil])
        #expect(vector.numbers.allSatisfy { $0.isNaN })
    }

    @Test(arguments: [
        ("'gas'", 1, "a constant text is no feature"), ("amt + 'a'", 7, "a text stands where a number is needed"),
        ("`amt", 1, "the ` is never closed"), ("1.2.3", 1, "`1.2.3` is not a number"),
        ("1x", 1, "`1x` is not a number"),
        ("amt = 1", 5, "`=` means nothing here"), ("act.", 4, "`.` is not a number"),
        ("amt amt", 5, "`amt` follows a complete expression"), ("min(1)", 1, "`min` takes 2 to 16 arguments, not 1"),
        ("", 1, "a number, a name or a function should stand where the end is"), ("what", 1, "`what` is unknown"),
        ("hour_of_day(amt + 1)", 13, "a time is needed here"),
        ("shop < 3", 1, "`shop` is a text, and a number is needed here"),
    ])
    func `a mistake is named with its column`(text: String, column: Int, message: String) {
        do {
            _ = try Self.compile(text)
            Issue.record("\(text) was compiled")
        } catch let error as ExpressionError {
            #expect(error.column == column)
            #expect(error.message == message)
        } catch {
            Issue.record(error)
        }
    }

    @Test func `nesting and size have limits instead of a crash`() {
        for text in [
            String(repeating: "(", count: 10_000),
            String(repeating: "1+(", count: 40) + "1" + String(repeating: ")", count: 40),
            Array(repeating: "1", count: 3_000).joined(separator: "+"),
        ] {
            #expect(throws: ExpressionError.self) { try Self.compile(text) }
        }
    }

    @Test func `spelling does not change the canonical text`() throws {
        let first = try Expression(parsing: "a.b+c * ( -d )").canonicalText
        #expect(first == "(`a`.`b`+(`c`*(-`d`)))")
        #expect(try Expression(parsing: "  (a.b) + (c*-d) ").canonicalText == first)
        #expect(try Expression(parsing: "(a.b + c) * -d").canonicalText != first)
        let one = try Expression(parsing: "1").canonicalText
        #expect(try Expression(parsing: "1.0").canonicalText == one)
    }
}
