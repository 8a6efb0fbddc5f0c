import FeatureEngine
public import JSON

/// Recent rows against what a model was trained on: how far each input and the score have moved.
///
/// One has drifted when its stability index reaches 0.2 or, for a number, its Kolmogorov-Smirnov distance 0.5, and the test also
/// rejects "the same distribution" at 1 % after Benjamini and Hochberg's correction over all numbers: the index alone is noisy
/// on few rows, the test alone rejects any difference on many. Missing values, categories never seen in training, and numbers
/// below or above all of training are bins of their own.
public struct DriftReport: Hashable, Sendable {
    /// One input, or the score.
    public struct Entry: Hashable, Sendable {
        /// The feature's name, or `score`.
        public let name: String
        /// The stability index; nil when there is nothing to compare.
        public var stability: Double?
        /// Kolmogorov-Smirnov distance, its p-value by Kolmogorov's limit, and that corrected; nil for a category.
        public var distance: Double?, p: Double?, correctedP: Double?
        /// Share of recent rows without a value, and in training.
        public var missing = 0.0, missingBefore = 0.0
        /// Categories that training never saw, most frequent first, with their rows.
        public var unseen: [(String, Int)] { zip(unseenNames, unseenCounts).map { ($0, $1) } }
        /// Whether it has drifted.
        public var isDrifted = false
        var unseenNames: [String] = [], unseenCounts: [Int] = []
    }

    /// The stability index from which on a distribution has moved.
    static let stabilityLimit = 0.2
    /// The Kolmogorov-Smirnov distance from which on a distribution has moved, whatever its bins say.
    static let distanceLimit = 0.5
    /// The corrected p-value below which two samples differ.
    static let significance = 0.01
    /// Recent rows below which nothing is decided.
    public static let leastRows = 500

    /// The version of the model.
    public let modelVersion: String
    /// Recent rows, and their event times, ms UTC.
    public let rows: Int, fromMillis: Int64, toMillis: Int64
    /// The score first, then the inputs in order.
    public private(set) var entries: [Entry]

    /// How the model does where labels have arrived; nil where they were not looked at.
    public private(set) var decay: PerformanceDecay?

    /// Whether there were rows enough to decide.
    public var isDecided: Bool { rows >= Self.leastRows }
    /// Whether the score or an input has drifted, or the model has become worse.
    public var isDrifted: Bool { (isDecided && entries.contains(where: \.isDrifted)) || decay?.isDecayed == true }

    /// Compares rows with the model's reference. The rows are of the model's definitions; their labels play no part. `labelled` are
    /// those of them whose label has arrived.
    public init(_ recent: TrainingSet, labelled: TrainingSet? = nil, model: ScoringModel) throws(ModelError) {
        guard let card = model.card else {
            throw .unsupported("model \(model.version) has no reference distributions: it was not trained here")
        }
        let rows = Array(0..<recent.count)
        modelVersion = model.version
        self.rows = rows.count
        fromMillis = recent.timesMillis.min() ?? 0
        toMillis = recent.timesMillis.max() ?? 0
        let scores = try recent.probabilities(rows, of: model)
        entries = [Self.compare("score", scores, card.scoreReference)]
        let columns = recent.featureNames.count
        for (index, name) in recent.featureNames.enumerated() {
            let column = stride(from: index, to: recent.values.count, by: columns).map { recent.values[$0] }
            if let names = recent.occurring[index] {
                entries.append(Self.compare(name, column, names, card.reference[index]))
            } else {
                entries.append(Self.compare(name, column, card.reference[index]))
            }
        }
        decide()
        decay = try labelled.map { (set) throws(ModelError) in try PerformanceDecay(set, model: model, card: card) }
    }

    private mutating func decide() {
        let tested = entries.indices.filter { entries[$0].p != nil }
        let corrected = PopulationStability.benjaminiHochberg(tested.compactMap { entries[$0].p })
        for (index, p) in zip(tested, corrected) { entries[index].correctedP = p }
        guard isDecided else { return }
        for index in entries.indices {
            let hasMoved =
                (entries[index].stability ?? 0) >= Self.stabilityLimit
                || (entries[index].distance ?? 0) >= Self.distanceLimit
            // A value that went missing moves the index and leaves the present values, which are all the test sees, as they were.
            let isMissing = abs(entries[index].missing - entries[index].missingBefore) >= 0.1
            let differs = entries[index].correctedP.map { $0 < Self.significance } ?? true
            entries[index].isDrifted = hasMoved && (differs || isMissing)
        }
    }

    private static func compare(_ name: String, _ values: [Float], _ reference: ReferenceDistribution) -> Entry {
        var entry = Entry(name: name)
        guard case .number(let sample, let edges, let counts, let missing) = reference else { return entry }
        let present = values.filter { !$0.isNaN }
        entry.stability = PopulationStability.index(
            expected: counts + [missing],
            actual: ReferenceDistribution.histogram(present, edges) + [values.count - present.count])
        if let test = KolmogorovSmirnov.test(sample, .init(present.lazy.map(Double.init))) {
            (entry.distance, entry.p) = (test.d, test.p)
        }
        setMissing(&entry, values.count - present.count, of: values.count, missing, of: counts.reduce(missing, +))
        return entry
    }

    private static func compare(
        _ name: String, _ codes: [Float], _ names: [String], _ reference: ReferenceDistribution
    ) -> Entry {
        var entry = Entry(name: name)
        guard case .category(let values, let counts, let missing) = reference else { return entry }
        let known = CategoryIndex(values)
        let places = names.map { known?.place(of: $0) }
        var recent = Array(repeating: 0, count: values.count)
        var unseen: [Int: Int] = [:]  // by code: the names of the recent rows differ in their bytes
        var absent = 0
        for code in codes {
            guard !code.isNaN else {
                absent += 1
                continue
            }
            if let place = places[Int(code)] { recent[place] += 1 } else { unseen[Int(code), default: 0] += 1 }
        }
        entry.stability = PopulationStability.index(
            expected: counts + [0, missing], actual: recent + [unseen.values.reduce(0, +), absent])
        let sorted = unseen.map { (name: ByteString(names[$0.key]), rows: $0.value) }
            .sorted { ($1.rows, $0.name) < ($0.rows, $1.name) }
        (entry.unseenNames, entry.unseenCounts) = (sorted.map(\.name.description), sorted.map(\.rows))
        setMissing(&entry, absent, of: codes.count, missing, of: counts.reduce(missing, +))
        return entry
    }

    private static func setMissing(_ entry: inout Entry, _ now: Int, of rows: Int, _ before: Int, of all: Int) {
        entry.missing = rows == 0 ? 0 : Double(now) / Double(rows)
        entry.missingBefore = all == 0 ? 0 : Double(before) / Double(all)
    }

    /// The report as JSON.
    public var json: JSONTree {
        func number(_ value: Double?) -> JSONTree { value.map { .number($0) } ?? .null }
        return [
            "model_version": .string(modelVersion), "rows": .number(rows),
            "from": .number(String(fromMillis)), "to": .number(String(toMillis)),
            "decided": .bool(isDecided), "drifted": .bool(isDrifted), "decay": decay?.json ?? .null,
            "entries": .array(
                entries.map { entry in
                    [
                        "name": .string(entry.name), "drifted": .bool(entry.isDrifted), "psi": number(entry.stability),
                        "ks": number(entry.distance), "p": number(entry.p), "p_corrected": number(entry.correctedP),
                        "missing": .number(entry.missing), "missing_before": .number(entry.missingBefore),
                        "unseen": .object(entry.unseen.map { .init($0.0, .number($0.1)) }),
                    ]
                }),
        ]
    }
}
