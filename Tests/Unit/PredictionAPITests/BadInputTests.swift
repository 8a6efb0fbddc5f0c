import HTTPServer
import JSON
import Observability
import RedisClient
import Testing
import TestSupport

@testable import PredictionAPI

/// Whatever comes in is answered with 200 or 4xx, the answer is strict JSON, and nothing that was refused is logged.
@Suite struct BadInputTests {
    private static func payment(amt: String, id: String = "\"p1\"") -> String {
        #"{"id":\#(id),"at":"2024-03-01 12:00:00","card":"c1","merchant":"Kiosk","amt":\#(amt)}"#
    }

    @Test(arguments: [
        "NaN", "Infinity", "-Infinity", "nan", "+1", "01", ".5", "1.", "0x10", "1,5", "undefined", "'1'", "--1", "",
    ])
    func `an amount that is no JSON is refused`(amount: String) throws {
        let fixture = try Fixture()
        let answer = fixture.ask(Self.payment(amt: amount))
        #expect(answer.status == 422)
        #expect(answer.problems == ["body json_invalid"])
        #expect(answer.json["detail"]?[0]?["msg"]?.string?.isEmpty == false)
        #expect(fixture.records.records.isEmpty)
    }

    @Test(arguments: [
        ("\"NaN\"", "value_error"), ("\"Infinity\"", "value_error"), ("1e400", "value_error"),
        ("-1e400", "value_error"),
        ("1e2", "value_error"), ("null", "type_error"), ("[]", "type_error"), ("{}", "type_error"),
        ("true", "type_error"),
        ("\" 12\"", "value_error"), ("\"12.30 \"", "value_error"), ("\"\"", "value_error"), ("12.345", "value_error"),
        ("\"1e2\"", "value_error"), ("99999999999999999999", "value_error"), ("\"１２\"", "value_error"),
    ])
    func `an amount of the wrong kind is refused by name`(amount: String, type: String) throws {
        let fixture = try Fixture()
        let answer = fixture.ask(Self.payment(amt: amount))
        #expect(answer.status == 422)
        #expect(answer.problems == ["body.amt \(type)"])
        #expect(fixture.records.records.isEmpty)
        #expect(fixture.store.reads.isEmpty)
    }

    @Test(arguments: [
        ("12.30", "12.30"), ("\"12.30\"", "12.30"), ("12.3", "12.30"), ("0", "0.00"), ("-5", "-5.00"),
        ("\"7\"", "7.00"),
    ])
    func `an amount may be a number or its text`(amount: String, logged: String) throws {
        let fixture = try Fixture()
        #expect(fixture.ask(Self.payment(amt: amount)).status == 200)
        #expect(fixture.records.records.first?.value["request"]?["amt"] == .number(logged))
    }

    @Test func `every problem is listed with its place`() throws {
        let fixture = try Fixture()
        let answer = fixture.ask(#"{"id":"p1","amt":"x","merchant":7,"lat":true,"card":""}"#)
        #expect(answer.status == 422)
        #expect(
            Set(answer.problems) == [
                "body.at missing", "body.amt value_error", "body.lat type_error", "body.card value_error",
            ])
        #expect(fixture.registry.renderPrometheus().contains("needletail_serve_invalid_total 1\n"))
    }

    @Test(arguments: [
        "", " ", "{", "}", "null", "true", "12", "\"text\"", "[]", "[{}]", "{}{}", "{\"id\":}", "{id:1}", "{\"a\":1,}",
        "\u{FEFF}{}",
        "{\"id\":\"p1\" \"at\":\"x\"}", "<xml/>", "id=p1&amt=3",
    ])
    func `a body that is not one JSON object is refused`(body: String) throws {
        let fixture = try Fixture()
        let answer = fixture.ask(body)
        #expect(answer.status == 422)
        #expect(answer.json["detail"]?.array?.isEmpty == false)
        #expect(fixture.records.records.isEmpty)
    }

    @Test(arguments: [
        "2024-13-01 12:00:00", "2024-02-30 12:00:00", "2024-03-01", "2024-03-01T12:00:00", "01/03/2024 12:00:00", "",
        "2024-03-01 12:00:00.5", "99999-03-01 12:00:00", "1709294400",
    ])
    func `an event time of another form is refused by name`(time: String) throws {
        let fixture = try Fixture()
        let answer = fixture.ask(#"{"id":"p1","at":"\#(time)","card":"c1","merchant":"Kiosk","amt":1}"#)
        #expect(answer.status == 422)
        #expect(answer.problems == ["body.at value_error"])
    }

    @Test(arguments: [
        ("2024-03-01 12:06:00", 200), ("2024-03-01 12:06:01", 422), ("2099-12-31 23:59:59", 422),
        ("9999-12-31 23:59:59", 422), ("1969-12-31 23:59:59", 422), ("1970-01-01 00:00:00", 200),
    ])
    func `an event time more than five minutes ahead of now, or in no plausible year, is refused by name`(
        time: String, status: Int
    ) throws {
        let fixture = try Fixture()  // whose clock says 12:01
        let row = #"{"id":"p1","at":"\#(time)","card":"c1","merchant":"Kiosk","amt":1}"#
        for (body, path, place) in [(row, "/predict", "body.at"), ("[\(row)]", "/api/v1/predict/batch", "body.0.at")] {
            let answer = fixture.ask(body, path)
            #expect(answer.status == status)
            if status == 422 { #expect(answer.problems == ["\(place) value_error"]) }
        }
        #expect(fixture.records.records.count == (status == 200 ? 2 : 0))
    }

    @Test(arguments: [
        (#""amt":-1000000.01"#, "amt", "is -1000000.01, but at least -1000000 is allowed"),
        (#""amt":1,"lat":500"#, "lat", "is 500.0, but -90 to 90 is allowed"),
    ])
    func `a value that the source does not allow is refused with the field, the value and what is allowed`(
        members: String, field: String, message: String
    ) throws {
        let fixture = try Fixture()
        let row = #"{"id":"p1","at":"2024-03-01 12:00:00","card":"c1","merchant":"Kiosk",\#(members)}"#
        for (body, path, place) in [(row, "/predict", "body."), ("[\(row)]", "/api/v1/predict/batch", "body.0.")] {
            let answer = fixture.ask(body, path)
            #expect(answer.status == 422)
            #expect(answer.problems == ["\(place)\(field) value_error"])
            #expect(answer.json["detail"]?[0]?["msg"]?.string == message)
        }
        #expect(fixture.records.records.isEmpty)
    }

    @Test(arguments: ["id", "card"])
    func `an id or key that could not be stored is refused by name and never logged`(field: String) throws {
        let fixture = try Fixture()
        func ask(_ value: String) -> Fixture.Answer {
            let fields = ["id": "p1", "card": "c1"].merging([field: value]) { $1 }
            return fixture.ask(
                #"{"id":"\#(fields["id"] ?? "")","card":"\#(fields["card"] ?? "")","at":"2024-03-01 12:00:00","merchant":"m","amt":1}"#
            )
        }
        let bad = [
            "", " ", #"\t\n"#, "\u{3000}", #"a\u0000"#, String(repeating: "x", count: 257),
            String(repeating: "é", count: 129),
        ]
        for value in bad { #expect(ask(value).problems == ["body.\(field) value_error"], "\(value)") }
        #expect(fixture.records.records.isEmpty)
        for value in [String(repeating: "x", count: 256), " x ", #"a\\"#] { #expect(ask(value).status == 200) }
        #expect(fixture.records.records.count == 3)
    }

    @Test func `a field given twice is refused, also with an escaped name, and an escaped name is the same field`()
        throws
    {
        let fixture = try Fixture()
        let twice = #"{"id":"p1","amt":1.00,"amt":9999.00,"at":"2024-03-01 12:00:00","card":"c1","merchant":"m"}"#
        #expect(fixture.ask(twice).problems == ["body.amt duplicate_field"])
        let hidden = #"{"id":"p1","amt":1.00,"a\u006dt":9999.00,"at":"2024-03-01 12:00:00","card":"c1","merchant":"m"}"#
        #expect(fixture.ask(hidden).problems == ["body.amt duplicate_field"])
        #expect(fixture.records.records.isEmpty)
        let escaped = #"{"id":"p1","a\u006dt":250.00,"at":"2024-03-01 12:00:00","card":"c1","merchant":"m"}"#
        let answer = fixture.ask(escaped)
        #expect(answer.status == 200)
        #expect(answer.json["prediction"]?.string == "FRAUD")
        #expect(fixture.records.records.first?.value["request"]?["amt"] == .number("250.00"))
    }

    @Test func `text that is not Unicode, or holds a NUL, is refused`() throws {
        let fixture = try Fixture()
        func body(_ merchant: [UInt8]) -> [UInt8] {
            Array(#"{"id":"p1","at":"2024-03-01 12:00:00","card":"c1","amt":1,"merchant":""#.utf8) + merchant
                + Array("\"}".utf8)
        }
        let lone = [#"\ud800"#, #"\udc00"#, #"\ud800\u0041"#, #"\udfff\ud800"#].map { Array($0.utf8) }
        let raw: [[UInt8]] = [
            [0xC3, 0x28], [0xC0, 0xAF], [0xE0, 0x80, 0xAF], [0xED, 0xA0, 0x80], [0xFF], [0xF4, 0x90, 0x80, 0x80],
            [0x0A],
        ]
        for merchant in lone + raw {
            let answer = fixture.ask(bytes: body(merchant))
            #expect(answer.status == 422)
            #expect(answer.problems == ["body json_invalid"])
        }
        #expect(fixture.ask(bytes: body(Array(#"a\u0000b"#.utf8))).problems == ["body.merchant value_error"])
        #expect(fixture.records.records.isEmpty)
        #expect(fixture.ask(bytes: body(Array(#"\ud83d\ude00 日本"#.utf8))).status == 200)
        #expect(fixture.records.records.first?.value["request"]?["merchant"]?.string == "😀 日本")
    }

    @Test func `deep nesting and long bodies are refused without harm`() throws {
        let fixture = try Fixture()
        let deep = String(repeating: "[", count: 5_000) + String(repeating: "]", count: 5_000)
        #expect(fixture.ask(deep).problems == ["body json_invalid"])
        #expect(fixture.ask(#"{"extra":\#(deep)}"#).problems == ["body json_invalid"])
        let objects = String(repeating: #"{"a":"#, count: 5_000) + "1" + String(repeating: "}", count: 5_000)
        #expect(fixture.ask(objects).problems == ["body json_invalid"])
        #expect(fixture.ask(String(repeating: "x", count: 65_537)).status == 413)
        let name = String(repeating: "a", count: 60_000)
        #expect(
            fixture.ask(#"{"\#(name)":1,"id":"p1","at":"2024-03-01 12:00:00","card":"c1","merchant":"m","amt":1}"#)
                .status == 200)
    }

    @Test(arguments: [
        ("application/json", 200), ("application/json; charset=utf-8", 200),
        ("application/json;charset=\"UTF-8\"", 200),
        ("text/plain", 415), ("application/x-www-form-urlencoded", 415), ("application/json; charset=utf-16", 415),
        ("text/plain; charset=latin1", 415), (";;;=", 415), ("application/json; charset=", 200),
        ("multipart/form-data; boundary=x", 415), ("APPLICATION/JSON", 200), ("application/problem+json", 200),
        ("text/json", 415), ("application/jsonp", 415), ("", 415), ("application/json, text/plain", 415),
    ])
    func `a body that says it is anything but JSON in UTF-8 is refused, as a browser's page would send it`(
        type: String, status: Int
    ) throws {
        let fixture = try Fixture()
        let answer = fixture.ask(Fixture.payment, headers: ["content-type": type])
        #expect(answer.status == status)
        #expect(fixture.records.records.count == (status == 200 ? 1 : 0))
        #expect(fixture.ask(Fixture.payment, headers: ["content-encoding": "gzip"]).status == 415)
        #expect(fixture.ask(Fixture.payment, headers: ["content-encoding": "identity"]).status == 200)
    }

    @Test func `random bytes never cause a server error`() throws {
        let fixture = try Fixture()
        var generator = SplitMix64(7)
        let good = Array(Fixture.payment.utf8)
        for _ in 0..<5_000 {
            var bytes = good
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                let place = Int.random(in: 0..<bytes.count, using: &generator)
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: bytes[place] = UInt8.random(in: 0...255, using: &generator)
                case 1: bytes.remove(at: place)
                default: bytes.insert(bytes[Int.random(in: 0..<bytes.count, using: &generator)], at: place)
                }
            }
            let answer = fixture.ask(bytes: bytes)
            #expect(answer.status == 200 || answer.status == 422)
            #expect(answer.json != "not JSON", "seed 7: \(bytes)")
        }
        for (_, record) in fixture.records.records { #expect(record != "not JSON") }
    }
}
