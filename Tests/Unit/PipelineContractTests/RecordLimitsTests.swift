import FeatureEngine
import Pipeline
import Testing

@Suite struct RecordLimitsTests {
    private func label(_ json: String) throws(RecordError) -> String {
        let label = try LabelRecord(Array(json.utf8).span)
        return "\(label.eventID) \(label.isFraud) \(label.eventMillis) \(label.availableMillis)"
    }

    @Test func `reads a label`() throws {
        #expect(
            try label(#"{"event_id": "e", "label": 1, "event_timestamp": 5, "available_at": 604800005, "more": null}"#)
                == "e true 5 604800005")
    }

    @Test(arguments: [
        (#"{"event_id": "", "label": 1, "event_timestamp": 5, "available_at": 6}"#, "event_id: is empty"),
        (
            #"{"event_id": "a\u0000", "label": 1, "event_timestamp": 5, "available_at": 6}"#,
            "event_id: contains a NUL character"
        ),
        (#"{"event_id": "  ", "label": 1, "event_timestamp": 5, "available_at": 6}"#, "event_id: is blank"),
        (#"{"event_id": "e", "label": 2, "event_timestamp": 5, "available_at": 6}"#, "label: is neither 0 nor 1"),
        (
            #"{"event_id": "e", "label": true, "event_timestamp": 5, "available_at": 6}"#,
            "label: is missing or not an integer"
        ),
        (
            #"{"event_id": "e", "label": 1, "event_timestamp": -5, "available_at": 6}"#,
            "event_timestamp: is not a time in ms"
        ),
        (#"{"event_id": "e", "label": 1, "event_timestamp": 5}"#, "available_at: is missing or not an integer"),
        (#"[]"#, "is not a JSON object"),
    ])
    func `says what is wrong with a label`(json: String, reason: String) {
        #expect(throws: RecordError(reason)) { try label(json) }
    }

    static let prediction = """
        {"prediction_id": "p", "transaction_id": "t", "created_at": 1, "event_timestamp": 2, "service": "s", "model_version": "3",
        "definition_hash": "h", "probability": 0.25, "threshold": 0.5, "is_fraud": false, "degraded": true, "latency_micros": 7,
        "request": {"amt": 12.30, "id": 900719925474099312345}, "vector": [1.5, null, "x"], "features_as_of": {}}
        """

    @Test func `keeps a prediction's JSON to the digit`() throws {
        let record = try PredictionRecord(key: [], value: Array(Self.prediction.utf8).span)
        #expect(record.predictionID == "p" && record.latencyMicros == 7 && record.isDegraded && !record.isFraud)
        #expect(String(decoding: record.request, as: UTF8.self) == #"{"amt": 12.30, "id": 900719925474099312345}"#)
        #expect(String(decoding: record.vector, as: UTF8.self) == #"[1.5, null, "x"]"#)
    }

    @Test(arguments: ["prediction_id", "probability", "vector", "is_fraud", "features_as_of"])
    func `refuses a prediction without a field, naming it`(field: String) {
        let json = Self.prediction.replacing("\"\(field)\"", with: "\"other\"")
        #expect {
            _ = try PredictionRecord(key: [], value: Array(json.utf8).span)
        } throws: { error in
            (error as? RecordError)?.reason.hasPrefix("\(field): ") == true
        }
    }

    @Test func `refuses a NUL anywhere in a request`() {
        for text in [#""a\u0000b""#, #"[{"x\u0000": 1}]"#] {
            let json = Self.prediction.replacing("12.30", with: text)
            #expect(throws: RecordError("request: contains a NUL character")) {
                try PredictionRecord(key: [], value: Array(json.utf8).span)
            }
        }
    }

    @Test func `refuses a member that is there twice, at any depth and among many`() {
        let many = (0..<40).map { "\"f\($0)\": 1" }.joined(separator: ",")
        for request in [#"{"a": 1, "\u0061": 2}"#, #"{"a": [{"b": 1, "b": 2}]}"#, "{\(many), \"f7\": 2}"] {
            let json = Self.prediction.replacing(#"{"amt": 12.30, "id": 900719925474099312345}"#, with: request)
            #expect {
                _ = try PredictionRecord(key: [], value: Array(json.utf8).span)
            } throws: { error in
                (error as? RecordError)?.reason.contains("is there twice") == true
            }
        }
        let twice = Self.prediction.replacing("\"threshold\"", with: "\"probability\"")
        #expect(throws: RecordError.self) { try PredictionRecord(key: [], value: Array(twice.utf8).span) }
    }

    @Test func `refuses ids and keys that no index takes`() {
        let long = String(repeating: "x", count: 257)
        let json = Self.prediction.replacing("\"t\"", with: "\"\(long)\"")
        #expect(throws: RecordError("transaction_id: is 257 bytes long, at most 256 are allowed")) {
            try PredictionRecord(key: [], value: Array(json.utf8).span)
        }
        #expect(throws: RecordError("the key is 257 bytes long, at most 256 are allowed")) {
            try PredictionRecord(key: Array(long.utf8), value: Array(Self.prediction.utf8).span)
        }
    }
}
