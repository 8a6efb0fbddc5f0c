import FeatureEngine
import Testing

@Suite struct KeyRuleTests {
    static func problem(_ text: String) -> String? { KeyRule.problem(Array(text.utf8).span) }

    @Test(arguments: ["0", "4992346398065154184", "a b", " a", "caf\u{E9}", "cafe\u{301}", "\u{301}", "-1", "🂡"])
    func `takes keys that can be told apart`(text: String) {
        #expect(Self.problem(text) == nil)
    }

    @Test(arguments: [" ", "   ", "\t", "\r\n", "\u{A0}", "\u{3000} \u{2028}", "\u{85}"])
    func `refuses a key of white space only`(text: String) {
        #expect(Self.problem(text) == "is blank")
    }

    @Test func `refuses what no store can keep`() {
        #expect(Self.problem("") == "is empty")
        #expect(Self.problem("a\0") == "contains a NUL character")
        #expect(Self.problem(String(repeating: "x", count: 256)) == nil)
        #expect(
            Self.problem(String(repeating: "\u{E9}", count: 129)) == "is 258 bytes long, at most 256 are allowed")
        for bytes: [UInt8] in [[0x80], [0x61, 0xC3], [0xED, 0xA0, 0x80], [0xC0, 0x80], [0xF5, 0x80, 0x80, 0x80]] {
            #expect(KeyRule.problem(bytes.span) == "is not valid UTF-8", "\(bytes)")
        }
    }

    @Test(arguments: [("  ", "is blank"), ("", "is empty"), (String(repeating: "9", count: 257), "is 257 bytes long")])
    func `a row checks its key and its id`(text: String, reason: String) {
        for index in [0, 2] {
            var row = SourceRow(Rows.schema)
            let error = #expect(throws: FieldError.self) { try row.set(index, text: Array(text.utf8).span) }
            #expect(error?.field == Rows.schema.fields[index].name)
            #expect(error?.reason.hasPrefix(reason) == true)
        }
        // Any other text may be blank or long.
        var row = SourceRow(Rows.schema)
        #expect(throws: Never.self) { try row.set(8, text: Array(text.utf8).span) }
    }

    @Test func `a row lends its key's bytes as the text that it prints`() throws {
        let row = try Rows.row("i", at: 5, card: "cafe\u{301}", points: "-9223372036854775808")
        #expect(row.keyBytes == ByteString("cafe\u{301}"))
        #expect(row.eventIDBytes == "i")
        #expect(row.withKeyBytes { $0.count } == 6)
        for index in Rows.schema.fields.indices {
            let bytes = row.withCanonicalBytes(index) { ByteString(copying: $0) }
            #expect(bytes == ByteString(row.canonicalText(index) ?? ""), "\(Rows.schema.fields[index].name)")
        }
        let integers = SourceSchema(
            name: "s", topic: "s", fields: [Field("id", .string), Field("time", .integer), Field("k", .integer)],
            eventIDIndex: 0, eventTimeIndex: 1, eventTimeFormat: .unixMillis, keyIndex: 2, label: nil)
        for value in ["0", "-1", "9223372036854775807", "-9223372036854775807"] {
            var row = SourceRow(integers)
            try row.set(2, number: Array(value.utf8).span)
            #expect(row.keyBytes == ByteString(value))
        }
    }
}
