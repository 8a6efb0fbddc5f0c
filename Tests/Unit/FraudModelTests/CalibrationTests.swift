import FeatureEngine
import Foundation
import GradientBoosting
import TestSupport
import Testing

@testable import FraudModel

@Suite struct CalibrationTests {
    /// Margins whose true probability is logistic(a·margin + b).
    private func sample(_ count: Int, slope: Double, intercept: Double, seed: UInt64) -> ([Float], [Float]) {
        var random = SplitMix64(seed)
        var (margins, labels) = ([Float](), [Float]())
        for _ in 0..<count {
            let margin = random.normal() * 2 - 3
            margins.append(Float(margin))
            labels.append(random.uniform() < PlattScaling.logistic(slope * margin + intercept) ? 1 : 0)
        }
        return (margins, labels)
    }

    @Test(arguments: [(1.0, 0.0), (0.4, 1.5), (2.5, -1.0)])
    func `the slope and intercept that made the labels are found`(slope: Double, intercept: Double) throws {
        let (margins, labels) = sample(60_000, slope: slope, intercept: intercept, seed: 1)
        let found = try #require(PlattScaling(margins: margins, labels: labels))
        #expect(abs(found.slope - slope) < 0.1 * slope)
        #expect(abs(found.intercept - intercept) < 0.15)
    }

    @Test func `too few, one class, no order and no spread are no calibration`() {
        let few = Array(repeating: Float(0), count: 19)
        #expect(PlattScaling(margins: few + few, labels: few.map { _ in 1 } + few) == nil)
        let many = (0..<200).map { Float($0) / 100 }
        #expect(PlattScaling(margins: many, labels: many.map { _ in 0 }) == nil)
        #expect(PlattScaling(margins: many, labels: many.map { $0 < 0.5 ? 1 : 0 }) == nil)
        #expect(PlattScaling(margins: many.map { _ in 1 }, labels: many.map { $0 < 0.5 ? 1 : 0 }) == nil)
        // Parted wholly: Platt's targets keep it finite.
        let parted = PlattScaling(margins: many.map { $0 - 1 }, labels: many.map { $0 < 1 ? 0 : 1 })
        #expect(parted.map { $0.slope.isFinite && $0.slope > 1 } == true)
    }

    private func set(_ count: Int, seed: UInt64) -> TrainingSet {
        var random = SplitMix64(seed)
        var set = TrainingSet(
            serviceName: "s", definitionHash: "0", featureNames: ["a", "b", "c"], kinds: [.number, .number, .category])
        var vector = FeatureVector(count: 3)
        for row in 0..<count {
            let isFraud = random.uniform() < 0.02
            vector.numbers[0] = random.normal() + (isFraud ? 1.2 : 0)
            vector.numbers[1] = random.uniform() < 0.2 ? .nan : random.normal()
            vector.texts[2] = ["x", "y", "z"][Int(random.uniform() * 3)]
            set.append(vector, label: isFraud ? 1 : 0, timeMillis: Int64(row) * 60_000, id: UInt64(row))
        }
        return set
    }

    @Test func `probabilities are shares of frauds to 0.01, and libxgboost says the same bits of the file`() throws {
        let set = set(60_000, seed: 3)
        var parameters = TrainingParameters()
        // Far too few and too slow rounds: without calibration every probability is near a half.
        (parameters.rounds, parameters.depth, parameters.learningRate, parameters.threads) = (12, 3, 0.05, 1)
        var options = TrainingOptions()
        options.fitsBaselines = false
        let trained = try ModelTrainer.train(set, parameters, options: options)
        let scaling = try #require(trained.card.calibration)
        #expect(scaling.slope > 1.5)
        #expect(try #require(trained.card.metrics.calibrationError) <= 0.01)
        let inputs = set.inputs(trained.holdout, for: trained.model.features)
        let reference = try Booster(model: trained.bytes, threads: 1)
        let theirs = try reference.predictMargin(DataMatrix(inputs, columnCount: 3, threads: 1))
        #expect(trained.model.predictor.margins(of: inputs) == theirs)
        // The order of rows is that of the model before: only its margins moved.
        let split = TimeSplit(set)
        let before = try XGBoostTrainer(parameters).fit(
            set.rows(split.fit, for: trained.model.features),
            stopping: set.rows(split.stopping, for: trained.model.features),
            features: trained.model.features
        ) { _, _ in true }
        let unscaled = before.predictor.margins(of: inputs)
        #expect(
            ModelMetrics(
                scores: unscaled.map(Predictor.logistic), labels: trained.holdout.map { set.labels[$0] }, threshold: 0.5
            ).calibrationError.map { $0 > 0.1 } == true)
        for (old, new) in zip(unscaled, theirs) {
            #expect(abs(Double(old) * scaling.slope + scaling.intercept - Double(new)) < 1e-4)
        }
        // A baseline beside it is only measured.
        options.fitsBaselines = true
        let beside = try ModelTrainer.train(set, parameters, options: options)
        #expect(beside.bytes == trained.bytes)
        #expect(beside.card.baselines.map(\.name) == ["logistic"])
        #expect(try #require(beside.card.baselines[0].metrics.averagePrecision) > 0.05)
        #expect(!beside.logistic.isEmpty)
    }

    @Test func `request-only features are fitted beside where some are not`() throws {
        var random = SplitMix64(5)
        var set = TrainingSet(
            serviceName: "s", definitionHash: "0", featureNames: ["view__a", "request__b"], kinds: [.number, .number],
            requestOnly: [1])
        var vector = FeatureVector(count: 2)
        for row in 0..<4_000 {
            let isFraud = random.uniform() < 0.1
            vector.numbers[0] = random.normal() + (isFraud ? 3 : 0)
            vector.numbers[1] = random.normal() + (isFraud ? 1 : 0)
            set.append(vector, label: isFraud ? 1 : 0, timeMillis: Int64(row) * 60_000)
        }
        var parameters = TrainingParameters()
        (parameters.rounds, parameters.depth, parameters.threads) = (20, 3, 1)
        let card = try ModelTrainer.train(set, parameters).card
        #expect(card.baselines.map(\.name) == ["logistic", "request only"])
        #expect(card.baselines.map(\.features) == [2, 1])
        let (all, request) = (card.metrics.averagePrecision ?? 0, card.baselines[1].metrics.averagePrecision ?? 1)
        #expect(all > request + 0.2)
        // What the card says is read back.
        #expect(try ModelCard(card.json, file: "card") == card)
    }

    @Test func `rules of the threshold by hand`() throws {
        let scores: [Float] = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2]
        let labels: [Float] = [1, 1, 0, 1, 0, 0, 0, 0]
        func choose(_ text: String, days: Double = 2, amounts: [Float]? = nil) throws -> Float? {
            try #require(ThresholdRule(text)).choose(scores: scores, labels: labels, days: days, amounts: amounts)?
                .threshold
        }
        #expect(try choose("precision:0.9") == 0.8)
        #expect(try choose("precision:0.7") == 0.6)
        #expect(try choose("fpr:0.1") == 0.8)
        #expect(try choose("fpr:0.2") == 0.6)
        #expect(try choose("alerts:1") == 0.8)
        #expect(try choose("alerts:1.5") == 0.7)
        #expect(try choose("alerts:0.1") == Float(0.9).nextUp)
        // Missed: 100, 10 and 50; an alert costs 20: the second fraud is not worth an alert, the first and third are.
        let amounts: [Float] = [100, 10, 5, 50, 5, 5, 5, 5]
        #expect(try choose("money:20@v__amt", amounts: amounts) == 0.9)
        #expect(try choose("money:4@v__amt", amounts: amounts) == 0.6)
        #expect(try choose("money:200@v__amt", amounts: amounts) == Float(0.9).nextUp)
        #expect(try choose("money:20@v__amt") == nil)
        let noisy = try #require(ThresholdRule("precision:0.9")).choose(
            scores: [0.9, 0.8, 0.7], labels: [0, 1, 0], days: 1, amounts: nil)
        #expect(noisy?.threshold == 0.8)
        #expect(noisy?.words == "best F1: no score has a precision of 0.9")
        for text in [
            "", "precision", "precision:1.5", "fpr:1", "alerts:-1", "money:5", "money:x@y", "f1:1", "alerts:nan",
        ] {
            #expect(ThresholdRule(text) == nil, "\(text)")
        }
        let rules: [(String, ThresholdRule)] = [
            ("precision:0.9", .precision(0.9)), ("fpr:0.001", .falsePositiveRate(0.001)),
            ("alerts:50.0", .alertsADay(50)),
            ("money:5.0@request_features__amt", .money(review: 5, amount: "request_features__amt")),
        ]
        for (text, rule) in rules { #expect(ThresholdRule(text) == rule, "\(text)") }
    }

    @Test func `money goes by a number of the features, and the card says why none set the threshold`() throws {
        /// Every tenth row until `fraudsUntil` is a fraud; its amount is missing.
        func rows(fraudsUntil end: Int) -> TrainingSet {
            var random = SplitMix64(7)
            var set = TrainingSet(
                serviceName: "s", definitionHash: "0", featureNames: ["a", "amt", "shop"],
                kinds: [.number, .number, .category])
            var vector = FeatureVector(count: 3)
            for row in 0..<2_000 {
                let isFraud = row % 10 == 0 && row < end
                vector.numbers[0] = random.normal() + (isFraud ? 2 : 0)
                vector.numbers[1] = isFraud ? .nan : 20 * random.uniform()
                vector.texts[2] = row % 3 == 0 ? "x" : "y"
                set.append(vector, label: isFraud ? 1 : 0, timeMillis: Int64(row) * 60_000)
            }
            return set
        }
        var parameters = TrainingParameters()
        (parameters.rounds, parameters.depth, parameters.threads) = (5, 2, 1)
        var options = TrainingOptions()
        options.fitsBaselines = false
        for name in ["typo", "shop", ""] {
            options.threshold = .money(review: 5, amount: name)
            let refusal = TrainingError.refused("the threshold's \(name) is no number among the features")
            #expect(throws: refusal) {
                try ModelTrainer.train(rows(fraudsUntil: 2_000), parameters, options: options)
            }
        }
        options.threshold = .money(review: 5, amount: "amt")
        let unknown = try ModelTrainer.train(rows(fraudsUntil: 2_000), parameters, options: options).card
        #expect(unknown.threshold == 0.5)
        #expect(
            unknown.thresholdRule == "0.5: the known amounts of the frauds that should set it add up to no more than 0")
        // The rows that set it are later than the 1,000th.
        let none = try ModelTrainer.train(rows(fraudsUntil: 1_000), parameters, options: options).card
        #expect(none.threshold == 0.5)
        #expect(none.thresholdRule == "0.5: the rows that should set it hold no fraud")
    }
}

@Suite struct CrossValidationTests {
    private func set(_ count: Int, fraudEvery: Int) -> TrainingSet {
        var random = SplitMix64(9)
        var set = TrainingSet(serviceName: "s", definitionHash: "0", featureNames: ["a"], kinds: [.number])
        var vector = FeatureVector(count: 1)
        for row in 0..<count {
            let isFraud = row % fraudEvery == 0
            vector.numbers[0] = random.normal() + (isFraud ? 2 : 0)
            set.append(
                vector, label: isFraud ? 1 : 0, timeMillis: Int64(row) * 60_000,
                id: UInt64(row) &* 0x9e37_79b9_7f4a_7c15)
        }
        return set
    }

    @Test func `every row is measured once by class, and only after what was fitted by time`() {
        let set = set(1_000, fraudEvery: 10)
        let split = TimeSplit(set)
        let rows = split.fit + split.stopping
        var measured: [Int] = []
        for fold in 0..<5 {
            let part = CrossValidation.part(fold, of: 5, .stratified, set, rows)
            #expect(Set(part.fit + part.stopping + part.holdout) == Set(rows))
            #expect(part.fit.count + part.stopping.count + part.holdout.count == rows.count)
            #expect(part.holdout.count { set.labels[$0] == 1 } == 16)
            measured += part.holdout
            let later = CrossValidation.part(fold, of: 5, .expanding, set, rows)
            #expect(later.fit.map { set.timesMillis[$0] }.max()! < later.stopping.map { set.timesMillis[$0] }.min()!)
            #expect(
                later.stopping.map { set.timesMillis[$0] }.max()! < later.holdout.map { set.timesMillis[$0] }.min()!)
            #expect(Set(later.holdout).isDisjoint(with: split.holdout))
        }
        #expect(measured.sorted() == rows.sorted())
    }

    @Test func `mean and deviation are those of the folds, the grid begins with what was given`() throws {
        let set = set(3_000, fraudEvery: 10)
        var parameters = TrainingParameters()
        (parameters.rounds, parameters.depth, parameters.threads) = (5, 2, 1)
        for kind in CrossValidation.Kind.allCases {
            let validation = try CrossValidation(
                kind, set, folds: 3, with: parameters, options: .init()
            ) { true }
            #expect(validation.folds.count == 3)
            let spread = try #require(validation.spreads.first { $0.name == "average_precision" })
            let values = validation.folds.compactMap(\.averagePrecision)
            #expect(abs(spread.mean - values.reduce(0, +) / 3) < 1e-12)
            #expect(spread.mean > 0.4 && spread.deviation > 0 && spread.deviation < 0.2)
        }
        #expect(throws: TrainingError.cancelled) {
            try CrossValidation(.expanding, set, folds: 3, with: parameters, options: .init()) { false }
        }
        let grid = ParameterSearch.grid(parameters)
        #expect(grid.count == 19 && grid[0] == parameters && Set(grid).count == 19)
        let search = try ParameterSearch(set, parameters, trials: 3, options: .init()) { _ in true }
        #expect(search.trials.count == 3)
        let best = search.trials.max { ($0.averagePrecision ?? 0) < ($1.averagePrecision ?? 0) }
        #expect(search.best == best?.parameters)
    }
}

@Suite struct RowsFileTests {
    private func set() -> TrainingSet {
        var set = TrainingSet(
            serviceName: "shop", definitionHash: "00ff", featureNames: ["a", "b"], kinds: [.number, .category],
            requestOnly: [1])
        var vector = FeatureVector(count: 2)
        for (row, shop) in ["ü", nil, "a\"b\n", "ü"].enumerated() {
            vector.numbers[0] = row == 2 ? .nan : Double(row) / 3
            vector.texts[1] = shop
            set.append(vector, label: UInt8(row % 2), timeMillis: Int64(row) * 7, id: UInt64(row) << 60)
        }
        return set
    }

    @Test func `rows come back as they were`() throws {
        let path = try TestEnvironment.temporaryFolder("rows") + "/a b/rows"
        let set = set()
        try set.write(to: path)
        let read = try TrainingSet(file: path)
        #expect(read.fingerprint() == set.fingerprint())
        #expect(read.labels == set.labels && read.ids == set.ids && read.timesMillis == set.timesMillis)
        #expect((read.serviceName, read.definitionHash, read.requestOnly.count) == ("shop", "00ff", 1))
        #expect(read.features(in: [0, 1, 2]) == set.features(in: [0, 1, 2]))
    }

    @Test func `a file that is cut off, longer, or holds other values is refused`() throws {
        let path = try TestEnvironment.temporaryFolder("rows") + "/rows"
        try set().write(to: path)
        let bytes = [UInt8](try #require(FileManager.default.contents(atPath: path)))
        for length in [0, 1, 40, bytes.count - 1] {
            #expect(throws: ModelError.self) { try TrainingSet(bytes: Array(bytes[..<length]), file: "rows") }
        }
        #expect(throws: ModelError.self) { try TrainingSet(bytes: bytes + [0], file: "rows") }
        #expect(throws: ModelError.notFound("nowhere")) { try TrainingSet(file: "nowhere") }
        // A category past those there are, an infinite value, a label of 2.
        var other = bytes
        for (offset, value) in [(4, Float(2)), (8, .infinity)] {
            let place = bytes.count - offset
            withUnsafeBytes(of: value) { for index in 0..<4 { other[place + index] = $0[index] } }
            #expect(throws: ModelError.self) { try TrainingSet(bytes: other, file: "rows") }
            other = bytes
        }
        other[bytes.count - 4 * 8 - 1] = 2
        #expect(throws: ModelError.self) { try TrainingSet(bytes: other, file: "rows") }
    }
}
