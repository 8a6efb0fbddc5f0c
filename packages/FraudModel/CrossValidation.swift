internal import FeatureEngine
internal import JSON

/// Measures a way of fitting several times, on other rows each time: how much of a figure is luck.
///
/// Both kinds leave the holdout alone. Stratified folds take every class apart by a hash of the event, so every row is measured once
/// by a model that was not fitted on it, among rows of the same time: flattering, and the usual figure to compare with
/// others' work. Expanding folds cut time into k + 1 spans and measure on each but the first with what was known before it:
///
///     fold 1  fit ── │ test ──                        fold 2  fit ── ── ── │ test ──                  (oldest → newest)
public struct CrossValidation: Sendable {
    /// How rows become folds.
    public enum Kind: String, Sendable, CaseIterable {
        /// By class, at random.
        case stratified
        /// By time.
        case expanding
    }

    /// One metric over the folds.
    public struct Spread: Hashable, Sendable {
        /// The metric's name, as `ModelMetrics.json` has it.
        public let name: String
        /// The mean of the folds, and the standard deviation between them.
        public let mean: Double, deviation: Double
    }

    /// How the rows became folds.
    public let kind: Kind
    /// The metrics of each fold that could be measured.
    public private(set) var folds: [ModelMetrics] = []

    /// Fits and measures `count` times on the rows before the holdout. A fold without both classes to fit on is left out.
    public init(
        _ kind: Kind, _ set: TrainingSet, folds count: Int, with parameters: TrainingParameters,
        options: TrainingOptions, isGoingOn: () -> Bool
    ) throws(TrainingError) {
        precondition(count >= 2, "one fold is no fold")
        self.kind = kind
        let split = TimeSplit(set, holdoutFromMillis: options.holdoutFromMillis)
        for fold in 0..<count {
            let part = Self.part(fold, of: count, kind, set, split.fit + split.stopping)
            let frauds = part.fit.count { set.labels[$0] == 1 }
            guard frauds > 0, frauds < part.fit.count, !part.holdout.isEmpty else { continue }
            folds.append(try ModelTrainer.metrics(set, part, XGBoostTrainer(parameters), isGoingOn: isGoingOn).metrics)
        }
    }

    /// Mean and deviation of each metric over the folds that have it.
    public var spreads: [Spread] {
        let names = folds.first?.json.object?.map(\.key) ?? []
        return names.filter { !["rows", "frauds", "precision", "recall", "f1"].contains($0) }.compactMap { name in
            let values = folds.compactMap { $0.json[name]?.double }
            guard values.count > 1 else { return nil }
            let mean = values.reduce(0, +) / Double(values.count)
            let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
            return Spread(name: name, mean: mean, deviation: (squares / Double(values.count - 1)).squareRoot())
        }
    }

    /// Rows to fit on, to stop by and to measure on. `rows` are oldest first. What stops is the newest eighth of what is not measured
    /// on; in stratified folds a hashed eighth.
    static func part(_ fold: Int, of count: Int, _ kind: Kind, _ set: TrainingSet, _ rows: [Int]) -> TimeSplit {
        switch kind {
        case .stratified:
            let folds = stratified(set, rows, count)
            let measured = zip(rows, folds).filter { $0.1 == fold }.map(\.0)
            let rest = zip(rows, folds).filter { $0.1 != fold }.map(\.0)
            let eighths = stratified(set, rest, 8)
            return TimeSplit(
                fit: zip(rest, eighths).filter { $0.1 != 0 }.map(\.0),
                stopping: zip(rest, eighths).filter { $0.1 == 0 }.map(\.0), holdout: measured)
        case .expanding:
            guard let oldest = rows.first.map({ set.timesMillis[$0] }),
                let newest = rows.last.map({ set.timesMillis[$0] })
            else { return TimeSplit(fit: [], stopping: [], holdout: []) }
            func border(_ span: Int) -> Int64 { oldest + (newest + 1 - oldest) / Int64(count + 1) * Int64(span) }
            let (from, to) = (border(fold + 1), fold + 1 == count ? Int64.max : border(fold + 2))
            let stoppingFrom = from - (from - oldest) / 8
            return TimeSplit(
                fit: rows.filter { set.timesMillis[$0] < stoppingFrom },
                stopping: rows.filter { (stoppingFrom..<from).contains(set.timesMillis[$0]) },
                holdout: rows.filter { (from..<to).contains(set.timesMillis[$0]) })
        }
    }

    /// The fold of each row: every class dealt round in an order that is random and always the same.
    private static func stratified(_ set: TrainingSet, _ rows: [Int], _ count: Int) -> [Int] {
        var folds = Array(repeating: 0, count: rows.count)
        func mixed(_ row: Int) -> UInt64 {
            var hash = FNV1a64()
            withUnsafeBytes(of: set.ids[row]) { hash.combine($0) }
            withUnsafeBytes(of: set.timesMillis[row]) { hash.combine($0) }
            return hash.value
        }
        for label: Float in [0, 1] {
            let ofClass = rows.indices.filter { set.labels[rows[$0]] == label }
            let keys = ofClass.map { mixed(rows[$0]) }
            for (place, index) in ofClass.indices.sorted(by: { (keys[$0], $0) < (keys[$1], $1) }).enumerated() {
                folds[ofClass[index]] = place % count
            }
        }
        return folds
    }
}

/// Tries parameters of a stated grid, the defaults first, and takes those that rank the stopping rows best. The holdout plays no part.
public struct ParameterSearch: Sendable {
    /// The values that are tried of each parameter.
    static let depths = [4, 6, 8], learningRates = [0.05, 0.1, 0.2], subsamples = [0.8, 1.0]

    /// One set of parameters and what it reached.
    public struct Trial: Sendable {
        /// What was fitted with.
        public let parameters: TrainingParameters
        /// The average precision on the stopping rows; nil where they hold no fraud.
        public let averagePrecision: Double?
        /// Rounds to the best one.
        public let rounds: Int
    }

    /// In the order they were tried.
    public private(set) var trials: [Trial] = []

    /// The best trial's parameters; the first where nothing tells them apart.
    public var best: TrainingParameters? {
        trials.reduce(nil as Trial?) { best, trial in
            guard let best else { return trial }
            return (trial.averagePrecision ?? -1) > (best.averagePrecision ?? -1) ? trial : best
        }?.parameters
    }

    /// Tries at most `count` points of the grid around `parameters`.
    public init(
        _ set: TrainingSet, _ parameters: TrainingParameters, trials count: Int, options: TrainingOptions,
        progress: (_ trial: Int) -> Bool
    ) throws(TrainingError) {
        let split = TimeSplit(set, holdoutFromMillis: options.holdoutFromMillis)
        let measured = TimeSplit(fit: split.fit, stopping: split.stopping, holdout: split.stopping)
        for point in Self.grid(parameters).prefix(count) {
            let (metrics, fitted) = try ModelTrainer.metrics(set, measured, XGBoostTrainer(point)) {
                progress(trials.count)
            }
            trials.append(Trial(parameters: point, averagePrecision: metrics.averagePrecision, rounds: fitted.rounds))
        }
    }

    /// The grid's points: `parameters` as they are, then the others in an order of the seed.
    static func grid(_ parameters: TrainingParameters) -> [TrainingParameters] {
        var points: [(key: UInt64, point: TrainingParameters)] = []
        for depth in depths {
            for learningRate in learningRates {
                for subsample in subsamples {
                    var point = parameters
                    (point.depth, point.learningRate, point.subsample) = (depth, learningRate, subsample)
                    guard point != parameters else { continue }
                    var hash = FNV1a64()
                    hash.combine("\(parameters.seed) \(depth) \(learningRate) \(subsample)".utf8)
                    points.append((hash.value, point))
                }
            }
        }
        return [parameters] + points.sorted { $0.key < $1.key }.map(\.point)
    }
}
