import Foundation
import Scheduler
import Testing

@Suite struct CronTimeTests {
    private func seconds(_ text: String) throws -> Int64 {
        let formatter = ISO8601DateFormatter()
        return Int64(try #require(formatter.date(from: text + ":00Z")).timeIntervalSince1970)
    }

    @Test(arguments: [
        ("* * * * *", "2026-01-31T23:59", "2026-02-01T00:00"),
        ("*/15 * * * *", "2026-01-01T00:00", "2026-01-01T00:15"),
        ("5-59/20 * * * *", "2026-01-01T00:26", "2026-01-01T00:45"),
        ("7/20 * * * *", "2026-01-01T00:28", "2026-01-01T00:47"),
        ("0 0 31 * *", "2026-01-31T00:00", "2026-03-31T00:00"),
        ("0 0 29 2 *", "2026-01-01T00:00", "2028-02-29T00:00"),
        ("0 0 29 feb *", "2096-03-01T00:00", "2104-02-29T00:00"),
        ("30 3 * * mon", "2026-11-25T00:00", "2026-11-30T03:30"),
        ("0 12 * * 7", "2026-11-25T00:00", "2026-11-29T12:00"),
        ("0 12 * * 0", "2026-11-25T00:00", "2026-11-29T12:00"),
        ("0 12 * * sat,SUN", "2026-11-28T12:00", "2026-11-29T12:00"),
        ("0 9-17/4,23 * * 1-5", "2026-11-27T18:00", "2026-11-27T23:00"),
        ("0 9-17/4,23 * * 1-5", "2026-11-27T23:00", "2026-11-30T09:00"),
        ("15 2 10 Mar *", "2019-03-10T02:14", "2019-03-10T02:15"),
        ("@hourly", "2026-12-31T23:30", "2027-01-01T00:00"),
        ("@weekly", "2026-11-25T00:00", "2026-11-29T00:00"),
        ("@yearly", "2026-01-01T00:00", "2027-01-01T00:00"),
    ])
    func `the next time is the first due minute after the given one`(fields: String, from: String, to: String) throws {
        #expect(try CronTime(fields).next(after: seconds(from)) == seconds(to), "\(fields) after \(from)")
    }

    @Test func `a word that is no time says what there is, and why there is no reboot`() {
        let reboot = #expect(throws: CronTime.Malformed.self) { try CronTime("@reboot") }
        #expect(reboot?.description.contains("@reboot does not exist here") == true)
        let never = #expect(throws: CronTime.Malformed.self) { try CronTime("@fortnightly") }
        #expect(never?.description.contains("@daily, @hourly") == true)
    }

    @Test func `with both day fields restricted either of them is enough`() throws {
        // 2026-11-13 is a Friday; every Friday and every 13th are due.
        let time = try CronTime("0 0 13 * 5")
        var found: [Int64] = []
        var from = try seconds("2026-11-30T00:00")
        for _ in 0..<4 {
            from = try #require(time.next(after: from))
            found.append(from)
        }
        #expect(
            try found == [
                seconds("2026-12-04T00:00"), seconds("2026-12-11T00:00"), seconds("2026-12-13T00:00"),
                seconds("2026-12-18T00:00"),
            ])
    }

    @Test func `a day field that begins with a star restricts as well as the other`() throws {
        // Every second day of the month that is a Monday too.
        #expect(try CronTime("0 0 */2 * 1").next(after: seconds("2026-11-01T00:00")) == seconds("2026-11-09T00:00"))
    }

    @Test func `a second within the minute does not make it due again`() throws {
        let time = try CronTime("0 * * * *")
        let hour = try seconds("2026-01-01T05:00")
        #expect(time.next(after: hour - 1) == hour)
        #expect(time.next(after: hour) == hour + 3600)
        #expect(time.next(after: hour + 59) == hour + 3600)
    }

    @Test func `a date that never comes has no next time`() throws {
        #expect(try CronTime("0 0 30 2 *").next(after: 0) == nil)
        #expect(try CronTime("0 0 31 4,6,9,11 *").next(after: 0) == nil)
    }

    @Test func `walking minute by minute finds the same times`() throws {
        let time = try CronTime("*/7 3,15 1-10 * *")
        var from = try seconds("2027-02-26T00:00")
        let end = from + 40 * 86_400
        var expected: [Int64] = []
        for minute in stride(from: from + 60, through: end, by: 60) {
            let day = (minute / 86_400 - 20_454 /* 2026-01-01 */) - 365
            let dayOfMonth = day < 31 ? day + 1 : day < 59 ? day - 30 : day < 90 ? day - 58 : day - 89
            let ofDay = minute % 86_400 / 60
            if (1...10).contains(dayOfMonth), [3, 15].contains(ofDay / 60), ofDay % 60 % 7 == 0 {
                expected.append(minute)
            }
        }
        var found: [Int64] = []
        while let next = time.next(after: from), next <= end {
            found.append(next)
            from = next
        }
        #expect(found == expected)
        #expect(found.count == 16 * 2 * 9)
    }

    @Test(arguments: [
        "60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 13 *", "* * * * 8", "*/0 * * * *", "5-1 * * * *",
        "a * * * *", ", * * * *", "1, * * * *", "* * * *", "* * * * * *", "@never", "-1 * * * *", "1--2 * * * *",
        "* * * feb-jan *", "+1 * * * *",
    ])
    func `a malformed time is refused`(fields: String) {
        #expect(throws: CronTime.Malformed.self) { try CronTime(fields) }
    }
}
