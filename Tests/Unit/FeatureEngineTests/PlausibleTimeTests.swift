import FeatureEngine
import Testing

@Suite struct PlausibleTimeTests {
    /// What a row says of an event time under a format.
    static func refusal(_ text: String, _ format: String) throws -> String? {
        let format = try #require(EventTimeFormat(format))
        let schema = SourceSchema(
            name: "s", topic: "s",
            fields: [Field("id", .string), Field("time", format.isNumeric ? .integer : .string)], eventIDIndex: 0,
            eventTimeIndex: 1, eventTimeFormat: format, keyIndex: 0, label: nil)
        var row = SourceRow(schema)
        do throws(FieldError) {
            try row.set(1, text: Array(text.utf8).span)
            return nil
        } catch {
            return error.reason
        }
    }

    @Test(arguments: [
        ("unix_seconds", "1546300800000", "is in the year 50970: are these milliseconds? unix_seconds is declared"),
        ("unix_seconds", "1546300800000000", "is far beyond the year 2099: are these microseconds?"),
        ("unix_millis", "1546300800000000", "is in the year 50970: are these microseconds? unix_millis is declared"),
        ("unix_millis", "1546300800000000000", "is far beyond the year 2099: are these nanoseconds?"),
        ("unix_seconds", "9223372036854775807", "is far beyond the year 2099: are these nanoseconds?"),
        ("unix_seconds", "-1", "is before 1970"), ("unix_millis", "-9223372036854775808", "is before 1970"),
        ("unix_millis", "4102444800000", "is in the year 2100, not between 1970 and 2099"),
        ("unix_seconds", "4102444800", "is in the year 2100, not between 1970 and 2099"),
        ("iso8601", "9999-12-31", "is in the year 9999, not between 1970 and 2099"),
        ("yyyy-MM-dd HH:mm:ss", "2100-01-01 00:00:00", "is in the year 2100, not between 1970 and 2099"),
        ("unix_seconds", "x", "is not a time of the declared format unix_seconds"),
        ("iso8601", "yesterday", "is not a time of the declared format iso8601"),
    ])
    func `names the unit that was probably meant`(format: String, text: String, reason: String) throws {
        let refusal = try #require(try Self.refusal(text, format))
        #expect(refusal.hasPrefix(reason), "\(refusal)")
        #expect(refusal.hasSuffix(": \"\(text)\""), "\(refusal)")
    }

    @Test(arguments: [
        ("unix_seconds", "0"), ("unix_seconds", "4102444799"), ("unix_millis", "4102444799999"),
        ("iso8601", "1970-01-01"),
        ("iso8601", "2099-12-31T23:59:59.999Z"),
    ])
    func `takes every time of the range`(format: String, text: String) throws {
        #expect(try Self.refusal(text, format) == nil)
    }

    @Test func `a time read back from a store is checked alike`() {
        var row = SourceRow(Rows.schema)
        #expect(throws: FieldError.self) { try row.set(1, bits: 1_546_300_800_000_000) }
        #expect(throws: Never.self) { try row.set(1, bits: 1_546_300_800_000) }
    }

    @Test func `five minutes ahead of the record is the most, whatever the numbers`() {
        #expect(!PlausibleTime.isAhead(300_000, ofRecordAt: 0))
        #expect(PlausibleTime.isAhead(300_001, ofRecordAt: 0))
        #expect(!PlausibleTime.isAhead(.max, ofRecordAt: .max))
        #expect(!PlausibleTime.isAhead(0, ofRecordAt: .max - 5))
        #expect(PlausibleTime.isAhead(0, ofRecordAt: .min))
        #expect(PlausibleTime.isAhead(.max, ofRecordAt: .min + 5))
    }
}
