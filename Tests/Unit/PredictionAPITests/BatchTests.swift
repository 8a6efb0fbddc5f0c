import HTTPServer
import JSON
import Observability
import RedisClient
import Testing

@testable import PredictionAPI

@Suite struct BatchTests {
    private static let path = "/api/v1/predict/batch"

    private static func row(_ id: String, card: String = "c1", amt: String = "12.30") -> String {
        #"{"id":"\#(id)","at":"2024-03-01 12:00:00","card":"\#(card)","merchant":"Kiosk","amt":\#(amt)}"#
    }

    /// An answer without what is different each time.
    private static func withoutID(_ answer: JSONTree) -> JSONTree {
        .object((answer.object ?? []).filter { $0.key != "prediction_id" })
    }

    private static func batch(_ rows: [String]) -> String { "[" + rows.joined(separator: ",") + "]" }

    @Test func `answers come in the order of the rows, repeated ids included`() throws {
        let fixture = try Fixture()
        for partition in 0..<4 { fixture.setWatermark(partition: partition, next: 10) }
        let rows = (0..<200).map { Self.row($0 % 5 == 0 ? "same" : "p\($0)", card: "c\($0)", amt: "\($0)") }
        for body in [Self.batch(rows), #"{"note":1,"transactions":\#(Self.batch(rows))}"#] {
            let answer = fixture.ask(body, Self.path)
            #expect(answer.status == 200)
            #expect(answer.json["count"]?.int == 200)
            let predictions = answer.json["predictions"]?.array ?? []
            #expect(predictions.count == 200)
            for (index, prediction) in predictions.enumerated() {
                #expect(prediction["transaction_id"]?.string == (index % 5 == 0 ? "same" : "p\(index)"))
                #expect(prediction["is_fraud"]?.bool == (index >= 100))
                #expect(prediction["explanation"] == nil)
                #expect(prediction["degraded"]?.bool == false)
            }
        }
        // A read of 64 rows has 64 cards and the watermarks and heartbeats of the 4 partitions.
        #expect(fixture.store.reads.map(\.count).prefix(3) == [72, 72, 72])
        #expect(fixture.store.reads.count == 8)
        #expect(fixture.records.records.count == 400)
    }

    @Test func `a batch answers each row as the row alone`() throws {
        let fixture = try Fixture()
        try fixture.store(events: [("2024-03-01 11:30:00", "20.00", "Bakery")], partition: 3)
        let alone = fixture.ask(Fixture.payment).json
        let together = fixture.ask("[\(Fixture.payment)]", Self.path, query: ["explain": "true"]).json
        #expect(together["predictions"]?.array?.map(Self.withoutID) == [Self.withoutID(alone)])
        #expect(together["predictions"]?[0]?["prediction_id"] != alone["prediction_id"])
    }

    @Test func `a bad row is named by its index, and nothing is scored or logged`() throws {
        let fixture = try Fixture()
        let rows = [
            Self.row("a"), Self.row("b"), #"{"id":"c","at":"2024-03-01 12:00:00","card":"c1","merchant":"m"}"#,
            Self.row("b"), "7",
        ]
        let answer = fixture.ask(Self.batch(rows), Self.path)
        #expect(answer.status == 422)
        #expect(answer.problems == ["body.2.amt missing", "body.4 type_error"])
        #expect(fixture.records.records.isEmpty)
        #expect(fixture.store.reads.isEmpty)
    }

    @Test func `an empty batch is answered with no predictions`() throws {
        let fixture = try Fixture()
        #expect(fixture.ask("[]", Self.path).json == ["predictions": [], "count": 0])
    }

    @Test func `ten thousand rows are answered and one more is refused at once`() throws {
        let fixture = try Fixture()
        let rows = Array(repeating: Self.row("p"), count: 10_000)
        let answer = fixture.ask(Self.batch(rows), Self.path)
        #expect(answer.status == 200)
        #expect(answer.json["predictions"]?.array?.count == 10_000)
        let refused = fixture.ask(Self.batch(rows + ["{}"]), Self.path)
        #expect(refused.status == 422)
        #expect(refused.problems == ["body too_long"])
        #expect(fixture.records.records.count == 10_000)
    }

    @Test(arguments: [
        ("", "body json_invalid"), ("12", "body type_error"), ("{}", "body.transactions missing"),
        (#"{"transactions":{}}"#, "body.transactions type_error"),
        (#"{"transactions":[],"transactions":[]}"#, "body.transactions duplicate_field"),
        ("[NaN]", "body json_invalid"),
    ])
    func `a body that is no batch is refused`(body: String, problem: String) throws {
        let fixture = try Fixture()
        let answer = fixture.ask(body, Self.path)
        #expect(answer.status == 422)
        #expect(answer.problems == [problem])
    }

    @Test func `many bad rows are listed up to a limit`() throws {
        let fixture = try Fixture()
        let answer = fixture.ask(Self.batch(Array(repeating: "{}", count: 1_000)), Self.path)
        #expect(answer.status == 422)
        #expect(answer.problems.count == Refusal.problemsMax)
    }

    @Test func `a store that fails once costs one deadline, not one for every part`() throws {
        let fixture = try Fixture()
        fixture.store.failure = .deadline
        let answer = fixture.ask(Self.batch((0..<500).map { Self.row("p\($0)") }), Self.path)
        #expect(answer.status == 200)
        #expect(answer.json["predictions"]?.array?.allSatisfy { $0["degraded"]?.bool == true } == true)
        #expect(fixture.store.reads.count == 1)
    }

    @Test func `a card that many rows name is read and decoded once, and each row is as alone`() throws {
        let fixture = try Fixture()
        try fixture.store(events: [("2024-03-01 11:30:00", "20.00", "Bakery")], partition: 3)
        let rows = (0..<64).map { number in
            Fixture.payment.replacing("12:00:00", with: number % 2 == 0 ? "12:00:00" : "12:00:40")
        }
        let alone = rows.prefix(2).map { Self.withoutID(fixture.ask($0).json) }
        let together = fixture.ask(Self.batch(rows), Self.path, query: ["explain": "true"]).json
        #expect(together["predictions"]?.array?.count == 64)
        for (number, prediction) in (together["predictions"]?.array ?? []).enumerated() {
            #expect(Self.withoutID(prediction) == alone[number % 2])
        }
        #expect(fixture.store.reads.last?.count == 3)
    }

    @Test func `a slow batch goes on in smaller parts with a turn for others between them`() throws {
        let fixture = try Fixture()
        for partition in 0..<4 { fixture.setWatermark(partition: partition, next: 10) }
        fixture.time.stepMicros = RowScoring.sliceMicros / 4
        let answer = fixture.ask(Self.batch((0..<100).map { Self.row("p\($0)", card: "c\($0)") }), Self.path)
        #expect(answer.status == 200)
        #expect(
            (answer.json["predictions"]?.array ?? []).map { $0["transaction_id"]?.string } == (0..<100).map { "p\($0)" }
        )
        #expect(fixture.store.reads.count > 10)
        #expect(fixture.records.records.count == 100)
    }

    @Test func `a batch of millions of values is refused when the first too many is met`() throws {
        let fixture = try Fixture()
        let body = "[" + String(repeating: "1,", count: 2_000_000) + "1]"
        let answer = fixture.ask(body, Self.path)
        #expect(answer.status == 422)
        #expect(answer.problems == ["body too_long"])
        #expect(fixture.ask(Self.batch([Self.row("a")]), Self.path).status == 200)
    }

    @Test func `a row that is too long for a request alone is too long for a batch`() throws {
        let fixture = try Fixture()
        let long = String(repeating: "m", count: BatchPrediction.rowBytesMax)
        let row = #"{"id":"a","at":"2024-03-01 12:00:00","card":"c1","merchant":"\#(long)","amt":1}"#
        #expect(fixture.ask(Self.batch([Self.row("b"), row]), Self.path).problems == ["body.1 too_large"])
        #expect(fixture.records.records.isEmpty)
    }

    @Test func `known and new cards of a batch are told apart, in the order of the rows`() throws {
        let fixture = try Fixture()
        let cards = (0..<200).map { "c\($0)" }
        // Every third card is known and has no blob: it was lost.
        for partition in 0..<4 {
            let known = cards.indices.filter { $0 % 3 == 0 }.map { cards[$0] }
            fixture.setWatermark(partition: partition, next: 10, known: known)
        }
        let answer = fixture.ask(Self.batch(cards.map { Self.row("p-" + $0, card: $0) }), Self.path)
        let predictions = answer.json["predictions"]?.array ?? []
        #expect(predictions.map { $0["transaction_id"]?.string } == cards.map { "p-" + $0 })
        for (index, prediction) in predictions.enumerated() where index % 3 == 0 {
            #expect(prediction["degraded"]?.bool == true)
        }
        // The filter may take a new card for a known one, but rarely.
        #expect(predictions.filter { $0["degraded"]?.bool == true }.count < 80)
        #expect(fixture.store.lookUps.count == 200)
    }
}
