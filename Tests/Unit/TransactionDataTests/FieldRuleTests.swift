import Compression
import FeatureEngine
import JSON
import TestSupport
import Testing
import TransactionData

/// One rule for topic, file and request: the decoder and the CSV reader say the same about the same value.
@Suite struct FieldRuleTests {
    private static func rule(_ change: (inout FieldRule) -> Void) -> FieldRule {
        var rule = FieldRule()
        change(&rule)
        return rule
    }

    private static func schema(refusesUnknownFields: Bool = false) -> SourceSchema {
        let money = FieldType.decimal(places: 2)
        let fields = [
            Field("id", .string), Field("at", .string), Field("card", .string),
            Field("amt", money, rule: rule { $0.least = .init("0", of: money) }),
            Field("rounded", money, isOptional: true, rounds: true, rule: rule { $0.most = .init("9.99", of: money) }),
            Field(
                "lat", .double, isOptional: true,
                rule: rule { ($0.least, $0.most) = (.init("-90", of: .double), .init("90", of: .double)) }),
            Field(
                "count", .integer, isOptional: true,
                rule: rule { $0.values = ["1", "2"].compactMap { .init($0, of: .integer) } }),
            Field(
                "gender", .string, isOptional: true,
                rule: rule { $0.values = ["F", "é"].compactMap { .init($0, of: .string) } }),
            Field("city", .string, isOptional: true, rule: rule { ($0.shortest, $0.longest) = (2, 4) }),
            Field("dob", .string, isOptional: true, rule: rule { $0.format = EventTimeFormat("yyyy-MM-dd") }),
            Field("seen", .string, isOptional: true, rule: rule { $0.format = .iso8601 }),
        ]
        return SourceSchema(
            name: "tx", topic: "tx", fields: fields, eventIDIndex: 0, eventTimeIndex: 1, eventTimeFormat: .iso8601,
            keyIndex: 2, label: LabelDefinition(field: "fraud", topic: "labels", delayMillis: 0),
            refusesUnknownFields: refusesUnknownFields)
    }

    /// What the decoder says of an event with this value, and what the reader says of the same row of a file.
    private static func problems(_ field: String, _ text: String) throws -> (event: String?, row: String?) {
        let schema = schema()
        var values = ["id": "e1", "at": "2024-03-01T12:00:00Z", "card": "c1", "amt": "1.00"]
        values[field] = text
        let event = JSONTree.object(values.sorted { $0.key < $1.key }.map { .init($0.key, .string($0.value)) })
        var row = SourceRow(schema)
        var found: (String?, String?) = (nil, nil)
        do throws(EventError) {
            try EventDecoder(schema).decode(event.bytes().span, into: &row)
        } catch {
            found.0 = error.description
        }
        let names = values.keys.sorted()
        let file =
            names.joined(separator: ",") + "\n" + names.map { "\"\(values[$0] ?? "")\"" }.joined(separator: ",") + "\n"
        let csv = try TransactionCSV(ByteSource(bytes: Array(file.utf8), name: "test.csv"), schema: schema)
        if case .malformed(2, let error) = try csv.next(into: &row) { found.1 = error.description }
        return found
    }

    @Test(arguments: [
        ("amt", "-0.01", "amt: is -0.01, but at least 0 is allowed"), ("amt", "0", nil), ("amt", "-0", nil),
        ("rounded", "9.994", nil), ("rounded", "9.996", "rounded: is 10.00, but at most 9.99 is allowed"),
        ("lat", "90", nil), ("lat", "500", "lat: is 500.0, but -90 to 90 is allowed"),
        ("lat", "-90.00000000000002", "lat: is -90.00000000000001, but -90 to 90 is allowed"), ("lat", "", nil),
        ("count", "2", nil), ("count", "3", "count: is 3, but 1 or 2 is allowed"),
        ("count", "-9223372036854775807", "count: is -9223372036854775807, but 1 or 2 is allowed"),
        ("gender", "F", nil), ("gender", "\u{E9}", nil), ("gender", "", nil),
        // Another spelling of é is another text.
        ("gender", "e\u{301}", "gender: is \"e\u{301}\", but F or é is allowed"),
        ("city", "Ulm", nil), ("city", "é😀", nil), ("city", "x", "city: is \"x\", but 2 to 4 characters is allowed"),
        ("city", "é😀é😀é", "city: is \"é😀é😀é\", but 2 to 4 characters is allowed"),
        ("dob", "1957-08-26", nil), ("dob", "2000-02-29", nil), ("dob", "1900-02-28", nil),
        ("dob", "26/08/1957", "dob: is \"26/08/1957\", but a time of the form yyyy-MM-dd is allowed"),
        ("dob", "1900-02-29", "dob: is \"1900-02-29\", but a time of the form yyyy-MM-dd is allowed"),
        ("dob", "0000-01-01", "dob: is \"0000-01-01\", but a time of the form yyyy-MM-dd is allowed"),
        ("seen", "1957-08-26", nil), ("seen", "2024-01-01T00:00:00+01:00", nil),
        ("seen", "yesterday", "seen: is \"yesterday\", but a time of the form iso8601 is allowed"),
    ])
    func `a value is let in or refused alike as an event and as a row of a file`(
        field: String, value: String, problem: String?
    ) throws {
        let found = try Self.problems(field, value)
        #expect(found.event == problem)
        #expect(found.row == problem)
    }

    @Test func `a long value and a long list are cut in the message`() throws {
        let (event, _) = try Self.problems("city", String(repeating: "x", count: 5_000))
        #expect(event == "city: is \"\(String(repeating: "x", count: 40))…\", but 2 to 4 characters is allowed")
        let many = Self.rule { $0.values = (0..<50).compactMap { .init("value \($0)", of: .string) } }
        #expect(many.description.hasPrefix("value 0, value 1, "))
        #expect(many.description.hasSuffix("value 11, …"))
    }

    @Test func `all values against their rules are named at once`() throws {
        let schema = Self.schema()
        var row = SourceRow(schema)
        let text = #"{"id":"e","at":"2024-03-01T12:00:00Z","card":"c","amt":-10,"lat":500,"dob":"x","gender":null}"#
        let error = #expect(throws: EventError.self) {
            try EventDecoder(schema).decode(Array(text.utf8).span, into: &row)
        }
        #expect(error?.issues.map(\.field) == ["amt", "lat", "dob"])
        #expect(error?.issues.allSatisfy { $0.type == "value_error" } == true)
    }

    @Test func `what a source does not declare is refused where it says so, with the name that may be meant`() throws {
        let schema = Self.schema(refusesUnknownFields: true)
        var row = SourceRow(schema)
        func issues(_ more: String) throws -> [String] {
            let text = #"{"id":"e","at":"2024-03-01T12:00:00Z","card":"c","amt":1\#(more)}"#
            do throws(EventError) {
                try EventDecoder(schema).decode(Array(text.utf8).span, into: &row)
                return []
            } catch {
                return error.issues.map { "\($0.field ?? "-") \($0.message) (\($0.type))" }
            }
        }
        #expect(try issues("") == [])
        #expect(
            try issues(#","citty":"Ulm","fraud":1,"x":[{}]"#) == [
                #"citty is not declared: did you mean "city"? (unknown_field)"#,
                "fraud is not declared: the label is no part of an event (unknown_field)",
                "x is not declared (unknown_field)",
            ])
        // As many and as long as they may be, they cost little and the answer is short.
        let long = String(repeating: "n", count: 60_000)
        #expect(try issues(",\"\(long)\":1").first?.count ?? 0 < 200)
        #expect(try issues((0..<5_000).map { ",\"n\($0)\":1" }.joined()).count == 32)

        let header = "id,at,card,amt,fraud"
        func open(_ header: String) throws {
            _ = try TransactionCSV(
                ByteSource(bytes: Array("\(header)\n".utf8), name: "test.csv"), schema: schema)
        }
        try open(header)
        let error = #expect(throws: CSVError.self) { try open(header + ",citty,note") }
        #expect(error == .unknownColumns(file: "test.csv", names: ["citty", "note"], source: "tx"))
        #expect(error?.description.contains("citty, note") == true)
    }

    @Test(.countsAllocations) func `rules and refusals are looked at without asking for memory`() throws {
        let schema = Self.schema(refusesUnknownFields: true)
        var row = SourceRow(schema)
        let decoder = EventDecoder(schema)
        let text = Array(
            #"{"id":"e","at":"2024-03-01T12:00:00Z","card":"c","amt":1,"lat":5.5,"count":2,"gender":"é","city":"Ulm","dob":"1957-08-26","seen":"2024-01-01"}"#
                .utf8)
        for _ in 0..<100 { try decoder.decode(text.span, into: &row) }
        #expect(try allocations { for _ in 0..<1_000 { try decoder.decode(text.span, into: &row) } } == 0)
    }
}
