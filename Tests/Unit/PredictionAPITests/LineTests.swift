import HTTPServer
import JSON
import Observability
import RedisClient
import Testing
import TestSupport

@testable import PredictionAPI

@Suite struct LineTests {
    private static let path = "/api/v1/predict/batch"
    private static let type = ["content-type": "application/x-ndjson"]

    private static func row(_ id: String, card: String = "c1", amt: String = "12.30") -> String {
        #"{"id":"\#(id)","at":"2024-03-01 12:00:00","card":"\#(card)","merchant":"Kiosk","amt":\#(amt)}"#
    }

    private static func lines(_ answer: Fixture.Answer) throws -> [JSONTree] {
        let body = answer.response?.body ?? []
        #expect(body.isEmpty || body.last == 0x0A)
        return try body.split(separator: 0x0A).map { try JSONTree.parse(Array($0)) }
    }

    private static func withoutID(_ answer: JSONTree?) -> JSONTree {
        .object((answer?.object ?? []).filter { $0.key != "prediction_id" })
    }

    @Test(arguments: ["\n", "\r\n", "\n\n \t\n", " \n"], [true, false])
    func `every line is answered in its order as the row alone, the good beside the bad`(end: String, closes: Bool)
        throws
    {
        let fixture = try Fixture()
        for partition in 0..<4 { fixture.setWatermark(partition: partition, next: 10) }
        let rows = (0..<200).map { number in
            switch number % 7 {
            case 3: "{\"id\":\"p\(number)\""
            case 5: Self.row("p\(number)", amt: "-1e9")
            default: Self.row("p\(number)", card: "c\(number)", amt: "\(number)")
            }
        }
        let answer = fixture.ask(
            rows.joined(separator: end) + (closes ? end : ""), Self.path, query: ["top": "1"], headers: Self.type)
        #expect(answer.status == 200)
        #expect(answer.response?.contentType == "application/x-ndjson")
        let lines = try Self.lines(answer)
        #expect(lines.count == 200)
        for (number, line) in lines.enumerated() {
            if [3, 5].contains(number % 7) {
                #expect(line["row"]?.int == number)
                #expect(line["detail"]?[0]?["type"]?.string == (number % 7 == 3 ? "json_invalid" : "value_error"))
                #expect(line["detail"]?[0]?["loc"]?[0]?.string == "body")
            } else {
                #expect(line["transaction_id"]?.string == "p\(number)")
                #expect(line["is_fraud"]?.bool == (number >= 100))
                #expect(line["explanation"]?.array?.count == 1)
            }
        }
        let alone = fixture.ask(rows[6], query: ["top": "1"]).json
        #expect(Self.withoutID(lines[6]) == Self.withoutID(alone))
        let good = lines.count { $0["row"] == nil }
        #expect(fixture.records.records.count == good + 1)
        let logged = fixture.records.records.prefix(good).map { $0.value["prediction_id"] }
        #expect(logged == lines.compactMap { $0["prediction_id"] })
        let metrics = fixture.registry.renderPrometheus()
        #expect(metrics.contains("needletail_serve_invalid_total \(200 - good)\n"))
    }

    @Test func `no lines are no answers, and other bodies are what they were`() throws {
        let fixture = try Fixture()
        for body in ["", "\n", " \r\n\n"] {
            let answer = fixture.ask(body, Self.path, headers: Self.type)
            #expect(answer.status == 200 && answer.response?.body == [])
        }
        let list = fixture.ask("[\(Self.row("a"))]", Self.path, headers: Self.type)
        #expect(try Self.lines(list).first?["detail"]?[0]?["type"] == "type_error")
        #expect(fixture.ask(Self.row("a"), headers: Self.type).status == 415)
        let withCharset = ["content-type": "Application/X-NDJSON; charset=utf-8"]
        #expect(try Self.lines(fixture.ask(Self.row("a"), Self.path, headers: withCharset)).count == 1)
        // What the gate takes for lines is read as lines.
        for type in ["application/x-ndjson\t; charset=utf-8", "\tapplication/x-ndjson", "\"application/x-ndjson\""] {
            let answer = fixture.ask("\(Self.row("a"))\n\(Self.row("b"))", Self.path, headers: ["content-type": type])
            #expect(answer.status == 200, "\(type)")
            #expect(answer.response?.contentType == "application/x-ndjson")
            #expect(try Self.lines(answer).map { $0["transaction_id"]?.string } == ["a", "b"], "\(type)")
        }
        #expect(
            fixture.ask(Self.row("a"), Self.path, headers: ["content-type": "application/x-ndjson; charset=latin1"])
                .status
                == 415)
    }

    @Test func `lines are scored degraded without the store, and a slow clock skips none`() throws {
        let fixture = try Fixture()
        fixture.store.failure = .notConnected
        fixture.time.stepMicros = RowScoring.sliceMicros * 2
        let body = (0..<100).map { Self.row("p\($0)") }.joined(separator: "\n")
        let lines = try Self.lines(fixture.ask(body, Self.path, headers: Self.type))
        #expect(lines.map { $0["transaction_id"]?.string } == (0..<100).map { "p\($0)" })
        #expect(lines.allSatisfy { $0["degraded"] == true })
        // In these seconds a store that is away is asked at ever longer pauses.
        let waited = fixture.time.micros - 1_000_000
        #expect(fixture.store.reads.count <= 6 + Int(waited / RowScoring.pauseMicros.most))
    }

    @Test func `one missed deadline costs a stream the rows of a moment, and not those that are left`() throws {
        let fixture = try Fixture()
        for partition in 0..<4 { fixture.setWatermark(partition: partition, next: 10) }
        (fixture.store.failure, fixture.store.failures) = (.deadline, 1)
        fixture.time.stepMicros = 100
        let body = (0..<2_000).map { Self.row("p\($0)", card: "c\($0)") }.joined(separator: "\n")
        let lines = try Self.lines(fixture.ask(body, Self.path, headers: Self.type))
        #expect(lines.map { $0["transaction_id"]?.string } == (0..<2_000).map { "p\($0)" })
        let degraded = lines.map { $0["degraded"] == true }
        // What was read together, and what was scored within the first pause.
        let most = RowScoring.rowsPerRead + Int(RowScoring.pauseMicros.first / fixture.time.stepMicros)
        #expect(degraded.prefix(16).allSatisfy { $0 })
        #expect(degraded.count { $0 } <= most)
        #expect(!degraded.suffix(1_000).contains(true))
    }

    @Test func `a stream that began before the partitions were known goes on with them`() throws {
        var ready: [() -> Void] = []
        let store = MemoryReader()
        let app = PredictionApp(reader: store, log: nil, metrics: MetricsRegistry(), clocks: TestTime().clocks) {
            ready.append($0)
        }
        app.use(try ServedModel(Fixture.model(), Fixture.repository))
        let body = (0..<200).map { Self.row("p\($0)", card: "c\($0)") }.joined(separator: "\n")
        let request = Request(.post, Self.path, headers: Self.type, body: Array(body.utf8))
        _ = app.respond(to: request)
        var turns = 0
        while !ready.isEmpty {
            ready.removeFirst()()
            turns += 1
            if turns == 2 { app.use(partitionCount: 4, of: "payments") }
        }
        #expect(request.response?.body.split(separator: 0x0A).count == 200)
        #expect(!store.reads.isEmpty)
    }

    @Test func `megabytes of empty lines, and a line of megabytes, keep the loop for a slice only`() throws {
        var ready: [() -> Void] = []
        let time = TestTime()
        time.stepMicros = RowScoring.sliceMicros  // a slice is a few steps
        let app = PredictionApp(reader: MemoryReader(), log: nil, metrics: MetricsRegistry(), clocks: time.clocks) {
            ready.append($0)
        }
        app.use(partitionCount: 4, of: "payments")
        app.use(try ServedModel(Fixture.model(), Fixture.repository))
        let count = 4 << 20
        for (body, lines, turnsMin) in [
            (Array(repeating: 0x0A, count: count), 0, 20), (Array(repeating: 0x78, count: count), 1, 1),
            (Array(repeating: 0x20, count: count) + Array(Self.row("p").utf8), 1, 20),
        ] as [([UInt8], Int, Int)] {
            let request = Request(.post, Self.path, headers: Self.type, body: body)
            _ = app.respond(to: request)
            var turns = 0
            while !ready.isEmpty, turns < 10_000 {
                ready.removeFirst()()
                turns += 1
            }
            #expect(turns >= turnsMin)
            #expect(request.response?.body.split(separator: 0x0A).count == lines)
        }
    }

    @Test func `random lines never cause a server error, and each is answered`() throws {
        let fixture = try Fixture()
        for partition in 0..<4 { fixture.setWatermark(partition: partition, next: 10) }
        var generator = SplitMix64(11)
        for _ in 0..<300 {
            var bytes = Array((0..<5).map { Self.row("p\($0)") }.joined(separator: "\n").utf8)
            for _ in 0..<Int.random(in: 1...6, using: &generator) {
                let place = Int.random(in: 0..<bytes.count, using: &generator)
                bytes[place] = UInt8.random(in: 0...255, using: &generator)
            }
            let answer = fixture.ask(bytes: bytes, Self.path, headers: Self.type)
            #expect(answer.status == 200)
            let blank: Set<UInt8> = [0x20, 0x09, 0x0D]
            let count = bytes.split(separator: 0x0A).count { !$0.allSatisfy { blank.contains($0) } }
            #expect(try Self.lines(answer).count == count, "seed 11: \(bytes)")
        }
    }
}
