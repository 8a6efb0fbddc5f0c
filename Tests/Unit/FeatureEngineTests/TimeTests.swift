import FeatureEngine
import Foundation
import TestSupport
import Testing

@Suite struct TimeTests {
    static func millis(_ format: String, _ text: String) -> Int64? {
        EventTimeFormat(format)?.millis(Array(text.utf8).span)
    }

    @Test func `civil dates agree with counting days one by one`() {
        var (year, month, day) = (1970, 1, 1)
        for count in 0..<200_000 {
            let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
            let lengths = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
            let time = CivilTime(millis: Int64(count) * 86_400_000 + 3_723_004)
            guard (time.year, time.month, time.day) == (year, month, day), time.hour == 1, time.minute == 2,
                time.second == 3, time.milli == 4, CivilTime.days(year: year, month: month, day: day) == count,
                time.millis == Int64(count) * 86_400_000 + 3_723_004
            else {
                Issue.record("day \(count): \(time), not \(year)-\(month)-\(day)")
                return
            }
            day += 1
            if day > lengths[month - 1] { (month, day) = (month + 1, 1) }
            if month > 12 { (year, month) = (year + 1, 1) }
        }
    }

    @Test func `any number is a civil time, and printing it does not trap`() {
        for millis in [Int64.min, .min + 1, -86_400_001, -1, 0, .max - 1, .max] {
            let time = CivilTime(millis: millis)
            #expect((1...12).contains(time.month) && (1...31).contains(time.day) && (0..<24).contains(time.hour))
            #expect(
                (0..<60).contains(time.minute) && (0..<60).contains(time.second) && (0..<1_000).contains(time.milli))
            #expect(CivilTime.iso8601(millis).contains("T"))
        }
        #expect(CivilTime.iso8601(-1) == "1969-12-31T23:59:59.999Z")
    }

    @Test(arguments: [UInt64(1), 2])
    func `a time reads back from its text`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for name in ["unix_seconds", "unix_millis", "iso8601", "yyyy-MM-dd HH:mm:ss", "dd/MM/yyyy HH:mm:ss.SSS"] {
            guard let format = EventTimeFormat(name) else {
                Issue.record("\(name) is refused")
                continue
            }
            for _ in 0..<500 {
                var millis = Int64.random(in: 0..<253_402_300_800_000, using: &random)
                if name == "unix_seconds" || name.hasSuffix(":ss") { millis -= millis % 1_000 }
                #expect(Self.millis(name, format.text(millis)) == millis, "seed \(seed), \(name)")
            }
        }
    }

    @Test func `the machine's zone is never asked`() {
        // These hours do not exist, or exist twice, in New York.
        let spring = ["2019-03-10 01:30:00", "2019-03-10 02:30:00", "2019-03-10 03:30:00"]
        let autumn = ["2019-11-03 00:30:00", "2019-11-03 01:30:00", "2019-11-03 02:30:00"]
        for times in [spring, autumn] {
            let millis = times.compactMap { Self.millis("yyyy-MM-dd HH:mm:ss", $0) }
            #expect(millis.count == 3)
            #expect(millis[1] - millis[0] == 3_600_000)
            #expect(millis[2] - millis[1] == 3_600_000)
        }
        #expect(Self.millis("yyyy-MM-dd HH:mm:ss", "2019-03-10 02:30:00") == 1_552_185_000_000)
    }

    @Test func `the declared unit decides, and nothing overflows`() {
        #expect(Self.millis("unix_seconds", "1546300800") == 1_546_300_800_000)
        #expect(Self.millis("unix_millis", "1546300800000") == 1_546_300_800_000)
        // The other unit is a time too: far in the future, or in January 1970.
        #expect(Self.millis("unix_seconds", "1546300800000") == 1_546_300_800_000_000)
        #expect(Self.millis("unix_millis", "1546300800") == 1_546_300_800)
        for text in ["9223372036854775807", "-1", "1e9", "", "1.5", " 1", "1 ", "+1", "0x10"] {
            #expect(Self.millis("unix_seconds", text) == nil, "\(text)")
        }
        #expect(Self.millis("unix_millis", "9223372036854775807") == nil)
    }

    @Test(arguments: [
        ("2019-01-01T00:00:18Z", 1_546_300_818_000 as Int64?), ("2019-01-01 00:00:18", 1_546_300_818_000),
        ("2019-01-01T00:00:18.5", 1_546_300_818_500), ("2019-01-01T00:00:18.123000Z", 1_546_300_818_123),
        ("2019-01-01T02:00:18+02:00", 1_546_300_818_000), ("2018-12-31T19:00:18-0500", 1_546_300_818_000),
        ("2019-01-01", 1_546_300_800_000), ("2019-01-01T00:00", 1_546_300_800_000), ("2019-01-01T00:00:18.1234", nil),
        ("2019-02-29", nil), ("2019-01-01T24:00:00", nil), ("2019-01-01T00:60", nil), ("2019-1-1", nil),
        ("2019-01-01T00:00:18.Z", nil), ("2019-01-01T00:00:18ZZ", nil), ("1969-12-31", nil), ("2019-01-01T", nil),
        ("1970-01-01T00:00:00+01:00", nil), ("", nil), ("2019-01-01T00:00:18+2", nil),
    ])
    func `ISO 8601 is read strictly`(text: String, millis: Int64?) {
        #expect(Self.millis("iso8601", text) == millis)
    }

    @Test(arguments: [
        "2019-01-01", "2019-01-01 00:00:0", "2019-01-01 00:00:00 ", "2019/01/01 00:00:00", "01/01/2019 00:00",
    ])
    func `a pattern takes nothing else`(text: String) {
        #expect(Self.millis("yyyy-MM-dd HH:mm:ss", text) == nil)
    }

    @Test(arguments: ["yyyy-MM", "yyyy-MM-dd hh:mm", "yyyy-yyyy-MM-dd", "yyyy-MM-dd 'at' HH", "", "seconds"])
    func `a pattern that cannot say a day is refused`(pattern: String) {
        #expect(EventTimeFormat(pattern) == nil)
    }
}
