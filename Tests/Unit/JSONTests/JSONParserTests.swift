import JSON
import Testing

@Suite struct JSONParserTests {
    private func reason(_ bytes: [UInt8], maximumDepth: Int = 64) -> JSONError.Reason? {
        do throws(JSONError) {
            return try JSONParser(maximumDepth: maximumDepth).parse(bytes.span) { (_) throws(JSONError) in nil }
        } catch {
            return error.reason
        }
    }

    @Test func `an object's members come in order with raw numbers and unescaped text`() throws {
        let text =
            #"  {"a\u006dt": 12.30, "s":"x\n\"\u00e9\ud83d\ude00", "n":null,"t":true ,"f":false,"l":[1,[2],{}],"e":{} } "#
        let parser = JSONParser()
        var seen: [String] = []
        try parser.parse(Array(text.utf8).span) { (root) throws(JSONError) in
            var children = root.children
            while let child = children.next() { seen.append("\(child.keyText) \(child.kind) \(child.text)") }
        }
        #expect(
            seen == [
                "amt number 12.30", "s string x\n\"é😀", "n null null", "t true true", "f false false",
                "l array [1,[2],{}]", "e object {}",
            ])
    }

    @Test(arguments: [
        "0", "-0", "1", "-1", "0.95000000000000000000", "1e5", "1E+5", "1.5e-300", "12345678901234567890123",
    ])
    func `a JSON number keeps its text`(number: String) throws {
        #expect(try JSONTree.parse(" \(number)\n") == .number(number))
        #expect(try JSONTree.parse("[\(number)]") == .array([.number(number)]))
    }

    @Test(arguments: [
        "+1", "01", "-", "1.", ".5", "1e", "1e+", "0x10", "1_000", "NaN", "Infinity", "-Infinity", "1 2", "1,2", "--1",
        "1.2.3",
        "1\"a\"", "tru", "truefalse", "nul", "nulll", "None", "'a'", "{a:1}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}",
        "[1,]", "[,1]",
        "{,}", "{\"a\":1 \"b\":2}", "{\"a\":1}}", "{\"a\":1}{", "[1", "{\"a\":1", "]", "{\"a\"1}", "{1:2}",
        "\"a\" \"b\"", "\"a\"b",
        "\"a", "\"", "\"\\\"", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"\\ud800\"", "\"\\ud800\\u0041\"",
        "\"\\udc00\"",
        "\"\\ud800\\ud800\"", "{\"\\ud800\":1}", "\"a\u{1}b\"", "\"a\nb\"", "", " ", "\u{FEFF}{}", "{} x", "[1]]",
        "/* */ {}", "{\"a\":[1,2}", "[1 2]", "{\"a\" \"b\"}", "{\"a\":1,\"b\"}", ":", ",", "{\"a\"::1}",
    ])
    func `what is not JSON is refused`(text: String) {
        #expect(reason(Array(text.utf8)) != nil)
    }

    @Test(arguments: [
        [0xC3, 0x28], [0xC0, 0x80], [0xC1, 0xBF], [0xE0, 0x80, 0xAF], [0xF0, 0x80, 0x80, 0xAF], [0xED, 0xA0, 0x80],
        [0x80], [0xFF],
        [0xF4, 0x90, 0x80, 0x80], [0xE2, 0x82], [0xF0, 0x9F, 0x98],
    ])
    func `invalid UTF-8 is refused inside and outside of strings`(bytes: [UInt8]) {
        let quoted = Array(#"{"merchant":""#.utf8) + bytes + Array(#""}"#.utf8)
        #expect(reason(quoted) == .invalidUTF8)
        #expect(reason(bytes) != nil)
        let long = Array(#"{"a":""#.utf8) + Array(repeating: 0x61, count: 300) + bytes + Array(#"","b":1}"#.utf8)
        #expect(reason(long) == .invalidUTF8)
    }

    @Test func `nesting is refused past the limit and costs no stack`() {
        let deepest = Array(repeating: UInt8(ascii: "["), count: 64) + Array(repeating: UInt8(ascii: "]"), count: 64)
        #expect(reason(deepest) == nil)
        #expect(reason(Array("[".utf8) + deepest + Array("]".utf8)) == .tooDeep)
        #expect(reason(Array(repeating: UInt8(ascii: "["), count: 100_000)) == .tooDeep)
        let objects = Array(String(repeating: #"{"a":"#, count: 5_000).utf8)
        #expect(reason(objects + Array("1".utf8) + Array(repeating: UInt8(ascii: "}"), count: 5_000)) == .tooDeep)
    }

    @Test func `every proper prefix of a document is refused`() {
        let document = Array(#"{"a":[1,2,{"b":"c\u0041"}],"d":-1.5e3,"e":null,"f":true}"#.utf8)
        #expect(reason(document) == nil)
        for count in 0..<document.count { #expect(reason(Array(document[..<count])) != nil, "prefix of \(count)") }
    }

    @Test func `one flipped byte never reads out of bounds and never changes what is left untouched`() throws {
        let document = Array(#"{"a":[1,2,{"b":"c\u0041\\"}],"dé":-1.5e3,"e":null,"f":true}"#.utf8)
        let parser = JSONParser()
        for index in document.indices {
            for byte in UInt8.min...UInt8.max {
                var changed = document
                changed[index] = byte
                do throws(JSONError) {
                    try parser.parse(changed.span) { (root) throws(JSONError) in
                        let written = try JSONTree(root).bytes()
                        #expect(try JSONTree.parse(written).bytes() == written)
                    }
                } catch {
                    #expect(!error.description.isEmpty)
                }
            }
        }
    }

    @Test func `an error names the byte it was seen at`() throws {
        #expect(throws: JSONError(.invalidNumber, offset: 5)) { try JSONTree.parse(#"{"a":01}"#) }
        #expect(throws: JSONError(.loneSurrogate, offset: 6)) { try JSONTree.parse(#"{"a":"\ud800"}"#) }
        #expect(throws: JSONError(.trailing, offset: 3)) { try JSONTree.parse("{} x") }
        #expect(JSONError(.trailing, offset: 3).description == "something follows the document, at byte 3")
    }

    @Test func `one parser reads small and large documents after one another`() throws {
        let parser = JSONParser()
        for count in [1, 100_000, 3, 5_000, 200_000] {
            let text = "[" + (0..<count).map { "\"\\u0061\($0)\"" }.joined(separator: ", ") + "]"
            let last = try parser.parse(Array(text.utf8).span) { (root) throws(JSONError) in
                var (children, last, seen) = (root.children, "", 0)
                while let child = children.next() {
                    last = child.text
                    seen += 1
                }
                return (last, seen)
            }
            #expect(last == ("a\(count - 1)", count))
        }
    }

    @Test(arguments: [1, 2, 3, 1_000])
    func `a document of more values than allowed is refused at the first too many`(most: Int) throws {
        let parser = JSONParser(maximumValues: most)
        func outcome(_ text: String) -> JSONError? {
            do throws(JSONError) {
                try parser.parse(Array(text.utf8).span) { (_) throws(JSONError) in }
                return nil
            } catch {
                return error
            }
        }
        for shape in ["[", "[[],", #"{"a":1,"b":"#] {
            // The container and what stands before the list count, too.
            let before = shape == "[" ? 1 : shape == "[[]," ? 2 : 2
            guard most >= before + 1 else { continue }
            let fits = Array(repeating: "1", count: most - before).joined(separator: ",")
            let open = shape.hasPrefix("{") ? "[" : ""
            guard open.isEmpty || most >= 4 else { continue }
            let room = open.isEmpty ? fits : Array(repeating: "1", count: most - 3).joined(separator: ",")
            let end = open.isEmpty ? "]" : "]}"
            #expect(outcome(shape + open + room + end) == nil)
            #expect(outcome(shape + open + room + ",1" + end)?.reason == .tooManyValues)
        }
        #expect(outcome("7") == nil)
        #expect(outcome("[" + String(repeating: "1,", count: 100_000) + "1]")?.reason == .tooManyValues)
    }

    @Test func `what a large document needed is given back`() throws {
        let parser = JSONParser(maximumValues: 1 << 20)
        for text in [
            "[" + String(repeating: "1,", count: 4_000_000) + "1]",
            "[" + String(repeating: "\"\\n\",", count: 500_000) + "1]",
        ] {
            _ = try? parser.parse(Array(text.utf8).span) { (_) throws(JSONError) in }
            #expect(parser.heldBytes < 8 << 20)
        }
        try parser.parse(Array("[1]".utf8).span) { (root) throws(JSONError) in #expect(root.kind == .array) }
    }

    @Test func `containers tell where they lie in the document`() throws {
        let document = Array(#" {"a" : [1, "é"] , "b": { }, "c": "x\u0041"} "#.utf8)
        let texts = try JSONParser().parse(document.span) { (root) throws(JSONError) in
            var texts: [String?] = [root.range(in: document.span).map { String(decoding: document[$0], as: UTF8.self) }]
            var members = root.children
            while let member = members.next() {
                texts.append(member.range(in: document.span).map { String(decoding: document[$0], as: UTF8.self) })
            }
            return texts
        }
        #expect(texts == [#"{"a" : [1, "é"] , "b": { }, "c": "x\u0041"}"#, #"[1, "é"]"#, "{ }", nil])
    }
}
