import FeatureEngine
import FeatureStore
import JSON
import Pipeline
import ServingSupport
import TestSupport
import Testing

/// What lies on the topics: these bytes are read by other versions and other programs, and must not change by accident.
@Suite struct RecordBytesTests {
    private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    // MARK: Labels

    @Test func `a label's bytes`() {
        let label = LabelRecord(
            eventID: "id \"1\"", isFraud: true, eventMillis: 1_709_294_400_000, availableMillis: 1_709_899_200_000)
        #expect(
            text(label.encoded())
                == #"{"event_id":"id \"1\"","label":1,"event_timestamp":1709294400000,"available_at":1709899200000}"#)
    }

    @Test(arguments: [true, false], ["e", "caf\u{e9}", "cafe\u{301}", "a\n\"\\", "日本"])
    func `a label comes back as it was`(isFraud: Bool, id: String) throws {
        let label = LabelRecord(
            eventID: ByteString(id), isFraud: isFraud, eventMillis: 5, availableMillis: 604_800_005)
        #expect(try LabelRecord(label.encoded().span) == label)
    }

    // MARK: Predictions

    private struct Answer {
        let writer: PredictionRecordWriter
        var row: SourceRow
        var vector: FeatureVector
        var positions: [ViewPosition?] = [
            ViewPosition(generation: 2, offset: 499, partition: 3, asOfMillis: 1_709_294_399_000)
        ]
        var outcome = PredictionOutcome(
            probability: 0.75, isFraud: true, isDegraded: false, createdMillis: 1_709_294_400_123, latencyMicros: 812)
        let id = Array("00ff-12".utf8)

        init() throws {
            let service = try #require(ServingFixture.service)
            writer = PredictionRecordWriter(service, modelVersion: "7", threshold: 0.5)
            row = SourceRow(service.source)
            for (name, text) in [
                ("id", "p\"1"), ("at", "2024-03-01 12:00:00"), ("card", ServingFixture.card), ("merchant", "Kiosk Ä"),
                ("amt", "12.30"),
            ] {
                let bytes = Array(text.utf8)
                try row.set(try #require(service.source.index(of: name)), text: bytes.span)
            }
            try row.finish()
            vector = service.makeVector()
            for index in 0..<vector.count { vector.numbers[index] = Double(index) + 0.5 }
            vector.texts[2] = "Bäcker"
            vector.numbers[3] = .nan
        }

        func bytes() -> [UInt8] {
            var bytes: [UInt8] = []
            writer.append(outcome, predictionID: id, of: row, vector, positions, to: &bytes)
            return bytes
        }
    }

    @Test func `a prediction's bytes`() throws {
        let hash = try #require(ServingFixture.service).definitionHash
        var answer = try Answer()
        #expect(
            text(answer.bytes())
                == #"{"prediction_id":"00ff-12","transaction_id":"p\"1","created_at":1709294400123,"#
                + #""event_timestamp":1709294400000,"service":"shop_v1","threshold":0.5,"model_version":"7","#
                + #""definition_hash":"\#(hash)","probability":0.75,"is_fraud":true,"degraded":false,"#
                + #""latency_micros":812,"request":{"id":"p\"1","at":"2024-03-01 12:00:00","#
                + #""card":"4992346398065154184","merchant":"Kiosk Ä","amt":12.30},"#
                + #""vector":[0.5,1.5,"Bäcker",null,4.5],"features_as_of":{"card_activity":{"generation":2,"#
                + #""topic":"payments","partition":3,"offset":499,"as_of":1709294399000}}}"#)
        answer.positions = [nil]
        (answer.outcome.isFraud, answer.outcome.isDegraded, answer.outcome.probability) = (false, true, 1)
        let degraded = text(answer.bytes())
        #expect(degraded.contains(#""probability":1,"is_fraud":false,"degraded":true,"latency_micros":812,"#))
        #expect(degraded.hasSuffix(#""features_as_of":{}}"#))
    }

    @Test func `a prediction comes back as it was`() throws {
        let answer = try Answer()
        let record = try PredictionRecord(key: Array(ServingFixture.card.utf8), value: answer.bytes().span)
        #expect(record.predictionID == "00ff-12" && record.transactionID == "p\"1")
        #expect(record.entity == ByteString(ServingFixture.card))
        #expect(record.createdMillis == 1_709_294_400_123 && record.eventMillis == 1_709_294_400_000)
        #expect(record.service == "shop_v1" && record.modelVersion == "7")
        #expect(record.definitionHash == ServingFixture.service?.definitionHash)
        #expect(record.probability == 0.75 && record.threshold == 0.5 && record.isFraud && !record.isDegraded)
        #expect(record.latencyMicros == 812)
        #expect(try JSONTree.parse(record.request)["amt"] == .number("12.30"))
        #expect(text(record.vector) == #"[0.5,1.5,"Bäcker",null,4.5]"#)
        #expect(
            text(record.featuresAsOf)
                == #"{"card_activity":{"generation":2,"topic":"payments","partition":3,"offset":499,"as_of":1709294399000}}"#
        )
    }

    @Test(.countsAllocations) func `writing a prediction asks for no memory once there is room`() throws {
        let answer = try Answer()
        var bytes: [UInt8] = []
        answer.writer.append(
            answer.outcome, predictionID: answer.id, of: answer.row, answer.vector, answer.positions, to: &bytes)
        let count = allocations {
            for _ in 0..<1_000 {
                bytes.removeAll(keepingCapacity: true)
                answer.writer.append(
                    answer.outcome, predictionID: answer.id, of: answer.row, answer.vector, answer.positions, to: &bytes
                )
            }
        }
        #expect(count == 0)
    }

    // MARK: Dead letters

    @Test func `a dead letter's headers, and back`() throws {
        let letter = DeadLetterRecord(
            position: LogPosition(topic: "payments", partition: 3, offset: 12), reason: "amt: is missing",
            key: [0, 0xC3, 0x28], value: nil, timestampMillis: 7)
        let headers = letter.headers
        #expect(
            headers.map { "\($0.name)=\($0.value)" } == [
                "reason=amt: is missing", "topic=payments", "partition=3", "offset=12",
            ])
        let read = try DeadLetterRecord(
            headers: headers.map { ($0.name, Array($0.value.utf8)) }, key: letter.key, value: letter.value,
            timestampMillis: 7)
        #expect(read == letter)
    }

    @Test(arguments: [
        (["topic": "t", "partition": "1", "offset": "2"], "reason: there is no such header"),
        (["reason": "r", "partition": "1", "offset": "2"], "topic: there is no such header"),
        (["reason": "r", "topic": "t", "partition": "-1", "offset": "2"], "partition: is not the number of one"),
        (
            ["reason": "r", "topic": "t", "partition": "99999999999", "offset": "2"],
            "partition: is not the number of one"
        ),
        (["reason": "r", "topic": "t", "partition": "1", "offset": "x"], "offset: is not a position"),
        (["reason": "r", "topic": "t", "partition": "1", "offset": "-5"], "offset: is not a position"),
    ])
    func `says what is wrong with a dead letter`(headers: [String: String], reason: String) {
        #expect(throws: RecordError(reason)) {
            try DeadLetterRecord(
                headers: headers.map { ($0.key, Array($0.value.utf8)) }, key: nil, value: nil, timestampMillis: 0)
        }
    }
}
