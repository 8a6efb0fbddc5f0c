import JSON
import Testing

@testable import PredictionAPI

@Suite struct ExplanationTests {
    private static let batch = "/api/v1/predict/batch"

    private func reasons(_ json: JSONTree?) -> [(name: String, contribution: JSONTree)] {
        if let list = json?.array {
            return list.map { ($0["feature"]?.string ?? "", $0["contribution"] ?? .null) }
        }
        return (json?.object ?? []).map { ($0.key, $0.value) }
    }

    @Test(arguments: [
        (["explain": "true"], 5), (["explain": "false"], nil), (["explain": "0"], nil), (["explain": "1"], 1),
        (["explain": "3"], 3), (["explain": "10000"], 5), (["top": "2"], 2), (["top": "99"], 5),
        (["top": "2", "explain": "true"], 2), (["top": "2", "explain": "false"], nil),
        (["top": "2", "explain": "4"], 2), (["top": "4", "explain": "2"], 2), ([:], 5),
    ])
    func `as many of the strongest reasons as are asked for, in either form`(query: [String: String], count: Int?)
        throws
    {
        let fixture = try Fixture()
        fixture.setWatermark(partition: 3, next: 500)
        let all = reasons(fixture.ask(Fixture.payment).json["explanation"])
        #expect(all.count == 5)
        for form in [nil, "list", "object"] {
            var query = query
            query["explanation"] = form
            let one = fixture.ask(Fixture.payment, query: query).json
            #expect((one["base_value"] != nil) == (count != nil))
            #expect((one["explanation"]?.object != nil) == (form == "object" && count != nil))
            let found = reasons(one["explanation"])
            #expect(found.map(\.name) == all.prefix(count ?? 0).map(\.name))
            #expect(found.map(\.contribution) == all.prefix(count ?? 0).map(\.contribution))
            // A batch says no more than it is asked for.
            let row = fixture.ask("[\(Fixture.payment)]", Self.batch, query: query).json["predictions"]?[0]
            let isAsked = query["explain"] != nil || query["top"] != nil
            #expect(row?["explanation"] == (isAsked ? one["explanation"] : nil))
        }
    }

    @Test(arguments: [
        ("explain", "maybe", "value_error"), ("explain", "-1", "value_error"), ("explain", "", "value_error"),
        ("explain", "10001", "value_error"), ("explain", "99999999999999999999", "value_error"),
        ("explain", "TRUE", "value_error"), ("explain", "1.5", "value_error"), ("explain", "３", "value_error"),
        ("top", "0", "int_parsing"), ("top", "all", "int_parsing"), ("top", "", "int_parsing"),
        ("explanation", "dict", "value_error"), ("explanation", "", "value_error"),
    ])
    func `anything else is refused by name`(name: String, value: String, type: String) throws {
        let fixture = try Fixture()
        for (body, path) in [(Fixture.payment, "/predict"), ("[]", Self.batch)] {
            let answer = fixture.ask(body, path, query: [name: value])
            #expect(answer.status == 422)
            #expect(answer.problems == ["query.\(name) \(type)"])
        }
        #expect(fixture.records.records.isEmpty)
    }

    @Test func `contributions are floats, and read back to the same`() throws {
        let fixture = try Fixture()
        fixture.setWatermark(partition: 3, next: 500)
        for reason in reasons(fixture.ask(Fixture.payment).json["explanation"]) {
            guard case .number(let text) = reason.contribution else {
                Issue.record("no number")
                continue
            }
            let number = try #require(Float(text))
            let shortest = "\(number)"
            #expect(text == (shortest.hasSuffix(".0") ? String(shortest.dropLast(2)) : shortest))
        }
    }
}
