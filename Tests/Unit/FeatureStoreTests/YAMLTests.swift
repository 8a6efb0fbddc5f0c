import Testing
import YAML

@Suite struct YAMLTests {
    @Test func `every node knows its line and column`() throws {
        let document = try #require(try YAMLNode.documents("# note\na: [1, 'two']\nb:\n  c: null\n").first)
        #expect(document["a"]?.items?.map(\.column) == [5, 8])
        #expect(document["a"]?.items?.map(\.line) == [2, 2])
        #expect(document["a"]?.items?[0].integer == 1)
        #expect(document["a"]?.items?[1].integer == nil)
        #expect(document["b"]?["c"]?.line == 4)
        #expect(document["b"]?["c"]?.isNull == true)
        #expect(document.pairs?.map(\.name) == ["a", "b"])
    }

    @Test func `scalars are what they look like, and quoted ones are text`() throws {
        let document = try #require(
            try YAMLNode.documents("{a: true, b: 'true', c: 1.5, d: NO, e: nan, f: string?}").first)
        #expect(document["a"]?.boolean == true)
        #expect(document["b"]?.boolean == nil)
        #expect(document["c"]?.double == 1.5)
        #expect(document["d"]?.boolean == nil)
        #expect(document["e"]?.double == nil)
        #expect(document["f"]?.text == "string?")
    }

    @Test func `several documents come in order and empty ones are left out`() throws {
        #expect(
            try YAMLNode.documents("a: 1\n---\n# nothing\n---\nb: 2\n").map { $0.pairs?.first?.name } == ["a", "b"])
        #expect(try YAMLNode.documents("# only a comment\n").isEmpty)
    }

    @Test(arguments: [
        ("a: 1\nb: 2\na: 3", "line 3, column 1: the key `a` stands twice, first on line 1"),
        ("a: &x 1\nb: *x", "line 1, column 4: anchors are not supported: write the value out where it is used"),
        ("a: !!int 1", "line 1, column 4: tags are not supported: write the value out where it is used"),
        ("[a, b]: 1", "line 1, column 1: a key must be plain text"),
        (
            "a: [1, 2",
            "line 2, column 1: is not YAML: did not find expected ',' or ']' while parsing a flow sequence"
        ),
    ])
    func `what cannot be read says where`(text: String, message: String) {
        #expect(Self.refusal(of: text) == message)
    }

    @Test func `deep nesting is refused, not followed`() {
        let deep = String(repeating: "[", count: 5_000) + String(repeating: "]", count: 5_000)
        #expect(Self.refusal(of: deep) == "line 1, column 66: is nested deeper than 64 levels")
    }

    static func refusal(of text: String) -> String? {
        do {
            _ = try YAMLNode.documents(text)
            return nil
        } catch {
            return "\(error)"
        }
    }
}
