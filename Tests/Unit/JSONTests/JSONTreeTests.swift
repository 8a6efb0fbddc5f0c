import JSON
import Testing

@Suite struct JSONTreeTests {
    @Test func `a tree written and read again is the same tree`() throws {
        let tree: JSONTree = [
            "name": "a \"quoted\"\\ \n\t\u{1}\u{1F} é 😀", "empty": [:],
            "list": [1, -2, 0.5, nil, true, [], ["x": false]],
            "rate": .number("0.10"),
        ]
        #expect(try JSONTree.parse(tree.bytes()) == tree)
        #expect(try JSONTree.parse(tree.bytes(pretty: true)) == tree)
        #expect(tree["rate"]?.double == 0.1)
        #expect(tree["list"]?[1]?.int == -2)
        #expect(tree["list"]?[9] == nil)
    }

    @Test func `pretty text has one member a line`() {
        let tree: JSONTree = ["a": 1, "b": [2, []]]
        #expect(tree.text(pretty: true) == "{\n  \"a\": 1,\n  \"b\": [\n    2,\n    []\n  ]\n}")
        #expect(tree.text() == #"{"a":1,"b":[2,[]]}"#)
    }

    @Test func `a member is found by the bytes of its name`() throws {
        let tree = try JSONTree.parse("{\"caf\u{E9}\":1,\"cafe\u{301}\":2,\"\u{212A}\":3}")
        #expect(tree["caf\u{E9}"]?.int == 1 && tree["cafe\u{301}"]?.int == 2)
        #expect(tree["K"] == nil && tree["\u{212A}"]?.int == 3)
    }

    @Test func `a member named twice is refused, escaped or not`() {
        #expect(throws: JSONError.self) { try JSONTree.parse(#"{"amt":1,"amt":2}"#) }
        #expect(throws: JSONError.self) { try JSONTree.parse(#"{"a":{"amt":1,"a\u006dt":2}}"#) }
        #expect(throws: Never.self) { try JSONTree.parse(#"{"a":{"a":1},"b":{"a":1}}"#) }
    }

    @Test func `a writer places commas, writes doubles shortest and NaN as null`() {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("n")
        writer.beginArray()
        for number in [0.1, 5, -0.0, 1e300, 1.0e16, .nan, .infinity, 100] { writer.value(number) }
        writer.value(Float(0.1))
        writer.value(Int64.min)
        writer.endArray()
        writer.key("s")
        writer.value("/\u{7F}\r")
        writer.key("o")
        writer.beginObject()
        writer.endObject()
        writer.key("z")
        writer.value(String?.none)
        writer.endObject()
        #expect(
            writer.text
                == #"{"n":[0.1,5,-0,1e+300,1e+16,null,null,100,0.1,-9223372036854775808],"s":"/"# + "\u{7F}"
                + #"\r","o":{},"z":null}"#)
        #expect(throws: Never.self) { try JSONTree.parse(writer.bytes) }
    }

    @Test(arguments: [(0, "0.00"), (5, "0.05"), (-5, "-0.05"), (1230, "12.30"), (100, "1.00"), (-12345, "-123.45")])
    func `minor units are written with all their places`(units: Int64, text: String) {
        var bytes: [UInt8] = []
        JSONWriter.append(minorUnits: units, places: 2, to: &bytes)
        #expect(String(decoding: bytes, as: UTF8.self) == text)
    }
}
