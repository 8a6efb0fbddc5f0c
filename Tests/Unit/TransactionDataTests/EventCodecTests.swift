import FeatureEngine
import JSON
import Testing
import TransactionData

@Suite struct EventCodecTests {
    private static let event =
        #"{"trans_date_trans_time":"2019-01-01 00:00:18","cc_num":"2703186189652095","merchant":"fraud_Rippin, Kub and Mann","category":"misc_net","amt":4.97,"first":"A","last":"B","gender":"F","street":"561 Perry Cove","city":"Moravian Falls","state":"NC","zip":"28654","lat":36.0788,"long":-81.1781,"city_pop":3495,"job":"Psychologist, counselling","dob":"1988-03-09","trans_num":"0b242abb623afc578575680df30655b9","unix_time":1325376018,"merch_lat":36.011293,"merch_long":-82.048315}"#

    private func decode(_ text: String, collectsUnknown: Bool = false) throws -> SourceRow {
        try decode(Array(text.utf8))
    }

    private func decode(_ bytes: [UInt8]) throws -> SourceRow {
        let schema = Reference.schema()
        var row = SourceRow(schema)
        try EventDecoder(schema).decode(bytes.span, into: &row)
        return row
    }

    /// The event with one member's text replaced.
    private func changed(_ member: String, to replacement: String) -> String {
        precondition(Self.event.contains(member))
        return Self.event.replacing(member, with: replacement)
    }

    private func types(_ text: String) -> [String] {
        do {
            _ = try decode(text)
            return []
        } catch let error as EventError {
            return error.issues.map { "\($0.field ?? "-") \($0.type)" }
        } catch {
            return ["\(error)"]
        }
    }

    @Test func `a row written as JSON and read again is the same row`() throws {
        let schema = Reference.schema()
        let rows = [
            Reference.line(0, merchant: "\"fraud_A, \"\"B\"\" é 😀\"", amount: "0.05"), Reference.line(1, amount: "-3"),
            Reference.line(2, merchant: "\"a\\\u{1F}\tb\n\"", amount: "30370005.00"),
        ]
        let csv = try Reference.csv(Reference.file(rows))
        var (row, read) = (SourceRow(schema), SourceRow(schema))
        let (encoder, decoder) = (EventEncoder(schema), EventDecoder(schema))
        var bytes: [UInt8] = []
        while case .row = try csv.next(into: &row) {
            bytes.removeAll(keepingCapacity: true)
            encoder.encode(row, into: &bytes)
            try decoder.decode(bytes.span, into: &read)
            for index in schema.fields.indices { #expect(read.canonicalText(index) == row.canonicalText(index)) }
            #expect(read.eventTimeMillis == row.eventTimeMillis)
        }
        #expect(csv.recordCount == 3)
    }

    @Test func `an event is written in declared order with decimals in full`() throws {
        var bytes: [UInt8] = []
        EventEncoder(Reference.schema()).encode(try decode(changed("4.97", to: "4.9")), into: &bytes)
        #expect(String(decoding: bytes, as: UTF8.self) == changed("4.97", to: "4.90"))
    }

    @Test(arguments: [
        "null", "true", "[]", "{}", "NaN", "Infinity", "1e400", "-1e400", "\" 12\"", "\"NaN\"", "12.345", "1e1", "\"\"",
        "\"+1\"",
    ])
    func `an amount that is not a decimal of two places is refused`(value: String) {
        #expect(!types(changed("\"amt\":4.97", to: "\"amt\":\(value)")).isEmpty)
    }

    @Test func `an amount may be a string of the same form and a card may be an integer`() throws {
        #expect(try decode(changed("4.97", to: "\"12.30\"")).bits(4) == 1230)
        #expect(try decode(changed("\"2703186189652095\"", to: "2703186189652095")).key == "2703186189652095")
        #expect(
            try decode(changed("\"2703186189652095\"", to: "9992703186189652095123")).key == "9992703186189652095123")
        #expect(types(changed("\"2703186189652095\"", to: "2.7e15")) == ["cc_num value_error"])
    }

    @Test func `a declared field named twice is refused, escaped or not`() {
        #expect(types(changed("\"amt\":4.97", to: "\"amt\":1.00,\"amt\":9999.00")) == ["amt duplicate_field"])
        #expect(types(changed("\"amt\":4.97", to: "\"amt\":1.00,\"a\\u006dt\":9999.00")) == ["amt duplicate_field"])
        #expect(types(changed("\"amt\":4.97", to: "\"a\\u006dt\":9999.00")) == [])
    }

    @Test func `text that Postgres or another reader would take as something else is refused`() {
        let merchant = "fraud_Rippin, Kub and Mann"
        #expect(types(changed(merchant, to: "a\\u0000b")) == ["merchant value_error"])
        #expect(types(changed("0b242abb623afc578575680df30655b9", to: "x\\u0000")) == ["trans_num value_error"])
        #expect(types(changed("\"2703186189652095\"", to: "\"\\u0000\"")) == ["cc_num value_error"])
        #expect(types(changed(merchant, to: "\\ud800")) == ["- json_invalid"])
        for bad: [UInt8] in [[0xC3, 0x28], [0xC0, 0xAF], [0xED, 0xA0, 0x80]] {
            let parts = changed(merchant, to: "@").utf8.split(separator: UInt8(ascii: "@"))
            #expect(throws: EventError.self) { try decode(Array(parts.joined(separator: bad))) }
        }
    }

    @Test func `every missing field and every bad field is named at once`() {
        let text = #"{"amt":"x","cc_num":"1","lat":true,"trans_date_trans_time":"2019-01-01 00:00:00","city":{}}"#
        let found = types(text)
        #expect(
            found.contains("amt value_error") && found.contains("lat type_error") && found.contains("city type_error"))
        #expect(found.filter { $0.hasSuffix(" missing") }.count == 16)
    }

    @Test func `what is no object is refused and so is a deep or a huge document`() throws {
        for text in ["", "[]", "1", "null", "\"a\"", "{", Self.event + "x", Self.event + Self.event] {
            #expect(!types(text).isEmpty)
        }
        #expect(
            types(String(repeating: "{\"a\":", count: 5_000) + "1" + String(repeating: "}", count: 5_000)) == [
                "- json_invalid"
            ])
        let schema = Reference.schema()
        var row = SourceRow(schema)
        let small = EventDecoder(schema, maximumBytes: 100)
        let error = #expect(throws: EventError.self) { try small.decode(Array(Self.event.utf8).span, into: &row) }
        #expect(error?.issues.first?.type == "too_large")
    }

    @Test func `fields that are not declared are ignored and named on request`() throws {
        let schema = Reference.schema()
        var row = SourceRow(schema)
        let decoder = EventDecoder(schema, collectsUnknownFields: true)
        let text = changed("\"amt\":4.97", to: "\"is_fraud\":1,\"amount\":[{\"x\":null}],\"amt\":4.97")
        try decoder.decode(Array(text.utf8).span, into: &row)
        #expect(decoder.unknownFields == ["is_fraud", "amount"])
        #expect(row.bits(4) == 497)
        try decoder.decode(Array(Self.event.utf8).span, into: &row)
        #expect(decoder.unknownFields == [])
    }

    @Test func `a decoder reads on after an error`() throws {
        let schema = Reference.schema()
        var row = SourceRow(schema)
        let decoder = EventDecoder(schema)
        for _ in 0..<3 {
            #expect(throws: EventError.self) { try decoder.decode(Array("{}".utf8).span, into: &row) }
            try decoder.decode(Array(Self.event.utf8).span, into: &row)
            #expect(row.string(9) == "Moravian Falls")
        }
    }
}
