import Testing
import Text

@Suite struct TextTests {
    @Test func `dates agree with counting days one by one, and come back`() {
        var (year, month, day) = (1600, 1, 1)
        for count in -135_140..<100_000 {
            let date = CivilDate(daysSince1970: count)
            guard (date.year, date.month, date.day) == (year, month, day), date.daysSince1970 == count else {
                Issue.record("day \(count) is \(date), not \(year)-\(month)-\(day)")
                return
            }
            let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
            day += 1
            if day > [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1] {
                (month, day) = (month + 1, 1)
            }
            if month > 12 { (year, month) = (year + 1, 1) }
        }
    }

    @Test func `a date is written with its zeros`() {
        #expect(CivilDate(daysSince1970: 0).text == "1970-01-01")
        #expect(CivilDate(daysSince1970: -719_162).text == "0001-01-01")
        // The first and last days that milliseconds in 64 bits can name.
        for edge in [Int(Int64.min / 86_400_000) - 1, Int(Int64.max / 86_400_000)] {
            #expect(CivilDate(daysSince1970: edge).daysSince1970 == edge)
        }
    }

    @Test(arguments: [(-1, 60, -1), (-60, 60, -1), (-61, 60, -2), (0, 60, 0), (59, 60, 0), (60, 60, 1)])
    func `rounds quotients down on both sides of nought`(value: Int, divisor: Int, quotient: Int) {
        #expect(floorDivide(value, divisor) == quotient)
        #expect(floorDivide(Int64(value), 60) == Int64(quotient))
    }

    @Test func `pads numbers and words`() {
        #expect(Padding.zeros(7, 3) == "007" && Padding.zeros(1234, 3) == "1234")
        #expect(Padding.hexadecimal(UInt64(255), 4) == "00ff")
        #expect(Padding.hexadecimal(UInt64.max, 16) == "ffffffffffffffff")
        #expect(Padding.left("é", 3) == "é  " && Padding.left("long", 3, least: 1) == "long ")
        #expect(Padding.right("7", 3) == "  7" && Padding.right("long", 3) == "long")
        #expect(Padding.grouped(1_234_567) == "1,234,567" && Padding.grouped(-100) == "-100")
        #expect(Padding.grouped(Int64.min) == "-9,223,372,036,854,775,808")
    }

    @Test func `a slip is near, another word is not`() {
        #expect(Suggestion.distance("abcd", "abdc") == 1)
        #expect(Suggestion.distance("", "abc") == 3 && Suggestion.distance("abc", "abc") == 0)
        #expect(Suggestion.distance("kitten", "sitting") == 3)
        #expect(Suggestion.nearest(to: "ammount", among: ["amount", "merchant"]) == "amount")
        #expect(Suggestion.nearest(to: "zzzz", among: ["amount", "merchant"]) == nil)
    }

    @Test func `an abbreviation is found from either side, when it can be one word's only`() {
        #expect(Suggestion.abbreviation(of: "amt", among: ["card", "amount"]) == "amount")
        #expect(Suggestion.abbreviation(of: "amount", among: ["card", "amt"]) == "amt")
        #expect(Suggestion.abbreviation(of: "amt", among: ["amount", "amortisation"]) == nil)
        for (name, other) in [("at", "amount"), ("mt", "amt"), ("amt", "tamount"), ("amt", "price"), ("atm", "amount")]
        {
            #expect(Suggestion.abbreviation(of: name, among: [other]) == nil, "\(name) \(other)")
        }
        let long = String(repeating: "a", count: 100_000)
        #expect(
            Suggestion.abbreviation(of: "aaa", among: [long]) == nil
                && Suggestion.nearest(to: long, among: ["aaa"]) == nil)
    }

    @Test func `words are wrapped at a width, below the first line's beginning`() {
        #expect(
            Wrapping.wrapped("one two three four five six", width: 24, indent: 4) == "one two three four\n    five six")
        #expect(Wrapping.wrapped("", width: 40, indent: 2) == "")
        #expect(Wrapping.wrapped("a\nb  c", width: 40, indent: 2) == "a\n  b c")
        let long = String(repeating: "x", count: 50)
        #expect(Wrapping.wrapped("a \(long) b", width: 30, indent: 0) == "a\n\(long)\nb")
        // Narrower than anything: twenty characters a line all the same.
        #expect(Wrapping.wrapped("aaaaaaaaa bbbbbbbbb ccc", width: 1, indent: 9).split(separator: "\n").count == 2)
    }
}
