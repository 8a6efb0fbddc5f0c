import Testing
import TransactionData

struct CSVTextTests {
    @Test func `cells are quoted by their bytes`() {
        #expect(CSVText.cell("plain") == "plain")
        #expect(Array(CSVText.cell("a\"\u{301}b").utf8) == Array("\"a\"\"\u{301}b\"".utf8))
        #expect(Array(CSVText.cell("a,\u{301}").utf8) == Array("\"a,\u{301}\"".utf8))
    }
}
