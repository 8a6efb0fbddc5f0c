import Dashboard
import FeatureEngine
import Foundation
import TerminalUI
import TestSupport
import Testing

/// Every screen as it is drawn, at four sizes, against a file; NEEDLETAIL_WRITE_SNAPSHOTS=1 writes the files anew.
@Suite struct ScreenSnapshotTests {
    static let folder = TestEnvironment.packageRoot + "/Tests/Unit/DashboardTests/Snapshots"
    static let sizes = [Size(60, 16), Size(80, 24), Size(120, 40), Size(200, 60)]
    static let now: Int64 = 1_766_700_002_000

    static func prediction(_ number: Int) -> Prediction {
        let score = [0.973, 0.42, 0.004, 0.88, 0.021][number % 5]
        return Prediction(
            predictionID: "p\(number)", transactionID: "t\(number)", entity: "499234…51\(10 + number)",
            eventTimeMillis: 1_577_836_800_000 - Int64(number) * 61_000,
            texts: [["fraud_Rippin, Kub and Mann", "Ca\u{66}é \u{1B}[31m日本", "x"][number % 3], "misc_net"],
            amount: "\(843 - number * 37).10", probability: score, threshold: 0.5, modelVersion: "3",
            isFraud: score >= 0.5, isDegraded: number == 4)
    }

    static func row(_ number: Int, _ state: CaseState = CaseState()) -> CaseRow {
        CaseRow(prediction: prediction(number), createdMillis: now - Int64(number + 1) * 90_000, state: state)
    }

    static var file: CaseFile {
        var file = CaseFile(
            row: row(0, CaseState(status: .claimed, owner: "ana", untilMillis: now + 600_000)),
            entityKey: "4992346398065154184",
            fields: [
                .init("trans_num", "t0"), .init("cc_num", "499234…5184"),
                .init("merchant", "fraud_Rippin, Kub and Mann"),
                .init("amt", "843.10"), .init("zip", ""),
            ])
        file.contributions = [
            .init(feature: "request_features__amt_over_mean_30d", value: "9.113", effect: 3.2),
            .init(feature: "card_activity__amt_count_1h", value: "4", effect: 1.1),
            .init(feature: "request_features__category", value: "misc_net", effect: -0.4),
            .init(feature: "request_features__gender", value: "missing", effect: 0),
        ]
        file.history = (0..<4).map { row($0, $0 == 2 ? CaseState(status: .legitimate, owner: "ben") : CaseState()) }
        file.journal = [
            .init(id: 2, timeMillis: now - 5_000, action: "note", reviewer: "ana", note: "called 4111 1111 1111 1111"),
            .init(id: 1, timeMillis: now - 9_000, action: "claim", reviewer: "ana", note: ""),
        ]
        return file
    }

    static var entity: EntityFile {
        var entity = EntityFile(key: "499234…5184", atMillis: now)
        entity.position = "12 events kept, transactions/1 read up to 4711"
        entity.storedMillis = 1_577_836_800_000
        entity.features = [
            .init(view: "card_activity", name: "amt_count_1h", now: "3.0", online: "3.0", offline: "3.0"),
            .init(view: "card_activity", name: "amt_mean_24h", now: "60.5", online: "60.5", offline: "61.25"),
            .init(view: "card_activity", name: "seconds_since_last", now: nil, online: nil, offline: nil),
        ]
        entity.history = (0..<3).map { row($0) }
        return entity
    }

    static var registry: ModelFile {
        var file = ModelFile()
        file.versions = [
            .init(
                version: "4", service: "fraud_v1", aliases: ["challenger"], registeredMillis: now - 1_000,
                metrics: [.init("AP", 0.91)]),
            .init(
                version: "3", service: "fraud_v1", aliases: ["champion"], registeredMillis: now - 90_000_000,
                metrics: [.init("AP", 0.98765), .init("ROC", 0.9998)]),
        ]
        file.drift = [
            .init(name: "card_activity__amt_mean_24h", stability: 0.31, distance: 0.2, missing: 0.01, isDrifted: true),
            .init(name: "score", stability: 0.01, distance: nil, missing: nil, isDrifted: false),
        ]
        file.driftMillis = now - 3_600_000
        file.promotions = [
            .init(timeMillis: now - 80_000_000, version: "3", previous: "2", reason: "AP 0.988 against 0.954")
        ]
        file.verdicts = [9: (4, 1), 0: (0, 2)]
        return file
    }

    static var pipeline: PipelineFile {
        var file = PipelineFile()
        file.partitions = (0..<4).map {
            PartitionLine(
                topic: "transactions", partition: $0, next: 1_000_000 + Int64($0), owner: "transform-host-1", epoch: 7,
                duplicates: Int64($0), gaps: 0, updatedMillis: now - 1_000)
        }
        file.letters = [
            .init(
                topic: "transactions", partition: 2, offset: 99, createdMillis: now - 70_000, reason: "amt: is missing",
                value: "{\"cc_num\":\"4111111111111111\"}")
        ]
        file.waitingVerdicts = 2
        return file
    }

    static var jobs: [ScheduledJob] {
        var (drift, prune) = (ScheduledJob("drift"), ScheduledJob("prune"))
        (drift.isRunning, drift.succeeded, drift.failed, drift.skipped) = (true, 41, 1, 0)
        (drift.seconds, drift.successMillis, drift.failureMillis) = (2.5, now - 1_800_000, now - 90_000_000)
        drift.nextMillis = now + 600_000
        (prune.succeeded, prune.failed, prune.skipped) = (0, 0, 0)
        prune.nextMillis = now + 20_000_000
        return [drift, prune]
    }

    static let logLines = LogReader.newest(
        LogReader.parse(
            Array(
                """
                {"ts":"2025-12-25T21:59:58.001Z","level":"info","service":"serve","pid":7,"version":"1","message":"model loaded","version_loaded":"3"}
                {"ts":"2025-12-25T22:00:00.001Z","level":"error","service":"transform","pid":8,"version":"1","message":"Postgres went away \\u001b[2J","attempt":2}
                not a JSON line
                """.utf8), file: "transform"))

    /// A dashboard that has heard of everything.
    static func model() throws -> DashboardModel {
        var model = DashboardModel(project: "fraud", columns: try PredictionColumnsTests.cards())
        for round in 0..<40 {
            var observation = DashboardViewTests.observation(round % 2)
            observation.clockMillis = Int64(round) * 2_000
            observation.timeMillis = now
            observation.counters[.predictions] = Double(round * round)
            observation.counters[.transformed] = Double(round) * 11
            observation.jobs = .value(jobs)
            if round == 39 { observation.predictions = (0..<12).reversed().map(prediction) }
            update(&model, .observed(observation))
        }
        for (question, answer) in [
            (.cases(limit: 200), .cases((0..<9).map { row($0) })), (.file(.prediction("p0")), .file(file)),
            (.entity("4992346398065154184", atMillis: nil), .entity(entity)), (.model, .model(registry)),
            (.pipeline, .pipeline(pipeline)), (.logs, .logs(logLines)),
        ] as [(Question, Answer)] {
            update(&model, .answered(question, answer, timeMillis: now))
        }
        update(&model, .allowed(Rights(reviewer: "ana", refusal: nil)))
        return model
    }

    /// The keys that lead to each picture.
    static let pictures: [(name: String, keys: String)] = [
        ("overview", "1"), ("stream", "2"), ("alerts", "3"), ("case", "1G\n"), ("case-reasons", "1g\n\t"),
        ("entity", "4"),
        ("model", "5"), ("model-drift", "5\t"), ("pipeline", "6"), ("logs", "7"), ("help", "?"), ("filter", "7/lev"),
        ("filtered", "2/score>0.4\nss"),
    ]

    static func press(_ keys: String, _ model: inout DashboardModel) {
        for character in keys {
            switch character {
            case "\n": update(&model, .key(.enter))
            case "\t": update(&model, .key(.tab))
            case "\u{1B}": update(&model, .key(.escape))
            default: update(&model, .key(.character(character)))
            }
        }
    }

    @Test(arguments: pictures.map(\.name)) func `a screen looks as it did`(name: String) throws {
        let keys = try #require(Self.pictures.first { $0.name == name }?.keys)
        var model = try Self.model()
        Self.press(keys, &model)
        if name.hasPrefix("case") {
            // Whichever row was chosen, the file that is known is the first one's.
            model = try Self.model()
            Self.press("3g\n", &model)
            if name == "case-reasons" { Self.press("\t", &model) }
        }
        var text = ""
        for size in Self.sizes {
            let frame = view(model, size)
            #expect(frame.lines.allSatisfy { DisplayWidth.of($0) <= size.width })
            text += "== \(size.width)x\(size.height)\n" + frame.lines.joined(separator: "\n") + "\n"
        }
        let ascii = view(model, Self.sizes[1]).using(.ascii)
        #expect(ascii.lines.allSatisfy { $0.utf8.allSatisfy { (0x20..<0x7F).contains($0) } })
        text += "== 80x24 in ASCII\n" + ascii.lines.joined(separator: "\n") + "\n"
        #expect(!text.unicodeScalars.contains { $0.value < 0x20 && $0 != "\n" || (0x7F..<0xA0).contains($0.value) })
        let file = "\(Self.folder)/\(name).txt"
        if ProcessInfo.processInfo.environment["NEEDLETAIL_WRITE_SNAPSHOTS"] != nil {
            try FileManager.default.createDirectory(atPath: Self.folder, withIntermediateDirectories: true)
            try Data(text.utf8).write(to: URL(fileURLWithPath: file))
            return
        }
        let expected = String(decoding: try Data(contentsOf: URL(fileURLWithPath: file)), as: UTF8.self)
        for (line, pair) in zip(expected.split(separator: "\n"), text.split(separator: "\n")).enumerated()
        where pair.0 != pair.1 {
            Issue.record("\(name), line \(line + 1):\nwas \(pair.0)\nis  \(pair.1)")
            break
        }
        #expect(expected.utf8.elementsEqual(text.utf8))
    }
}
