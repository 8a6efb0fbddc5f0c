/// One part of the rows a model is made from, as the model takes them.
struct TrainingRows: Sendable {
    /// Rows one after the other; NaN is missing, a category is the index of its value.
    let inputs: [Float]
    /// One a row, 1 for fraud.
    let labels: [Float]

    var count: Int { labels.count }
}

/// What a trainer made.
struct FittedModel: Sendable {
    /// Ready to score.
    let predictor: Predictor
    /// The model's file.
    let bytes: [UInt8]
    /// Rounds the model was cut to, or steps that its fitting took.
    let rounds: Int
}

/// Fits one kind of model. The rows are split already, so that every kind is fitted and measured on the same.
protocol Trainer: Sendable {
    /// What decides the model, by the names of the library that fits it.
    var named: [String: String] { get }

    /// Fits on `rows`; `stopping` may end the fitting and is not fitted on. `progress` hears of each round with the average precision
    /// on the rows that stop, and returns whether to go on.
    func fit(
        _ rows: TrainingRows, stopping: TrainingRows, features: [ModelFeature],
        progress: (_ round: Int, _ averagePrecision: Double?) -> Bool
    ) throws(TrainingError) -> FittedModel
}

/// Why no model was made.
public enum TrainingError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The rows cannot teach anything; the sentence says why.
    case refused(String)
    /// The caller wanted to stop.
    case cancelled
    /// The library that fits refused; its sentence.
    case library(String)
    /// The trained model could not be compiled.
    case model(ModelError)

    public var description: String {
        switch self {
        case .refused(let reason), .library(let reason): reason
        case .cancelled: "the training was stopped"
        case .model(let error): error.description
        }
    }
}
