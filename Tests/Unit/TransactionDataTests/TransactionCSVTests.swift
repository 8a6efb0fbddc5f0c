import FeatureEngine
import Foundation
import Testing
import TransactionData

@Suite struct TransactionCSVTests {
    @Test func `a marked, quoted, CRLF file without a last line end is read whole`() throws {
        let quoted = Reference.header.split(separator: ",", omittingEmptySubsequences: false).map { "\"\($0)\"" }
        let rows = [Reference.line(0), Reference.line(1, label: "1"), Reference.line(2)]
        for text in [([quoted.joined(separator: ",")] + rows).joined(separator: "\r\n")] {
            let outcomes = try Reference.outcomes("\u{FEFF}" + text)
            #expect(outcomes == [.row(line: 2, label: 0), .row(line: 3, label: 1), .row(line: 4, label: 0)])
        }
        // The same without the index column.
        let bare = ([Reference.header] + rows).map { $0.drop { $0 != "," }.dropFirst() }.joined(separator: "\r\n")
        #expect(try Reference.outcomes("\u{FEFF}" + bare).count == 3)
    }

    @Test func `fields keep their text and their exact values`() throws {
        let schema = Reference.schema()
        let csv = try Reference.csv(
            Reference.file([Reference.line(7, merchant: "\"fraud_A, \"\"B\"\" é\"", amount: "12.3")]))
        var row = SourceRow(schema)
        #expect(try csv.next(into: &row) == .row(line: 2, label: 0))
        #expect(row.string(2) == "fraud_A, \"B\" é")
        #expect(row.bits(4) == 1230)
        #expect(row.string(11) == "02134")
        #expect(row.key == "4992346398065154184")
        #expect(row.eventTimeMillis == 1_546_300_800_000)
        #expect(try csv.next(into: &row) == .end)
        #expect(csv.recordCount == 1)
    }

    @Test func `columns come in any order, extra ones are ignored, and a file may lack the label`() throws {
        let names = Reference.header.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        let cells =
            "0,2019-01-01 00:00:00,1,m,c,1.00,A,B,F,s,ci,IL,02134,1.5,-2.5,10,job,1980-02-29,id,1325376000,1,2,1"
            .split(separator: ",").map(String.init)
        let order = names.indices.reversed().filter { names[$0] != "is_fraud" && !names[$0].isEmpty }
        let text =
            (["note"] + order.map { names[$0] }).joined(separator: ",") + "\n"
            + (["x"] + order.map { cells[$0] }).joined(separator: ",")
        #expect(try Reference.outcomes(text) == [.row(line: 2, label: nil)])
        let error = #expect(throws: CSVError.self) { try Reference.csv(text, requiresLabel: true) }
        #expect(error?.description.contains("missing column is_fraud") == true)
    }

    @Test func `a bad row is told with its line and the next one is read`() throws {
        let rows = [
            Reference.line(0), Reference.line(1, amount: "12.345"), Reference.line(2) + ",extra",
            Reference.line(3, amount: "1e3"),
            Reference.line(4, merchant: "\"two\nlines\""), Reference.line(5, time: "2019-02-30 00:00:00"),
            Reference.line(6, label: "yes"),
            Reference.line(7, id: ""), Reference.line(8, merchant: "a\u{0}b"), Reference.line(9),
        ]
        let outcomes = try Reference.outcomes(Reference.file(rows))
        var malformed: [Int: String] = [:]
        for case .malformed(let line, let error) in outcomes { malformed[line] = error.description }
        #expect(outcomes.count == rows.count)
        #expect(malformed.keys.sorted() == [3, 4, 5, 8, 9, 10, 11])
        #expect(
            malformed[3]
                == "amt: is not decimal(2): \"12.345\"; decimal(2, round) in the source rounds it, half to even")
        #expect(malformed[4] == "the row has 24 cells, the header 23")
        #expect(malformed[8]?.contains("yyyy-MM-dd HH:mm:ss") == true)
        #expect(malformed[9] == "is_fraud: is neither 0 nor 1")
        #expect(malformed[11] == "merchant: contains a NUL character")
    }

    @Test func `a spreadsheet's times and card numbers are refused by name`() throws {
        let rows = ["2.86", "29.84", "41.28"].enumerated().map {
            Reference.line($0.offset, time: "21/06/2020 12:14", card: "2.29116E+15", amount: $0.element)
        }
        for case .malformed(_, let error) in try Reference.outcomes(Reference.file(rows)) {
            #expect(error.description.contains("yyyy-MM-dd HH:mm:ss"))
        }
        let outcomes = try Reference.outcomes(
            Reference.file(rows), schema: Reference.schema(timeFormat: "dd/MM/yyyy HH:mm"))
        #expect(outcomes.count == 3)
        for case let outcome in outcomes {
            guard case .malformed(_, let error) = outcome else {
                Issue.record("a card number in scientific notation was taken")
                continue
            }
            #expect(error.issues.first?.field == "cc_num")
            #expect(error.description.contains("scientific notation"))
        }
    }

    @Test func `a file without a header is told`() throws {
        let error = #expect(throws: CSVError.self) {
            try Reference.outcomes(Reference.line(0) + "\n" + Reference.line(1) + "\n")
        }
        #expect(
            error?.description.hasPrefix("test.csv: has no header: its first line begins 0, 2019-01-01 00:00:00")
                == true)
    }

    @Test func `skipped records are counted and not decoded`() throws {
        let csv = try Reference.csv(
            Reference.file([Reference.line(0, amount: "bad"), Reference.line(1), Reference.line(2)]))
        var row = SourceRow(Reference.schema())
        #expect(try csv.skip(2) == 2)
        #expect(try csv.next(into: &row) == .row(line: 4, label: 0))
        #expect(try csv.skip(5) == 0)
        #expect(csv.recordCount == 3)
    }

    @Test func `times do not depend on the machine's zone`() async throws {
        // In a process of its own, because the zone is the whole process's.
        await #expect(processExitsWith: .success) {
            let times = [
                "2019-03-10 01:30:00", "2019-03-10 02:30:00", "2019-03-10 03:30:00", "2019-11-03 00:30:00",
                "2019-11-03 01:30:00",
                "2019-11-03 02:30:00",
            ]
            for zone in ["UTC", "America/New_York", "Asia/Kolkata"] {
                setenv("TZ", zone, 1)
                tzset()
                let schema = Reference.schema()
                let csv = try Reference.csv(
                    Reference.file(times.enumerated().map { Reference.line($0.offset, time: $0.element) }))
                var row = SourceRow(schema)
                var millis: [Int64] = []
                while case .row = try csv.next(into: &row) { millis.append(row.eventTimeMillis) }
                try #require(millis.first == 1_552_181_400_000)
                try #require(zip(millis, millis.dropFirst()).filter { $1 - $0 == 3_600_000 }.count == 4)
            }
        }
    }

    @Test func `the declared unit of a unix time decides and nothing traps`() throws {
        let values = ["1546300800", "1546300800000", "9223372036854775807", "-1", "1e9", ""]
        let rows = values.enumerated().map { index, value in
            "\(index),2019-01-01 00:00:00,1,m,c,1.00,A,B,F,s,ci,IL,02134,1.5,-2.5,10,job,1980-02-29,id\(index),\(value),1,2,1"
        }
        let schema = Reference.schema(timeFormat: "unix_seconds", eventTime: "unix_time")
        let outcomes = try Reference.outcomes(Reference.file(rows), schema: schema)
        #expect(
            outcomes.map { if case .row = $0 { true } else { false } } == [true, false, false, false, false, false])
        guard case .malformed(3, let error) = outcomes[1] else {
            Issue.record("\(outcomes[1])")
            return
        }
        #expect(error.description.contains("unix_time: is in the year 50970: are these milliseconds?"))
        let millis = Reference.schema(timeFormat: "unix_millis", eventTime: "unix_time")
        #expect(
            try Reference.outcomes(Reference.file(rows), schema: millis).map {
                if case .row = $0 { true } else { false }
            }
                == [true, true, false, false, false, false])
    }
}
