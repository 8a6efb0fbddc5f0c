import Dashboard
import FeatureStore
import Foundation
import Pipeline
import TestSupport
import Testing

@Suite struct PredictionColumnsTests {
    static func columns(_ files: [String: String], reveals: Bool = false) throws -> PredictionColumns {
        let folder = try TestEnvironment.temporaryFolder("alert-columns")
        for (name, text) in files { try Data(text.utf8).write(to: URL(fileURLWithPath: "\(folder)/\(name).yaml")) }
        return PredictionColumns(try FeatureRepository.load(directory: folder, environment: [:]), reveals: reveals)
    }

    /// The definitions of the repository.
    static func cards(reveals: Bool = false) throws -> PredictionColumns {
        PredictionColumns(
            try FeatureRepository.load(directory: TestEnvironment.packageRoot + "/feature_repo", environment: [:]),
            reveals: reveals)
    }

    /// Cash machines: integer cents, an integer key, one text.
    static let machines = [
        "feature_store":
            "project: cash\nonline_store: {type: redis, url: \"\"}\noffline_store: {type: postgres, url: \"\"}\n",
        "source": """
        kind: source
        name: withdrawals
        topic: withdrawals
        event_id: slip
        event_timestamp: {field: at, format: unix_seconds}
        fields: {slip: string, at: integer, machine: integer, account: string, cents: integer, branch: string}
        """,
        "view": """
        kind: stream_feature_view
        name: account_activity
        entity: {name: holder, join_key: account, type: string}
        source: withdrawals
        aggregations:
          - {column: cents, functions: [count, sum], windows: [1h]}
        """,
        "service": "kind: feature_service\nname: cash_v1\nfeatures: [account_activity]\n",
    ]

    static func record(entity: String = "k", _ request: String = "{}") throws -> PredictionRecord {
        let value = """
            {"prediction_id":"p","transaction_id":"x1","created_at":1577836800001,"event_timestamp":1577836800000,
             "service":"s","model_version":"3","definition_hash":"h","threshold":0.5,"probability":0.9,"is_fraud":true,
             "degraded":false,"latency_micros":1,"request":\(request),"vector":[],"features_as_of":{}}
            """
        return try PredictionRecord(key: Array(entity.utf8), value: Array(value.utf8).span)
    }

    @Test func `captions are the names of the definitions`() throws {
        let cards = try Self.cards()
        #expect(cards.keyCaption == "card" && cards.texts == ["merchant", "category"] && cards.amount == "amt")
        let machines = try Self.columns(Self.machines)
        #expect(machines.keyCaption == "holder" && machines.texts == ["branch"] && machines.amount == "cents")
    }

    @Test func `integer amounts are shown`() throws {
        let alert = try Self.columns(Self.machines).prediction(
            Self.record(
                entity: "AC-1",
                #"{"slip":"x1","at":1577836800,"machine":7,"account":"AC-1","cents":12500,"branch":"north"}"#))
        #expect(alert?.amount == "12500" && alert?.texts == ["north"] && alert?.entity == "AC-1")
    }

    @Test func `keys are masked unless they are asked for, wherever a card number stands`() throws {
        let request =
            #"{"cc_num":"4992346398065154184","merchant":"paid with 4111 1111 1111 1111","category":"a","amt":9.10}"#
        let record = try Self.record(entity: "4992346398065154184", request)
        let alert = try Self.cards().prediction(record)
        #expect(alert?.entity == "499234…4184" && alert?.texts.first == "paid with 411111…1111")
        let revealed = try Self.cards(reveals: true).prediction(record)
        #expect(revealed?.entity == "4992346398065154184" && revealed?.texts.first == "paid with 4111 1111 1111 1111")
    }

    @Test func `what the definitions say of the amount and of what is sensitive holds everywhere`() throws {
        var files = Self.machines
        let fields = "cents: integer, fee: integer, branch: {type: string, sensitive: true}, note: string"
        let source = (files["source"] ?? "").replacing("cents: integer, branch: string", with: fields)
            .replacing("account: string", with: "account: {type: string, sensitive: true}")
        files["source"] = source + "\namount: fee"
        let columns = try Self.columns(files)
        #expect(columns.amount == "fee" && columns.texts == ["note"])
        let request = #"{"account":"AC-1","cents":1,"fee":250,"branch":"North \"Sea\" Street 12","note":"n"}"#
        let shown = try #require(columns.prediction(Self.record(entity: "AC-1", request)))
        #expect(shown.entity == "…" && shown.amount == "250")
        #expect(
            columns.shownRecord(request)
                == #"{"account":"…","cents":1,"fee":250,"branch":"North …t 12","note":"n"}"#)
        // Cut off, or damaged.
        #expect(columns.shownRecord(#"{"branch" : "North Sea Str"#) == #"{"branch" : "North … Str"#)
        #expect(columns.shownRecord(#"{"branch":12345678,"branch""#) == #"{"branch":12…78,"branch""#)
        #expect(columns.shownRecord("branch is North Sea Street") == "branch is North Sea Street")
        #expect(try Self.columns(files, reveals: true).shownRecord(request) == request)
    }

    @Test func `a record with an impossible share is shown without it`() throws {
        for wrong in [1e308, -1, 2] {
            var record = try Self.record()
            (record.probability, record.threshold) = (wrong, 0.5)
            #expect(try Self.cards().prediction(record)?.probability.isNaN == true)
            (record.probability, record.threshold) = (0.9, wrong)
            let alert = try #require(try Self.cards().prediction(record))
            #expect(alert.threshold.isNaN && !alert.isStrong)
        }
    }

    @Test func `a prediction says whether it is an alert, whatever its request is`() throws {
        var record = try Self.record()
        #expect(try Self.cards().prediction(record)?.isFraud == true)
        record.isFraud = false
        #expect(try Self.cards().prediction(record)?.isFraud == false)
        record.request = Array("{".utf8)
        #expect(try Self.cards().prediction(record) == nil)
    }

    @Test func `a text of a megabyte costs a row, not the screen`() throws {
        let long = String(repeating: "x", count: 1 << 20)
        let zalgo = "z" + String(repeating: "\u{301}", count: 100_000)
        let alert = try Self.cards().prediction(
            Self.record(entity: String(long.prefix(256)), #"{"merchant":"\#(zalgo)","amt":"\#(long)"}"#))
        #expect(
            alert.map { $0.entity.utf8.count < 1_300 && $0.texts[0].utf8.count < 1_300 && $0.amount.utf8.count < 1_300 }
                == true)
    }
}

@Suite struct MaskingTests {
    @Test(arguments: [
        ("4992346398065154184", "499234…4184"), ("4111111111111111", "411111…1111"), ("123456789012", "123456…9012"),
        ("C001", "C001"), ("1234567", "1234567"), ("12345678", "12…78"),
        ("fd7af248-ce5c-46a5-93d7-1c0c9005b99d", "fd7af2…b99d"),
        ("日本語のリスト日本語のリスト", "日本語のリス…のリスト"), ("", ""),
    ])
    func `a key shows at most its first six and last four`(key: String, shown: String) {
        #expect(Masking.key(key) == shown)
    }

    @Test(arguments: [
        ("", ""), ("Ana", "…"), ("1234567", "…"), ("12345678", "12…78"), ("4111111111111111", "411111…1111"),
    ])
    func `of a sensitive value that is short nothing is shown`(value: String, shown: String) {
        #expect(Masking.sensitive(value) == shown)
    }

    @Test(arguments: [
        ("no number", "no number"), ("a 4111-1111-1111-1111 b", "a 411111…1111 b"),
        ("2026-11-28 23:10:11", "2026-11-28 23:10:11"),
        ("41111111111", "41111111111"), ("4111 1111  1111 1111", "4111 1111  1111 1111"),
        ("４１１１１１１１１１１１１１１１", "４１１１１１…１１１１"), ("x411111111111y 5555555555554444 ", "x411111…1111y 555555…4444 "),
        ("offset 123456 of 99999999999", "offset 123456 of 99999999999"),
    ])
    func `runs of twelve digits and more are masked in any text`(text: String, shown: String) {
        #expect(Masking.digits(in: text) == shown)
    }
}
