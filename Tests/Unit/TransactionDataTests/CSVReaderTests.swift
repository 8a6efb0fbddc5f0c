import Compression
import Testing
import TransactionData

@Suite struct CSVReaderTests {
    /// Every record's line and cells, then the error that ended the file.
    private func read(_ bytes: [UInt8]) throws -> [[String]] {
        let reader = try CSVReader(ByteSource(bytes: bytes, name: "test.csv"))
        var result = [reader.header]
        while try reader.next() {
            result.append(
                ["\(reader.line)"] + (0..<reader.cellCount).map { reader.text($0) }
                    + (reader.defect.map { ["!\($0)"] } ?? []))
        }
        return result
    }

    private func read(_ text: String) throws -> [[String]] { try read(Array(text.utf8)) }

    @Test func `quotes, commas, doubled quotes and line breaks belong to the cell`() throws {
        let text = "a,b,c\n1,\"x, \"\"y\"\"\",\n2,\"line\nbreak\r\nagain\",\"\"\n3,\"\"\"\",z\n"
        #expect(
            try read(text) == [
                ["a", "b", "c"], ["2", "1", "x, \"y\"", ""], ["3", "2", "line\nbreak\r\nagain", ""],
                ["6", "3", "\"", "z"],
            ])
    }

    @Test(arguments: ["\n", "\r\n"], ["", "\u{FEFF}"])
    func `line ends, a byte order mark and a missing last line end make no difference`(lineEnd: String, mark: String)
        throws
    {
        let text = mark + ["\"\",\"a b\",c", "1,\"x\",", ",,\"y\""].joined(separator: lineEnd)
        #expect(try read(text) == [["", "a b", "c"], ["2", "1", "x", ""], ["3", "", "", "y"]])
        #expect(try read(text + lineEnd) == [["", "a b", "c"], ["2", "1", "x", ""], ["3", "", "", "y"]])
    }

    @Test func `blank lines are skipped and still counted`() throws {
        #expect(try read("a,b\n\n\r\n1,2\n\n\n3,4\n\n") == [["a", "b"], ["4", "1", "2"], ["7", "3", "4"]])
        #expect(try read("a\n\"\"\n") == [["a"], ["2", ""]])
    }

    @Test func `a quote inside an unquoted cell and a carriage return inside a line are text`() throws {
        #expect(try read("a,b\nx\"y\",1\r2\n") == [["a", "b"], ["2", "x\"y\"", "1\r2"]])
    }

    @Test func `text behind a closing quote marks the record and reading goes on`() throws {
        #expect(
            try read("a,b\n\"x\"y,1\n2,3\n\"z\"\r4,5\n6,7") == [
                ["a", "b"], ["2", "xy", "1", "!has text behind a closing quote"], ["3", "2", "3"],
                ["4", "z4", "5", "!has text behind a closing quote"], ["5", "6", "7"],
            ])
    }

    @Test func `an unclosed quote is told with the line it was opened on`() throws {
        let text = "a,b\n1,2\n3,4\n5,\"x\n" + String(repeating: "6,7\n", count: 100)
        let reader = try CSVReader(ByteSource(bytes: Array(text.utf8), name: "test.csv"))
        #expect(try reader.next())
        #expect(try reader.next())
        let error = #expect(throws: CSVError.unclosedQuote(file: "test.csv", line: 4)) { try reader.next() }
        #expect(error?.description == "test.csv: quote opened on line 4 never closed")
    }

    @Test func `an unclosed quote before a very long rest stops at the limit`() throws {
        let text = "a,b\n1,\"x\n" + String(repeating: "23456789\n", count: 3 << 20)
        let reader = try CSVReader(ByteSource(bytes: Array(text.utf8), name: "test.csv"))
        #expect(throws: CSVError.unclosedQuote(file: "test.csv", line: 2)) { try reader.next() }
    }

    @Test func `a record above the limit is given up and the next one is read`() throws {
        let long = String(repeating: "x", count: CSVReader.recordLimit + 1_000_000)
        let rows = try read("a,b\n1,2\n3,\(long)\n5,6\n\"7\",\(long),\"8\n\"\n9,10\n")
        #expect(
            rows == [
                ["a", "b"], ["2", "1", "2"], ["3", "!is longer than 8 MiB"], ["4", "5", "6"],
                ["5", "!is longer than 8 MiB"],
                ["7", "9", "10"],
            ])
    }

    @Test func `a cell of two megabytes is a cell`() throws {
        let long = String(repeating: "y", count: 2 << 20)
        let rows = try read("a,b\n1,\(long)\n2,\"\(long)\"\n3,4\n")
        #expect(rows.map { $0.last?.utf8.count ?? 0 } == [1, 2 << 20, 2 << 20, 1])
    }

    @Test(arguments: [1, 2, 3, 7, 64, 1 << 18])
    func `records are the same however the file comes in pieces`(seed: Int) throws {
        // Against a plain character-by-character reader over random small alphabets, long enough to refill the buffer.
        var state = UInt64(seed)
        func random(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        var expected: [[String]] = [["h1", "h2"]]
        var text = "h1,h2\n"
        var line = 2
        for _ in 0..<30_000 {
            var cells: [String] = []
            var written: [String] = []
            var breaks = 0
            for _ in 0..<1 + random(3) {
                var cell = ""
                for _ in 0..<random(12) { cell += ["a", "é", ",", "\"", "\n", "\r\n", "z"][random(7)] }
                cells.append(cell)
                breaks += cell.utf8.count { $0 == 0x0A }
                let needsQuotes =
                    cell.utf8.contains { [0x2C, 0x22, 0x0A, 0x0D].contains($0) } || random(3) == 0 || cell.isEmpty
                written.append(needsQuotes ? "\"\(cell.replacing("\"", with: "\"\""))\"" : cell)
            }
            text += written.joined(separator: ",") + (random(2) == 0 ? "\n" : "\r\n")
            expected.append(["\(line)"] + cells)
            line += 1 + breaks
        }
        #expect(try read(text) == expected)
    }

    @Test(arguments: [
        (";", "\n"), (";", "\r\n"), ("\t", "\n"), ("|", "\n"), (",", "\r\n"),
    ])
    func `a line before the header names the separator`(mark: String, end: String) throws {
        for start in ["", "\u{FEFF}"] {
            let text = "\(start)sep=\(mark)\(end)a\(mark)b\(end)\"1\(mark)2\"\(mark)3,5;6\(end)"
            let reader = try CSVReader(ByteSource(bytes: Array(text.utf8), name: "test.csv"))
            #expect(reader.header == ["a", "b"])
            #expect(try reader.next())
            #expect(reader.line == 3)
            // The quoted cell keeps the mark; the other is cut where it holds one.
            #expect(reader.text(0) == "1\(mark)2")
            #expect(reader.text(1) == (mark == "," ? "3" : mark == ";" ? "3,5" : "3,5;6"))
            #expect(try !reader.next())
        }
    }

    @Test(arguments: ["sep=", "sep=;", "sep=;x", "sep=,,\n", "sep=\n", "sepa=;\n1\n"])
    func `what only looks like such a line is a header`(text: String) throws {
        let reader = try CSVReader(ByteSource(bytes: Array(text.utf8), name: "test.csv"))
        #expect(reader.header.first?.hasPrefix("sep") == true)
    }

    @Test(arguments: [";", "\t", "|"])
    func `a header without commas is separated by what it holds most of`(mark: String) throws {
        for end in ["\n", "\r\n"] {
            let text = "\"a, b\"\(mark)c\(mark)\"d\(mark)e\"\(end)1,5\(mark)2\(mark)3\(end)"
            let reader = try CSVReader(ByteSource(bytes: Array(text.utf8), name: "test.csv"))
            #expect(reader.header == ["a, b", "c", "d\(mark)e"])
            #expect(try reader.next())
            #expect((0..<3).map(reader.text) == ["1,5", "2", "3"])
        }
        let commas = try CSVReader(ByteSource(bytes: Array("a\(mark)b,c\n".utf8), name: "test.csv"))
        #expect(commas.header == ["a\(mark)b", "c"])
    }

    @Test func `every missing column is named at once`() throws {
        let reader = try CSVReader(ByteSource(bytes: Array("b,c,a,c\n".utf8), name: "test.csv"))
        #expect(try reader.columns(["a", "b"]) == [2, 0])
        let error = #expect(throws: CSVError.self) { try reader.columns(["a", "x", "y"]) }
        #expect(error?.description == "test.csv: missing columns x, y; it has b, c, a, c")
        #expect(throws: CSVError.duplicateColumns(file: "test.csv", names: ["c"])) { try reader.columns(["c"]) }
    }

    @Test func `an empty file and other encodings are told`() {
        #expect(throws: CSVError.empty(file: "test.csv")) { try read("") }
        #expect(throws: CSVError.empty(file: "test.csv")) { try read("\n\n") }
        #expect(throws: CSVError.encoding(file: "test.csv", found: "UTF-16")) { try read([0xFF, 0xFE, 0x61, 0x00]) }
    }
}
