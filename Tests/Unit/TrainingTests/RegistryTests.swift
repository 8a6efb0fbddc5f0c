import FeatureEngine
import Foundation
import FraudModel
import JSON
import ServiceRuntime
import TestSupport
import Testing

@testable import PostgresOfflineStore
@testable import Training

@Suite struct FormerChampionTests {
    private func change(_ action: ModelChange.Action, _ version: Int64?) -> ModelChange {
        ModelChange(
            action: action, alias: "champion", version: version, previous: nil,
            note: ChangeNote(actor: "a", reason: "b"), changedMillis: 0)
    }

    @Test func `a rollback leads back through the promotions, and not to what it left`() {
        var history = [change(.promote, 1), change(.promote, 2), change(.request, 9), change(.promote, 3)]
        #expect(FormerChampions(history).stack == [1, 2, 3])
        history.append(change(.rollback, 2))
        #expect(FormerChampions(history).stack == [1, 2])
        history.append(change(.rollback, 1))
        #expect(FormerChampions(history).stack == [1])
        history.append(change(.promote, 4))
        #expect(FormerChampions(history).stack == [1, 4])
        // By name to one that was left: it is the newest then.
        history.append(change(.rollback, 3))
        #expect(FormerChampions(history).stack == [1, 4, 3])
        #expect(FormerChampions(history).all == [1, 2, 3, 4])
        #expect(FormerChampions([]).stack.isEmpty)
    }

    private func model(_ version: Int64) -> RegisteredModel {
        RegisteredModel(
            version: version, service: "shop", definitionHash: "0", folder: "\(version)", fingerprint: "0",
            metrics: "null", card: "null")
    }

    @Test func `the latest that is in use comes back, and a read that fails passes none over`() throws {
        let former = FormerChampions((Int64(1)...5).map { change(.promote, $0) })
        var read: [Int64] = []
        let found = try former.latest { version in
            read.append(version)
            var model = self.model(version)
            (model.isArchived, model.isDeleted) = (version == 4, version == 3)
            return model
        }
        #expect(found == model(2))
        #expect(read == [4, 3, 2])
        // A version whose row is gone is none, too.
        #expect(try former.latest { $0 == 4 ? nil : self.model($0) } == model(3))
        #expect(try former.latest { _ in nil } == nil)
        #expect(try FormerChampions([change(.promote, 1)]).latest { self.model($0) } == nil)
        struct Unreadable: Error {}
        #expect(throws: Unreadable.self) {
            try former.latest { version in
                guard version != 4 else { throw Unreadable() }
                return self.model(version)
            }
        }
    }
}

@Suite struct TrainingSettingsTests {
    private func run(_ words: [String], params: String? = nil) throws -> TrainingRun {
        let folder = try TestEnvironment.temporaryFolder("params")
        var words = words
        if let params {
            try params.write(toFile: folder + "/p.yaml", atomically: true, encoding: .utf8)
            words += ["--params", folder + "/p.yaml"]
        }
        let settings = try Settings(words, declared: TrainingSettings.fit + [TrainingSettings.file])
        return try TrainingSettings.run(settings)
    }

    @Test func `a flag wins over params.yaml, which wins over the default`() throws {
        let file = """
            prepare: {input: x.csv}
            fit:
              depth: 8
              learning_rate: 0.05
              threshold: fpr:0.002
              no_baselines: true
              cv: 5
            other: {anything: [1, 2]}
            """
        let both = try run(["--depth", "3"], params: file)
        #expect(both.parameters.depth == 3 && both.parameters.learningRate == 0.05 && both.parameters.rounds == 600)
        #expect(both.options.threshold == .falsePositiveRate(0.002))
        #expect(!both.options.fitsBaselines && both.folds == 5 && both.trials == nil)
        #expect(try run([]).parameters == TrainingParameters())
    }

    @Test func `what is wrong in params.yaml is named with its line`() throws {
        for (text, part) in [
            ("fit:\n  depth: 99", "line 2: depth is not a whole number from 1 to 30"),
            ("fit:\n  deep: 9", "line 2: fit has no deep"), ("fit: [", "line 2"),
            ("fit: {threshold: often}", "--threshold often is none of"),
        ] {
            let error = #expect(throws: CommandError.self) { try run([], params: text) }
            #expect(error?.message.contains(part) == true, "\(error?.message ?? "")")
        }
        let missing = #expect(throws: CommandError.self) { try run(["--params", "/nowhere.yaml"]) }
        #expect(missing?.exitCode == .noInput)
    }
}

@Suite struct ModelEvaluationTests {
    private func evaluation() throws -> ModelEvaluation {
        let set = Rows.set(4_000, seed: 31)
        let trained = try TrainingRun(parameters: Rows.parameters(rounds: 20)).train(set, ServiceRuntime()).model
        return try ModelEvaluation(trained.model, set, rows: trained.holdout)
    }

    @Test func `figures are those of the card, counts add up`() throws {
        let evaluation = try evaluation()
        #expect(evaluation.metrics == evaluation.card.metrics)
        let counts = evaluation.confusion
        #expect(counts.truePositives + counts.falseNegatives == evaluation.metrics.frauds)
        #expect(
            counts.truePositives + counts.falsePositives + counts.falseNegatives + counts.trueNegatives
                == evaluation.metrics.rows)
        let precision = Double(counts.truePositives) / Double(counts.truePositives + counts.falsePositives)
        #expect(abs(precision - (evaluation.metrics.precision ?? 0)) < 1e-12)
        #expect(evaluation.days.reduce(0) { $0 + $1.rows } == evaluation.metrics.rows)
        #expect(evaluation.days.reduce(0) { $0 + $1.frauds } == evaluation.metrics.frauds)
        #expect(evaluation.bins.reduce(0) { $0 + $1.rows } == evaluation.metrics.rows)
        // One feature tells frauds, the other is noise.
        #expect(evaluation.importance.map(\.feature) == ["v__a", "v__b"])
        #expect(abs(evaluation.importance.reduce(0) { $0 + $1.share } - 1) < 1e-9)
        #expect(evaluation.importance[0].share > 0.6)
    }

    @Test(arguments: [0, 1, 1_999, 2_000, 2_001, 3_999, 4_000, 4_001, 100_000])
    func `at most 2,000 rows are explained, evenly over all`(count: Int) {
        let most = 2_000
        let explained = ModelEvaluation.explained(Array(0..<count))
        #expect(explained.count <= most)
        #expect(explained.count >= min(count, most / 2))
        #expect(explained.first == (count == 0 ? nil : 0))
        let steps = Set(zip(explained, explained.dropFirst()).map { $1 - $0 })
        #expect(steps.count <= 1)
        if count <= most { #expect(explained.count == count) }
    }

    @Test func `the files are JSON that reads back, pictures that are XML, and a page that loads nothing`() throws {
        let files = try evaluation().files
        let names = Set(files.map(\.path))
        for name in ["metrics", "pr", "roc", "calibration", "importance", "by_day", "confusion"] {
            let text = try #require(files.first { $0.path == name + ".json" }).text
            #expect(throws: Never.self) { try JSONTree.parse(text) }
            #expect(name == "metrics" || names.contains(name + ".svg"))
        }
        for file in files where file.path.hasSuffix(".svg") {
            #expect(XMLCheck.isWellFormed(file.text), "\(file.path)")
            #expect(!file.text.contains("nan") && !file.text.contains("inf"))
        }
        let page = try #require(files.first { $0.path == "report.html" }).text
        #expect(page.components(separatedBy: "<svg").count == 7)
        for word in ["<script", "src=", "@import", "href="] { #expect(!page.contains(word), "\(word)") }
        #expect(Chart.escaped("a<b>&\"c\u{7}") == "a&lt;b&gt;&amp;&quot;c ")
    }
}

/// Enough of XML to see that every element ends where it must.
private enum XMLCheck {
    static func isWellFormed(_ text: String) -> Bool {
        var open: [Substring] = []
        for match in text.matches(of: /<(\/?)([a-z]+)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>/) {
            if !match.1.isEmpty {
                guard open.popLast() == match.2 else { return false }
            } else if match.4.isEmpty {
                open.append(match.2)
            }
        }
        // Every < was one of those.
        return open.isEmpty
            && text.count { $0 == "<" } == text.matches(of: /<\/?[a-z]+(?:\s+[\w:-]+="[^"<]*")*\s*\/?>/).count
    }
}
