import Dashboard
import Foundation
import JSON
import TerminalUI
import TestSupport
import Testing

@Suite struct NavigationTests {
    private func model() throws -> DashboardModel { try ScreenSnapshotTests.model() }
    private func press(_ keys: String, _ model: inout DashboardModel) { ScreenSnapshotTests.press(keys, &model) }

    @Test func `digits open screens, arrows the ones beside them, q leaves only from a first one`() throws {
        var model = try model()
        for name in ScreenName.allCases {
            press("\(name.digit)", &model)
            #expect(model.place == .screen(name) && !model.tables.isEmpty)
        }
        update(&model, .key(.right))
        #expect(model.place == .screen(.overview))
        update(&model, .key(.left))
        #expect(model.place == .screen(.logs))
        press("3\n", &model)
        #expect(model.place == .file(.prediction("p0")) && model.question == .file(.prediction("p0")))
        press("q", &model)
        #expect(model.place == .screen(.alerts) && !model.isDone)
        press("q", &model)
        #expect(model.isDone)
    }

    @Test func `Esc goes back one step at a time, and never leaves`() throws {
        var model = try model()
        press("3/loss>1\n\n", &model)
        #expect(model.place == .file(.prediction("p0")))
        press("e", &model)
        #expect(model.place == .screen(.entity) && model.question == .entity("4992346398065154184", atMillis: nil))
        press("\u{1B}", &model)
        #expect(model.place == .file(.prediction("p0")))
        press("\u{1B}", &model)
        #expect(model.place == .screen(.alerts) && model.state(.cases).filter != nil)
        for _ in 0..<5 { press("\u{1B}", &model) }
        #expect(model.state(.cases).filter == nil && !model.isDone)
    }

    @Test func `an entity is looked at as of a moment, and of now again`() throws {
        var model = try model()
        press("4:4992346398065154184\n@2020-01-02 03:04:05\n", &model)
        #expect(model.question == .entity("4992346398065154184", atMillis: 1_577_934_245_000))
        #expect(model.focused.remark == "asking …", "what was known is of another moment")
        press("@yesterday\n", &model)
        #expect(model.remark.hasPrefix("that is no moment") && model.entityMillis == 1_577_934_245_000)
        press("@1577934245001\n", &model)
        #expect(model.entityMillis == 1_577_934_245_001)
        press("@\n", &model)
        #expect(model.question == .entity("4992346398065154184", atMillis: nil))
        press("1@", &model)
        #expect(model.prompt == nil)
    }

    @Test(arguments: ["2/", "2:", "4:", "4@", "3g\nc"], [60, 80])
    func `what is typed stays in sight`(keys: String, width: Int) throws {
        var model = try model()
        press(keys + "2020-01-02 03:04:05", &model)
        let footer = try #require(view(model, Size(width, 24)).lines.last)
        #expect(footer.hasSuffix("2020-01-02 03:04:05"), "\(footer)")
    }

    @Test func `only what both sides can know differs`() {
        func pair(_ online: String?, _ offline: String?, _ canCompare: Bool = true) -> FeaturePair {
            FeaturePair(view: "v", name: "f", now: nil, online: online, offline: offline, canCompare: canCompare) {
                String($0.prefix(1))
            }
        }
        #expect(pair("12", "13").isDifferent, "what is shown may be the same")
        #expect(!pair("1", "1").isDifferent && !pair(nil, nil).isDifferent && pair("1", nil).isDifferent)
        #expect(!pair("12", "13", false).isDifferent && pair("12", "13").online == "1")
    }

    @Test func `a prompt takes keys as text, a paste too, and Esc drops it`() throws {
        var model = try model()
        press("2/q", &model)
        update(&model, .key(.pasted("F\r\nL\u{1B}[A\u{9B}")))
        #expect(model.prompt?.text == "qF  L[A" && !model.isDone && model.orders.isEmpty)
        press("\u{1B}", &model)
        #expect(model.prompt == nil && model.state(.stream).filter == nil)
        update(&model, .key(.pasted("123q")))
        #expect(model.place == .screen(.stream) && !model.isDone)
        press(":t7\n", &model)
        #expect(model.question == .file(.transaction("t7")))
        press("4:", &model)
        update(&model, .key(.pasted(String(repeating: "k", count: 9_000))))
        press("\n", &model)
        #expect(model.entityKey.count == 500)
    }

    @Test func `a verdict is ordered for the open case only, and the next case opens when it is done`() throws {
        var model = try model()
        press("3FL", &model)
        #expect(model.orders.isEmpty)
        press("g\nF", &model)
        let order = try #require(model.orders.first)
        #expect(order.action == .fraud && order.predictionID == "p0" && order.newestEventMillis == 1_577_836_800_000)
        update(&model, .done(order, Outcome(isDone: false, "claimed by ben")))
        #expect(model.place == .file(.prediction("p0")) && model.remark == "claimed by ben")
        update(&model, .done(order, Outcome(isDone: true, "fraud")))
        #expect(model.place == .file(.prediction("p3")), "the second largest loss is next")
        // The file of the case before is not the new case's.
        model.orders = []
        press("F", &model)
        #expect(model.orders.isEmpty && model.remark == "the case is not there yet")
        // The verdict is taken back from the case that it opened.
        press("u", &model)
        #expect(model.orders.map(\.action) == [.undo] && model.orders.map(\.predictionID) == ["p0"])
    }

    @Test func `cases that are judged one after the other open once each, then the list`() throws {
        var model = try model()
        press("3gjjj\n", &model)
        var judged: [String] = []
        while case .file(.prediction(let id)) = model.place, judged.count < 20 {
            judged.append(id)
            let order = Order(.fraud, predictionID: id, newestEventMillis: nil)
            update(&model, .done(order, Outcome(isDone: true, "fraud")))
        }
        #expect(judged.count == 9 && Set(judged).count == 9, "\(judged)")
        #expect(model.place == .screen(.alerts) && model.focused.rows.isEmpty)
    }

    @Test func `who may not judge is told why`() throws {
        var model = try model()
        update(&model, .allowed(Rights(refusal: "read only")))
        press("3g\nF", &model)
        #expect(model.orders.isEmpty && model.remark == "read only")
        press("c", &model)
        #expect(model.prompt == nil)
        update(&model, .allowed(Rights(refusal: "Postgres does not answer")))
        press("g", &model)
        let footer = try #require(view(model, Size(120, 40)).lines.last)
        #expect(footer.contains("Postgres does not answer") && !footer.contains("read only"))
    }

    @Test func `a source that fails dims what it said before and says why`() throws {
        var model = try model()
        press("5", &model)
        update(&model, .answered(.model, .failed("refused"), timeMillis: 1))
        #expect(model.tables.filter { $0.id != .scores }.allSatisfy { $0.isStale })
        #expect(model.tables.first?.rows.isEmpty == false)
        var empty = DashboardModel(project: "p", columns: try PredictionColumnsTests.cards(), screen: .model)
        #expect(empty.tables.first?.remark == "asking …")
        update(&empty, .answered(.model, .failed("refused"), timeMillis: 1))
        #expect(empty.tables.first?.remark == "not known: refused")
    }

    @Test func `a line of the help can be run`() throws {
        var model = try model()
        press("?j\n", &model)
        #expect(model.place == .screen(.stream) && !model.showsHelp)
    }

    @Test func `a key is masked on every screen`() throws {
        var model = try model()
        for keys in ["1", "2", "3", "3g\n", "4:4992346398065154184\n", "6\t", "7"] {
            press("\u{1B}\u{1B}" + keys, &model)
            for size in ScreenSnapshotTests.sizes {
                let text = view(model, size).lines.joined()
                #expect(!text.contains("4992346398065154184") && !text.contains("4111111111111111"), "\(keys)")
                #expect(!text.contains("4111 1111 1111 1111"), "\(keys)")
            }
        }
    }

    @Test func `claims and snoozes end`() {
        let claim = CaseState(status: .claimed, owner: "ana", untilMillis: 1_000)
        #expect(claim.atMillis(999) == claim && claim.atMillis(1_000) == CaseState())
        let verdict = CaseState(status: .fraud, owner: "ana", untilMillis: nil)
        #expect(verdict.atMillis(.max) == verdict)
    }

    @Test func `colours follow the terminal's background until the user chooses`() throws {
        var model = try model()
        update(&model, .key(.background(isLight: true)))
        #expect(Theme.all[model.themeIndex].name == "light")
        press("t", &model)
        update(&model, .key(.background(isLight: false)))
        #expect(Theme.all[model.themeIndex].name == "contrast")
    }
}

@Suite struct ReportTests {
    @Test func `the JSON is one object a line, with nothing made up`() throws {
        let text = Report.json(try ScreenSnapshotTests.model())
        let tree = try JSONTree.parse(text)
        #expect(!text.contains("\n") && tree["project"]?.string == "fraud")
        #expect(tree["alerts"]?.array?.count == 5 && tree["alerts"]?[0]?["entity"]?.string == "499234…5110")
        #expect(tree["jobs"]?.array?.count == 2 && tree["jobs"]?[0]?["running"]?.bool == true)
        #expect(tree["champion"]?.string == "3" && tree["servers"]?["kafka"]?.string == "up")
        let empty = try JSONTree.parse(
            Report.json(DashboardModel(project: "p", columns: try PredictionColumnsTests.cards())))
        #expect(empty["time"]?.isNull == true && empty["fraud_share"]?.isNull == true && empty["lags"]?.isNull == true)
    }

    @Test func `lines tell what changed, and nothing when nothing did`() throws {
        let before = try DashboardViewTests.model()
        var model = before
        #expect(Report.lines(before, after: nil).contains { $0.contains("kafka is up") })
        #expect(Report.lines(model, after: before).isEmpty)
        var observation = DashboardViewTests.observation(2)
        observation.parts = DashboardViewTests.up.map { ($0.name, $0.name == "redis" ? .down("gone \u{1B}[2J") : .up) }
        observation.predictions = [ScreenSnapshotTests.prediction(0)]
        update(&model, .observed(observation))
        let lines = Report.lines(model, after: before)
        #expect(lines.contains { $0.contains("redis is down: gone ") } && lines.contains { $0.contains("score 0.973") })
        #expect(lines.allSatisfy { !$0.contains("\u{1B}") })
    }
}

@Suite struct LogReaderTests {
    @Test func `lines of services and other lines are told apart, the newest first`() {
        let lines = ScreenSnapshotTests.logLines
        #expect(lines.map(\.level) == ["error", "info", ""])
        #expect(lines[0].service == "transform" && lines[0].fields == "attempt=2")
        #expect(lines[2].message == "not a JSON line" && lines[2].service == "transform")
    }

    @Test(arguments: [
        "{", "{}", "[]", "{\"message\":1}", "{\"message\":\"\\ud800\"}", "\u{0}", "{\"message\":\"a\",\"ts\":7}",
    ])
    func `a line that is none of ours is shown as it is`(text: String) {
        let lines = LogReader.parse(Array(text.utf8), file: "x")
        #expect(lines.count == 1 && lines.allSatisfy { $0.service == "x" })
    }

    @Test func `many lines are bounded`() {
        let text = String(repeating: "{\"ts\":\"2025\",\"message\":\"a\"}\n", count: 5_000)
        let lines = LogReader.newest(LogReader.parse(Array(text.utf8), file: "x"))
        #expect(lines.count == LogReader.mostLines && Set(lines.map(\.id)).count == LogReader.mostLines)
    }

    @Test func `a line stays the same one while others come behind it, whatever bytes stand before it`() throws {
        let path = try TestEnvironment.temporaryFolder("log") + "/serve.log"
        var bytes: [UInt8] = Array("old\n".utf8) + [0xFF, 0xFE, 0x0A] + Array("this one\n".utf8)
        var ids: Set<String> = []
        for round in 0..<20 {
            try Data(bytes).write(to: URL(fileURLWithPath: path))
            let end = LogReader.tail(of: path, bytes: 90)
            #expect(end.bytes.count <= 90)
            let lines = LogReader.parse(end.bytes, file: "serve", at: end.offset)
            ids.formUnion(lines.filter { $0.message == "this one" }.map(\.id))
            bytes += Array("line \(round)\n".utf8)
        }
        #expect(ids.count == 1)
        #expect(LogReader.tail(of: path + "x", bytes: 90).bytes.isEmpty)
    }
}
