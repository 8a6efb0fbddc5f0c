import FeatureEngine
import FeatureStore
import Foundation
import ServiceRuntime
import TestSupport
import Testing

@testable import FeatureStoreCommands

@Suite struct FeatureCommandTests {
    static func repository() throws -> FeatureRepository {
        var url = URL(fileURLWithPath: #filePath)
        for _ in 0..<4 { url.deleteLastPathComponent() }
        return try FeatureRepository.load(
            directory: url.appendingPathComponent("Tests/Fixtures/terminals").path, environment: [:])
    }

    @Test func `list shows every definition in aligned columns`() throws {
        let repository = try Self.repository()
        let hash = repository.streamHash
        let service = repository.services[0].definitionHash
        #expect(
            FeaturesListCommand.text(FeaturesListCommand.items(repository)) == """
                KIND            NAME         SOURCE    KEY          COLUMNS  HASH
                source          payments     payments  CUSTOMER_ID  6        -
                stream view     customer     payments  CUSTOMER_ID  12       \(hash)
                on-demand view  risk         payments  -            3        -
                on-demand view  ratios       payments  -            2        -
                service         terminal_v1  payments  CUSTOMER_ID  6        \(service)
                """)
        #expect(
            FeaturesListCommand.json(FeaturesListCommand.items(repository)).hasPrefix(
                #"[{"kind":"source","name":"payments","source":"payments","key":"CUSTOMER_ID","columns":6,"hash":null},"#
            ))
    }

    @Test func `describe tells a stream view in full`() throws {
        let repository = try Self.repository()
        let text = try #require(FeaturesDescribeCommand.describe("customer", repository)).text
        #expect(
            text.hasPrefix(
                """
                name           customer
                kind           stream view
                source         payments
                entity         customer
                join key       CUSTOMER_ID
                bounds         right_closed, (t - W, t]
                current event  include
                retention      14d
                hash           \(repository.streamHash)

                FEATURE                        FUNCTION        COLUMN       WINDOW  KIND
                count_90s                      count           -            90s     number
                count_15m                      count           -            15m     number
                TX_AMOUNT_min_15m              min             TX_AMOUNT    15m     number
                """))
        #expect(text.contains("TERMINAL_ID_last               last            TERMINAL_ID  -       category"))
    }

    @Test func `describe shows windows as they are written`() throws {
        var url = URL(fileURLWithPath: #filePath)
        for _ in 0..<4 { url.deleteLastPathComponent() }
        let repository = try FeatureRepository.load(
            directory: url.appendingPathComponent("feature_repo").path, environment: [:])
        let description = try #require(FeaturesDescribeCommand.describe("card_activity", repository))
        let windows = Dictionary(description.rows.map { ($0[0], $0[3]) }) { first, _ in first }
        #expect(windows["amt_sum_24h"] == "24h")
        #expect(windows["amt_sum_7d"] == "7d")
        #expect(windows["lat_last"] == "")
    }

    @Test func `describe tells sources, on-demand views and services`() throws {
        let repository = try Self.repository()
        let source = try #require(FeaturesDescribeCommand.describe("payments", repository)).text
        #expect(source.contains("label           TX_FRAUD on topic payment_labels, 14d after its event"))
        #expect(source.contains("TX_AMOUNT        decimal(3)  no"))
        let risk = try #require(FeaturesDescribeCommand.describe("risk", repository))
        #expect(risk.text.contains("inputs  customer, ratios, request"))
        #expect(risk.text.contains("same_terminal  TERMINAL_ID == customer.TERMINAL_ID_last"))
        #expect(risk.json.contains(#"{"feature":"terminal","expression":"TERMINAL_ID","kind":"category"}"#))
        let service = try #require(FeaturesDescribeCommand.describe("terminal_v1", repository)).text
        #expect(service.contains("5         ratios__share                number"))
        #expect(FeaturesDescribeCommand.describe("nobody", repository) == nil)
    }

    @Test func `apply tells what it did and what was there`() throws {
        let repository = try Self.repository()
        var report = FeaturesApplyCommand.Report()
        report.migrations = ["pipeline", "models"]
        report.tables = [("payments", true), ("customer", false)]
        report.topics = [("payments", 4, true), ("labels", 1, false)]
        let text = FeaturesApplyCommand.text(repository, report)
        #expect(
            text.hasSuffix(
                """
                migrations  pipeline, models  applied
                table       payments          created
                table       customer          up to date
                topic       payments          created, 4 partitions
                topic       labels            exists, 1 partition
                """))
        #expect(
            FeaturesApplyCommand.json(repository, report).hasSuffix(
                #""topics":[{"name":"payments","partitions":4,"created":true},{"name":"labels","partitions":1,"created":false}]}"#
            ))
    }

    @Test func `get-online tells the features and their place in the log`() throws {
        let view = try #require(try Self.repository().view(named: "customer"))
        var vector = FeatureVector(count: view.features.count)
        EntityState(view).evaluate(atMillis: 1_546_300_800_000, into: &vector)
        vector.texts[10] = "T \"1\""
        let answer = OnlineAnswer(
            view: view, vector: vector, generation: 2, offset: 41, events: 3, topic: "payments", partition: 1,
            nextOffset: 50)
        let text = OnlineAnswer.text("42", 1_546_300_800_000, [answer])
        #expect(
            text.hasPrefix(
                """
                view        customer
                entity      customer 42
                at          2019-01-01T00:00:00Z
                events      3
                state as of offset 41, generation 2
                log         payments/1, read up to offset 50

                FEATURE                        VALUE
                count_90s                      0.0
                count_15m                      0.0
                TX_AMOUNT_min_15m              missing
                """))
        let json = OnlineAnswer.json("42", 1_546_300_800_000, [answer])
        #expect(json.hasPrefix(#"{"entity":"42","at":1546300800000,"views":{"customer":{"features":{"count_90s":0"#))
        #expect(json.contains(#""TX_AMOUNT_min_15m":null"#))
        #expect(
            json.hasSuffix(
                #""generation":2,"topic":"payments","partition":1,"offset":41,"next_offset":50,"degraded":false}}}"#))
    }

    @Test func `entities come from a flag or a file, and one that is none is told by its line`() throws {
        #expect(try FeaturesGetOnlineCommand.keys("42", file: nil) == ["42"])
        let file = try TestEnvironment.temporaryFolder("entities") + "/cards.txt"
        try "42\r\n\n7,\"8\"\n".write(toFile: file, atomically: true, encoding: .utf8)
        #expect(try FeaturesGetOnlineCommand.keys(nil, file: file) == ["42", "7,\"8\""])
        try "42\n  \n".write(toFile: file, atomically: true, encoding: .utf8)
        let blank = #expect(throws: CommandError.self) { try FeaturesGetOnlineCommand.keys(nil, file: file) }
        #expect(blank?.exitCode == .dataError && blank?.message.contains("line 2: the entity is blank") == true)
        #expect(throws: CommandError.self) { try FeaturesGetOnlineCommand.keys(nil, file: file + ".none") }
        for (entity, file) in [(nil, nil), ("42", file)] as [(String?, String?)] {
            let neither = #expect(throws: CommandError.self) { try FeaturesGetOnlineCommand.keys(entity, file: file) }
            #expect(neither?.exitCode == .usage)
        }
    }

    @Test func `a moment is ISO 8601 or milliseconds, and now by default`() throws {
        #expect(try FeaturesGetOnlineCommand.moment(nil, now: 7) == 7)
        #expect(try FeaturesGetOnlineCommand.moment("2019-01-01T00:00:00Z", now: 7) == 1_546_300_800_000)
        #expect(try FeaturesGetOnlineCommand.moment("1546300800000", now: 7) == 1_546_300_800_000)
        #expect(throws: CommandError.self) { try FeaturesGetOnlineCommand.moment("yesterday", now: 7) }
    }
}
