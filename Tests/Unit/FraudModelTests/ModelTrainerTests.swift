import FeatureEngine
import Foundation
import FraudModel
import GradientBoosting
import JSON
import TestSupport
import Testing

/// Rows a year long with an effect in a number and in a category, some values missing.
private func rows(
    _ count: Int, seed: UInt64, fraudRate: Double = 0.1, reversed: Bool = false, shift: Double = 0
) -> TrainingSet {
    var random = SplitMix64(seed)
    var set = TrainingSet(
        serviceName: "service", definitionHash: "0123456789abcdef", featureNames: ["v__amount", "v__shop", "v__noise"],
        kinds: [.number, .category, .number])
    let shops = ["book", "apple", "übung", "zoo"]
    var made: [(FeatureVector, UInt8, Int64)] = []
    for row in 0..<count {
        let isFraud = random.uniform() < fraudRate
        var vector = FeatureVector(count: 3)
        vector.numbers[0] = random.normal() + (isFraud ? 1.5 : 0) + shift
        vector.texts[1] =
            random.uniform() < 0.05 ? nil : shops[isFraud && random.uniform() < 0.7 ? 3 : Int(random.uniform() * 3)]
        vector.numbers[2] = random.uniform() < 0.2 ? .nan : random.normal()
        made.append((vector, isFraud ? 1 : 0, Int64(row) * 60_000))
    }
    for (vector, label, time) in reversed ? made.reversed() : made {
        set.append(vector, label: label, timeMillis: time)
    }
    return set
}

private func quick(threads: Int = 1) -> TrainingParameters {
    var parameters = TrainingParameters()
    parameters.rounds = 60
    parameters.depth = 3
    parameters.patience = 10
    parameters.threads = threads
    return parameters
}

@Suite struct ModelTrainerTests {
    @Test func `the holdout is the newest fifth of event time, and stopping comes before it`() {
        let set = rows(1_001, seed: 1, reversed: true)
        let split = TimeSplit(set)
        #expect(split.holdout.count == 201)
        #expect(split.stopping.count == 100)
        #expect(split.fit.count == 700)
        let times = [split.fit, split.stopping, split.holdout].map { $0.map { set.timesMillis[$0] } }
        #expect(times.joined().elementsEqual(times.joined().sorted()))
        let chosen = TimeSplit(set, holdoutFromMillis: 500 * 60_000)
        #expect(chosen.holdout.count == 501)
    }

    @Test func `a trained model ranks, is cut to its best round and scores with libxgboost's bits`() throws {
        let set = rows(4_000, seed: 2)
        var best: (Int, Double) = (0, -1)
        let trained = try ModelTrainer.train(set, quick()) { round, precision in
            if let precision, precision > best.1 { best = (round + 1, precision) }
            return true
        }
        let card = trained.card
        #expect(card.rounds == best.0)
        #expect(trained.model.predictor.treeCount == best.0)
        #expect(try #require(card.metrics.averagePrecision) > 0.5)
        #expect(try #require(card.metrics.rocAUC) > 0.85)
        #expect(card.features.map(\.categories) == [nil, ["apple", "book", "zoo", "übung"], nil])
        #expect(card.fit.rows + card.stopping.rows + card.holdout.rows == 4_000)

        // The booster of the file, fed with the same inputs by libxgboost itself.
        let reference = try Booster(model: trained.bytes, threads: 1)
        #expect(try reference.featureNames() == set.featureNames)
        #expect(try reference.roundCount() == best.0)
        var scorer = trained.model.makeScorer()
        var random = SplitMix64(3)
        for _ in 0..<200 {
            var vector = FeatureVector(count: 3)
            let shop = ["apple", "book", "zoo", "übung", "unseen", nil].randomElement(using: &random) ?? nil
            vector.numbers[0] = random.normal() * 2
            vector.texts[1] = shop
            vector.numbers[2] = random.uniform() < 0.3 ? .nan : random.normal()
            let index = ["apple", "book", "zoo", "übung"].firstIndex { $0 == shop }.map(Float.init) ?? .nan
            let matrix = try DataMatrix(
                [Float(vector.numbers[0]), index, Float(vector.numbers[2])], columnCount: 3, threads: 1)
            #expect(scorer.probability(of: vector) == (try reference.predict(matrix)[0]))
        }
    }

    @Test func `the same rows make the same bytes, in any order and with any number of threads`() throws {
        let one = try ModelTrainer.train(rows(3_000, seed: 4), quick(threads: 1))
        let two = try ModelTrainer.train(rows(3_000, seed: 4), quick(threads: 2))
        let other = try ModelTrainer.train(rows(3_000, seed: 4, reversed: true), quick(threads: 2))
        for trained in [two, other] {
            #expect(trained.bytes == one.bytes)
            #expect(trained.card.json.bytes() == one.card.json.bytes())
        }
        #expect(try ModelTrainer.train(rows(3_000, seed: 5), quick()).card.fingerprint != one.card.fingerprint)
    }

    @Test func `rows of one class are refused in one sentence`() {
        for (rate, word) in [(0.0, "legitimate"), (1.0, "fraud")] {
            let error = #expect(throws: TrainingError.self) {
                try ModelTrainer.train(rows(200, seed: 6, fraudRate: rate), quick())
            }
            #expect(error == .refused("all 200 labelled rows are \(word): a model needs both classes"))
        }
        let error = #expect(throws: TrainingError.self) { try ModelTrainer.train(rows(0, seed: 6), quick()) }
        #expect(error == .refused("there is no row with a label that has arrived"))
    }

    @Test func `frauds only in the holdout are refused, a holdout without any has undefined metrics`() throws {
        var late = rows(0, seed: 7)
        var early = rows(0, seed: 7)
        var vector = FeatureVector(count: 3)
        for row in 0..<1_000 {
            vector.numbers[0] = Double(row % 7)
            late.append(vector, label: row > 900 && row % 2 == 0 ? 1 : 0, timeMillis: Int64(row) * 1_000)
            early.append(vector, label: row < 500 && row % 7 == 6 ? 1 : 0, timeMillis: Int64(row) * 1_000)
        }
        #expect(throws: TrainingError.self) { try ModelTrainer.train(late, quick()) }
        let trained = try ModelTrainer.train(early, quick())
        #expect(trained.card.holdout.frauds == 0)
        #expect(trained.card.metrics.averagePrecision == nil)
        #expect(trained.card.metrics.rocAUC == nil)
        #expect(trained.card.json["metrics"]?["average_precision"] == .null)
    }

    @Test func `constant features rank no better than chance`() throws {
        var set = rows(0, seed: 8)
        for row in 0..<2_000 {
            set.append(FeatureVector(count: 3), label: row % 10 == 0 ? 1 : 0, timeMillis: Int64(row) * 1_000)
        }
        let metrics = try ModelTrainer.train(set, quick()).card.metrics
        #expect(metrics.rocAUC == 0.5)
        #expect(metrics.averagePrecision == Double(metrics.frauds) / Double(metrics.rows))
    }

    @Test func `the fingerprint does not depend on the order of rows of one moment`() {
        func set(_ amounts: [Double]) -> TrainingSet {
            var set = rows(0, seed: 1)
            var vector = FeatureVector(count: 3)
            for amount in amounts {
                vector.numbers[0] = amount
                vector.texts[1] = "shop \(amount)"
                set.append(vector, label: 0, timeMillis: 1_000)
            }
            return set
        }
        #expect(set([1, 2, 3]).fingerprint() == set([3, 1, 2]).fingerprint())
        #expect(set([1, 2, 3]).fingerprint() != set([1, 2, 2]).fingerprint())
        #expect(set([1, 2, 3]).fingerprint() != set([1, 2]).fingerprint())
    }

    @Test func `training stops when it is asked to`() {
        let error = #expect(throws: TrainingError.self) {
            try ModelTrainer.train(rows(500, seed: 9), quick()) { round, _ in round < 3 }
        }
        #expect(error == .cancelled)
    }

    @Test func `rows whose label has not arrived leave the set`() {
        var set = rows(100, seed: 10)
        #expect(set.removeRows(after: 59 * 60_000) == 40)
        #expect(set.count == 60)
        #expect(set.timesMillis.max() == Int64(59 * 60_000))
        #expect(
            set.fingerprint()
                == {
                    var other = rows(100, seed: 10); _ = other.removeRows(after: 59 * 60_000);
                    return other.fingerprint()
                }())
        #expect(set.fingerprint() != rows(100, seed: 10).fingerprint())
    }
}

@Suite struct ModelDirectoryTests {
    @Test(arguments: ["model", "my models/v 1:ä %20", "deep/er/still"])
    func `a model is read back from any path`(name: String) throws {
        let path = try TestEnvironment.temporaryFolder("models") + "/" + name
        let trained = try ModelTrainer.train(rows(2_000, seed: 11), quick())
        try ModelDirectory.write(model: trained.bytes, card: trained.card, to: path)
        let loaded = try ScoringModel.load(directory: path)
        #expect(loaded.card == trained.card)
        #expect(loaded.version == URL(fileURLWithPath: path).lastPathComponent)
        #expect(loaded.threshold == trained.card.threshold)
        #expect(loaded.serviceName == "service")
        #expect(FileManager.default.contents(atPath: path + "/model.json") == Data(trained.bytes))
        let files = try FileManager.default.contentsOfDirectory(atPath: path).sorted()
        #expect(files == ["MLmodel", "model.json", "needletail.json", "requirements.txt"])
        #expect(throws: ModelError.self) { try loaded.requireDefinitions(service: "service", hash: "fedcba9876543210") }
        try loaded.requireDefinitions(service: "service", hash: "0123456789abcdef")
    }

    @Test func `MLmodel names the inputs, quotes and all`() throws {
        let path = try TestEnvironment.temporaryFolder("models")
        let trained = try ModelTrainer.train(rows(500, seed: 12), quick())
        var card = trained.card
        card.features[0] = ModelFeature(name: "it's \"quoted\"")
        card.features[1] = ModelFeature(name: "and'\u{301}", categories: card.features[1].categories)
        try ModelDirectory.write(model: trained.bytes, card: card, to: path)
        let text = try String(contentsOfFile: path + "/MLmodel", encoding: .utf8)
        #expect(text.contains("loader_module: mlflow.xgboost"))
        #expect(text.contains(#""name":"it''s \"quoted\"""#))
        // A mark that combines with the quote does not hide it.
        #expect(Array(text.utf8).firstRange(of: Array("and''\u{301}".utf8)) != nil)
        // The two files of the folder do not belong together any more.
        #expect(throws: ModelError.self) { try ScoringModel.load(directory: path) }
    }

    @Test func `what is no model says so`() throws {
        let folder = try TestEnvironment.temporaryFolder("models")
        #expect(throws: ModelError.notFound(folder + "/none")) { try ScoringModel.load(directory: folder + "/none") }
        #expect(throws: ModelError.notFound(folder + "/model.json")) { try ScoringModel.load(directory: folder) }
        try Data("{}".utf8).write(to: URL(fileURLWithPath: folder + "/model.json"))
        let error = #expect(throws: ModelError.self) { try ScoringModel.load(directory: folder) }
        #expect(error?.description.contains("learner") == true)
    }

    @Test func `columns go by name in any order, and a missing one is named`() throws {
        let path = "\(TestEnvironment.packageRoot)/Tests/Unit/FraudModelTests/Fixtures/thresholds-at-ties.json"
        let model = try ScoringModel.load(directory: path)
        #expect(model.featureNames == ["amt", "day", "merchant_id"])
        let columns = try FeatureColumns(header: ["merchant_id", "more", "day", "amt"], of: model)
        #expect(columns.columns == [3, 2, 0])
        #expect(columns.ignored == ["more"])
        let error = #expect(throws: ModelError.self) {
            try FeatureColumns(header: ["merchant", "day", "amount"], of: model)
        }
        #expect(error?.description == "the input lacks the model's features amt, merchant_id")
        #expect(throws: ModelError.self) {
            try FeatureColumns(header: ["amt", "amt", "day", "merchant_id"], of: model)
        }
        for (text, value) in [("0", 0), ("-1.5e3", -1_500), ("1e400", .infinity), ("-inf", -.infinity)]
            as [(String, Double)]
        {
            #expect(FeatureColumns.number(Array(text.utf8).span) == value)
        }
        for text in ["", "NaN", "nan", "null"] { #expect(FeatureColumns.number(Array(text.utf8).span)?.isNaN == true) }
        for text in ["x", "1,5", " 1", "0x10", "1e"] { #expect(FeatureColumns.number(Array(text.utf8).span) == nil) }
    }
}

@Suite struct DriftReportTests {
    @Test func `rows like those of training have not drifted, moved ones have`() throws {
        let trained = try ModelTrainer.train(rows(6_000, seed: 13), quick())
        let same = try DriftReport(rows(1_500, seed: 14), model: trained.model)
        #expect(same.isDecided)
        #expect(!same.isDrifted, "\(same.entries)")
        #expect(same.entries.map(\.name) == ["score", "v__amount", "v__shop", "v__noise"])
        let moved = try DriftReport(rows(1_500, seed: 15, shift: 1), model: trained.model)
        #expect(moved.isDrifted)
        #expect(moved.entries.filter(\.isDrifted).map(\.name).contains("v__amount"))
        #expect(!moved.entries[3].isDrifted)
        let few = try DriftReport(rows(100, seed: 15, shift: 1), model: trained.model)
        #expect(!few.isDecided && !few.isDrifted)
        let none = try DriftReport(rows(0, seed: 15), model: trained.model)
        #expect(none.json["entries"]?[0]?["psi"] == .null)
    }

    @Test func `a category never seen and a value gone missing are drift and are named`() throws {
        let trained = try ModelTrainer.train(rows(6_000, seed: 16), quick())
        var recent = rows(0, seed: 17)
        var random = SplitMix64(18)
        for row in 0..<1_000 {
            var vector = FeatureVector(count: 3)
            vector.numbers[0] = random.normal()
            vector.texts[1] = row % 2 == 0 ? "moon" : "apple"
            recent.append(vector, label: 0, timeMillis: Int64(row))
        }
        let report = try DriftReport(recent, model: trained.model)
        #expect(report.entries[2].isDrifted)
        #expect(report.entries[2].unseen.map(\.0) == ["moon"])
        #expect(report.entries[2].unseen.map(\.1) == [500])
        #expect(report.entries[3].isDrifted)
        #expect(report.entries[3].missing == 1)
        let tree = try JSONTree.parse(report.json.bytes())
        #expect(tree["entries"]?[2]?["unseen"]?["moon"]?.int == 500)
    }

    /// One number that was constant in training, and its rows of today.
    private func constant(_ value: Double, rows count: Int = 1_000) -> TrainingSet {
        var set = TrainingSet(
            serviceName: "service", definitionHash: "0", featureNames: ["v__a", "v__b"], kinds: [.number, .number])
        var random = SplitMix64(23)
        var vector = FeatureVector(count: 2)
        for row in 0..<count {
            vector.numbers = [value, random.normal()]
            set.append(vector, label: row % 5 == 0 ? 1 : 0, timeMillis: Int64(row) * 1_000)
        }
        return set
    }

    @Test func `a column that was constant and changed completely has drifted`() throws {
        let trained = try ModelTrainer.train(constant(5, rows: 3_000), quick())
        let same = try DriftReport(constant(5), model: trained.model)
        #expect(!same.entries[1].isDrifted && same.entries[1].stability == 0)
        for value in [7.0, 4.0, 5.000001] {
            let moved = try DriftReport(constant(value), model: trained.model)
            #expect(moved.entries[1].distance == 1)
            #expect(moved.entries[1].isDrifted, "\(moved.entries[1])")
            #expect(moved.isDrifted)
        }
    }

    @Test func `a card of an older format, with closed bins, is believed by its distance`() throws {
        var card = try ModelTrainer.train(constant(5, rows: 3_000), quick()).card
        card.reference[0] = .number(sample: .init(values: [5], counts: [2_000]), edges: [], counts: [2_100], missing: 0)
        let path = try TestEnvironment.temporaryFolder("models") + "/old"
        let bytes = try ModelTrainer.train(constant(5, rows: 3_000), quick()).bytes
        try ModelDirectory.write(model: bytes, card: card, to: path)
        let moved = try DriftReport(constant(7), model: ScoringModel.load(directory: path))
        #expect(moved.entries[1].stability == 0 && moved.entries[1].isDrifted)
    }
}

/// Categories whose spellings look alike and are made of other bytes.
@Suite struct CategoryTests {
    private static let composed = "caf\u{e9}"
    private static let decomposed = "cafe\u{301}"

    private func set(_ texts: [String]) -> TrainingSet {
        var set = TrainingSet(
            serviceName: "service", definitionHash: "0", featureNames: ["v__shop"], kinds: [.category])
        var vector = FeatureVector(count: 1)
        for row in 0..<1_200 {
            vector.texts[0] = texts[row % texts.count]
            set.append(vector, label: row % texts.count == 0 ? 1 : 0, timeMillis: Int64(row) * 1_000)
        }
        return set
    }

    @Test func `are two values to training, serving and drift`() throws {
        #expect(Self.composed == Self.decomposed)
        let set = set([Self.composed, Self.decomposed, "bar"])
        let trained = try ModelTrainer.train(set, quick())
        let categories = try #require(trained.card.features[0].categories)
        #expect(categories.map { Array($0.utf8) } == ["bar", Self.decomposed, Self.composed].map { Array($0.utf8) })
        // Only the composed spelling was fraud.
        var scorer = trained.model.makeScorer()
        func score(_ text: String) -> Float {
            var vector = FeatureVector(count: 1)
            vector.texts[0] = text
            return scorer.probability(of: vector)
        }
        #expect(score(Self.composed) > score(Self.decomposed) + 0.01)
        #expect(score(Self.decomposed) == score("bar"))
        #expect(
            try set.probabilities([0, 1, 2], of: trained.model) == [Self.composed, Self.decomposed, "bar"].map(score))

        let path = try TestEnvironment.temporaryFolder("models") + "/caf\u{e9}"
        try ModelDirectory.write(model: trained.bytes, card: trained.card, to: path)
        #expect(try ScoringModel.load(directory: path).card?.json.bytes() == trained.card.json.bytes())

        let half = try ModelTrainer.train(self.set([Self.composed, "bar"]), quick())
        let report = try DriftReport(self.set([Self.decomposed, "bar"]), model: half.model)
        #expect(report.entries[1].isDrifted)
        #expect(report.entries[1].unseen.map { Array($0.0.utf8) } == [Array(Self.decomposed.utf8)])
    }

    @Test func `a card with a category twice, out of order or miscounted is refused`() throws {
        let trained = try ModelTrainer.train(set([Self.composed, "bar"]), quick())
        let path = try TestEnvironment.temporaryFolder("models") + "/model"
        try ModelDirectory.write(model: trained.bytes, card: trained.card, to: path)
        let text = trained.card.json.text()
        let sound = #""values":["bar","café"],"counts":["#
        #expect(text.contains(sound))
        for (found, replacement) in [
            (sound, #""values":["bar","bar"],"counts":["#), (sound, #""values":["café","bar"],"counts":["#),
            (sound, #""values":["bar"],"counts":["#), (sound, #""values":["bar",7],"counts":["#),
            (sound, #""values":["bar","café"],"counts":[-1,"#), (#""missing":0"#, #""missing":9223372036854775807"#),
            (#""missing":0"#, #""missing":-1"#), (#""threshold":"#, #""threshold":1e999,"x":"#),
            (#""threshold":"#, #""threshold":-0.1,"x":"#), (#""edges":["#, #""edges":[1e999,"#),
            (#""sample":["#, #""sample":[3,2,"#), (#""sample_counts":["#, #""sample_counts":[9223372036854775807,"#),
        ] {
            let changed = text.replacing(found, with: replacement, maxReplacements: 1)
            #expect(changed != text, "\(found)")
            try Data(changed.utf8).write(to: URL(fileURLWithPath: path + "/needletail.json"))
            let error = #expect(throws: ModelError.self, "\(replacement)") { try ScoringModel.load(directory: path) }
            guard case .malformed = error else {
                Issue.record("\(String(describing: error))")
                continue
            }
        }
    }

    @Test func `every damage of one byte of a card is refused or harmless`() throws {
        let trained = try ModelTrainer.train(set([Self.composed, "bar"]), quick())
        let sound = trained.card.json.bytes()
        let recent = set(["bar", "new"])
        var random = SplitMix64(24)
        var refused = 0
        for place in sound.indices {
            var damaged = sound
            damaged[place] = UInt8.random(in: 0...255, using: &random)
            guard let tree = try? JSONTree.parse(damaged), let card = try? ModelCard(tree, file: "card"),
                let model = try? ScoringModel(
                    BoosterModel(json: trained.bytes, file: "model.json"), card: card, version: "1")
            else {
                refused += 1
                continue
            }
            if let report = try? DriftReport(recent, model: model) { _ = report.json.bytes() }
        }
        #expect(refused > sound.count / 3)
    }
}
