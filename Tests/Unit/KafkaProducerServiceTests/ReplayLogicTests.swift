import FeatureEngine
import Foundation
import KafkaProducerService
import Testing

@Suite struct ReplayPacerTests {
    private let second: UInt64 = 1_000_000_000
    private let past: Int64 = 1_546_300_800_000
    private let present: Int64 = 1_800_000_000_000

    @Test func `without a speed past events are due at once`() {
        var pacer = ReplayPacer(.unlimited)
        for index in 0..<5 {
            let wait = pacer.waitNanos(
                eventMillis: past + Int64(index) * 86_400_000, nowNanos: second, nowMillis: present)
            #expect(wait == 0)
            pacer.noteSent()
        }
        #expect(!pacer.isCaughtUp)
    }

    @Test func `a rate spaces events evenly and tells how late they are`() {
        var pacer = ReplayPacer(.rate(100))
        #expect(pacer.waitNanos(eventMillis: past, nowNanos: second, nowMillis: present) == 0)
        pacer.noteSent()
        #expect(pacer.waitNanos(eventMillis: past, nowNanos: second, nowMillis: present) == 10_000_000)
        #expect(pacer.waitNanos(eventMillis: past, nowNanos: second + 4_000_000, nowMillis: present) == 6_000_000)
        pacer.noteSent()
        #expect(pacer.waitNanos(eventMillis: past, nowNanos: 2 * second, nowMillis: present) == -980_000_000)
    }

    @Test(arguments: [ReplaySpeed.unlimited, .rate(0.001), .eventTime(1e-300), .eventTime(1e300)])
    func `no speed and no time overflows`(speed: ReplaySpeed) {
        var pacer = ReplayPacer(speed)
        for event in [0, Int64.max, .min, 4_102_444_799_999, present] {
            for now in [present, .min, .max] {
                _ = pacer.waitNanos(eventMillis: event, nowNanos: second, nowMillis: now)
                pacer.noteSent()
            }
        }
    }

    @Test func `a speed divides the gaps of event time`() {
        var pacer = ReplayPacer(.eventTime(500))
        #expect(pacer.waitNanos(eventMillis: past, nowNanos: second, nowMillis: present) == 0)
        let later = past + 500_000
        #expect(pacer.waitNanos(eventMillis: later, nowNanos: second, nowMillis: present) == 1_000_000_000)
        // An event that steps back in time is due at once.
        #expect(pacer.waitNanos(eventMillis: past - 86_400_000, nowNanos: second, nowMillis: present) < 0)
    }

    @Test(arguments: [ReplaySpeed.unlimited, .rate(1_000), .eventTime(500)])
    func `no event is due before its time, at any speed`(speed: ReplaySpeed) {
        var pacer = ReplayPacer(speed)
        _ = pacer.waitNanos(eventMillis: present - 3_600_000, nowNanos: second, nowMillis: present)
        pacer.noteSent()
        #expect(!pacer.isCaughtUp)
        let wait = pacer.waitNanos(eventMillis: present + 60_000, nowNanos: 100 * second, nowMillis: present)
        #expect(wait == 60_000_000_000)
        #expect(pacer.isCaughtUp)
        // In real time from here on: due when the clock shows its time.
        #expect(
            pacer.waitNanos(eventMillis: present + 60_000, nowNanos: 160 * second, nowMillis: present + 60_000) <= 0)
    }
}

@Suite struct ReplaySpanTests {
    private let week = ReplaySpan.weekMillis

    @Test func `a pass is moved by whole weeks that cover the file`() {
        var span = ReplaySpan()
        for time in [5_000, 1_000, 1_000 + 10 * 86_400_000] as [Int64] { span.observe(time) }
        #expect(span.stepMillis == 2 * week)
        #expect(span.shiftMillis(pass: 0) == 0)
        #expect(span.shiftMillis(pass: 3) == 6 * week)
    }

    @Test func `a pass beyond all time stays at its end`() {
        var span = ReplaySpan()
        span.observe(0)
        span.observe(4_102_444_799_999)
        #expect(span.shiftMillis(pass: Int(Int32.max)) == .max)
    }

    @Test func `exact weeks stay, and a single moment still moves on`() {
        var span = ReplaySpan()
        span.observe(0)
        #expect(span.stepMillis == week)
        span.observe(2 * week)
        #expect(span.stepMillis == 2 * week)
        span.observe(2 * week + 1)
        #expect(span.stepMillis == 3 * week)
    }
}

@Suite struct LabelScheduleTests {
    private func label(_ available: Int64, _ line: Int) -> PendingLabel {
        PendingLabel(
            availableAtMillis: available, key: [1], value: Array("\(line)".utf8), eventToken: UInt64(line), line: line)
    }

    @Test(arguments: [UInt64(1), 2, 3])
    func `labels come out by time, then by event, and never early`(seed: UInt64) {
        var random = seed
        var schedule = LabelSchedule()
        var all: [PendingLabel] = []
        for line in 0..<500 {
            random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            all.append(label(Int64(random >> 58), line))
            schedule.add(all[line])
        }
        #expect(schedule.count == 500)
        let sorted = all.sorted { ($0.availableAtMillis, $0.line) < ($1.availableAtMillis, $1.line) }
        #expect(schedule.labels == sorted)
        var taken: [PendingLabel] = []
        for now in Int64(0)..<64 {
            while let due = schedule.firstDue(atMillis: now) {
                #expect(due.availableAtMillis == now)
                taken.append(due)
                schedule.removeFirst()
            }
        }
        #expect(taken == sorted)
        #expect(schedule.count == 0)
    }

    @Test func `a record names its event, both times and the class`() {
        let made = PendingLabel(
            eventID: Array("id \"1\"".utf8)[...], key: [7], label: 1, eventMillis: 1_000, delayMillis: 500,
            eventToken: 4, line: 9)
        #expect(made.availableAtMillis == 1_500)
        #expect(
            String(decoding: made.value, as: UTF8.self)
                == #"{"event_id":"id \"1\"","label":1,"event_timestamp":1000,"available_at":1500}"#)
    }
}

@Suite struct AcknowledgementTrackerTests {
    @Test(arguments: [UInt64(1), 2, 3])
    func `everything below the first unsettled record is settled, whatever the order`(seed: UInt64) {
        var random = seed
        var tracker = AcknowledgementTracker()
        var open: [UInt64] = []
        var settled: Set<UInt64> = []
        for step in 0..<20_000 {
            random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            if random >> 62 != 0 || open.isEmpty {
                open.append(tracker.add(line: step, isLabel: step % 2 == 0))
            } else {
                let token = open.remove(at: Int(random >> 33) % open.count)
                #expect(tracker.record(token) != nil)
                tracker.settle(token)
                settled.insert(token)
            }
        }
        #expect(tracker.firstUnsettled == open.min() ?? tracker.next)
        for token in open { tracker.settle(token) }
        #expect(tracker.firstUnsettled == tracker.next)
        #expect(tracker.record(1) == nil)
    }
}

@Suite struct ReplayStateTests {
    private var example: ReplayState {
        var state = ReplayState(pass: 2, nextRow: 700_001, input: "abc123")
        state.span = ReplaySpan(oldestMillis: 10, newestMillis: 20)
        state.newestReadMillis = 25
        state.labels = [
            PendingLabel(
                eventID: Array("é\"\\\u{1}".utf8)[...], key: Array("card, \"1\"".utf8), label: 0, eventMillis: 20,
                delayMillis: 30, eventToken: 0, line: 12)
        ]
        return state
    }

    @Test func `a state reads back as it was written`() throws {
        #expect(try ReplayState(json: example.json) == example)
        #expect(try ReplayState(json: ReplayState().json) == ReplayState())
    }

    @Test func `a file is replaced whole and read back`() throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("state-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        #expect(try ReplayState.load(path) == nil)
        try ReplayState().save(path)
        try example.save(path)
        #expect(try ReplayState.load(path) == example)
        #expect(!FileManager.default.fileExists(atPath: path + ".new"))
    }

    @Test(arguments: [
        ("\"pass\":2", "\"pass\":9223372036854775807"), ("\"pass\":2", "\"pass\":-1"),
        ("\"next_row\":700001", "\"next_row\":-5"), ("\"oldest\":10", "\"oldest\":-9223372036854775808"),
        ("\"newest\":20", "\"newest\":9223372036854775807"), ("\"newest_read\":25", "\"newest_read\":4102444800000"),
    ])
    func `numbers that no replay has are refused`(old: String, new: String) throws {
        let text = String(decoding: example.json, as: UTF8.self)
        #expect(text.contains(old))
        #expect(throws: ReplayState.Unreadable.self) {
            try ReplayState(json: Array(text.replacing(old, with: new).utf8))
        }
    }

    @Test func `every cut of a state is refused`() {
        let bytes = example.json
        for count in 0..<bytes.count {
            #expect(throws: ReplayState.Unreadable.self) { try ReplayState(json: Array(bytes[..<count])) }
        }
    }
}

@Suite struct BurstTests {
    @Test func `the first is told at once, the others by their number in a while`() {
        var burst = Burst()
        #expect(burst.due(total: 0, nowNanos: 5) == nil)
        #expect(burst.due(total: 1, nowNanos: 5) == 1)
        #expect(burst.due(total: 40, nowNanos: 6) == nil)
        #expect(burst.due(total: 41, nowNanos: 5 + Burst.pauseNanos) == 40)
        #expect(burst.due(total: 41, nowNanos: .max) == nil)
        #expect(burst.due(total: 42, nowNanos: 6 + Burst.pauseNanos) == nil)
        #expect(burst.due(total: 42, nowNanos: 6 + Burst.pauseNanos, isLast: true) == 1)
    }
}

@Suite struct ScoreAnswerTests {
    @Test func `an answer is complete with its last byte`() throws {
        let text = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\ncontent-length: 18\r\n\r\n{\"is_fraud\": true}"
        let bytes = Array(text.utf8)
        for count in 0..<bytes.count { #expect(HTTPAnswer(Array(bytes[..<count])) == nil) }
        let answer = try #require(HTTPAnswer(bytes))
        #expect(answer.status == 200 && answer.keepsConnection && answer.saysFraud)
    }

    @Test func `a server that closes is not asked again on that connection`() throws {
        let closing = Array("HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".utf8)
        let answer = try #require(HTTPAnswer(closing))
        #expect(answer.status == 503 && !answer.keepsConnection && !answer.saysFraud)
    }

    @Test func `an address without a path means the API's own`() throws {
        let plain = try #require(ScoreEndpoint("http://127.0.0.1:8000"))
        #expect(plain.port == 8000 && plain.target == "/api/v1/predict?explain=false")
        #expect(ScoreEndpoint("http://localhost/predict?a=1")?.target == "/predict?a=1")
        #expect(ScoreEndpoint("http://[::1]:81/")?.host == "::1")
        #expect(ScoreEndpoint("https://localhost") == nil)
        #expect(ScoreEndpoint("localhost:8000") == nil)
    }
}
