import Foundation
public import FeatureEngine
import JSON

/// A model ready to score. Immutable and shared; every thread makes its own `Scorer`.
public final class ScoringModel: Sendable {
    /// The name predictions carry: the registry's version, or the folder's name.
    public let version: String
    /// The feature service whose vectors it takes; empty for a bare model file.
    public let serviceName: String
    /// The definitions it was trained on; empty for a bare model file.
    public let definitionHash: String
    /// A row is called fraud at or above this probability.
    public let threshold: Float
    /// The inputs' names in order.
    public let featureNames: [String]
    /// By feature: the values of a category sorted by bytes, nil for a number.
    public let categories: [[String]?]
    /// Everything else that is known about the model; nil for a bare model file.
    public let card: ModelCard?
    /// What turns a row into a margin.
    public let predictor: Predictor

    let indexes: [CategoryIndex?]  // by feature
    /// The inputs in order.
    var features: [ModelFeature] { zip(featureNames, categories).map { ModelFeature(name: $0, categories: $1) } }

    /// Compiles a model and puts it together with its card.
    public convenience init(_ described: BoosterModel, card: ModelCard?, version: String) throws(ModelError) {
        try self.init(Predictor(described), names: described.featureNames, card: card, version: version)
    }

    init(_ predictor: Predictor, names named: [String], card: ModelCard?, version: String) throws(ModelError) {
        self.predictor = predictor
        self.card = card
        self.version = version
        serviceName = card?.serviceName ?? ""
        definitionHash = card?.definitionHash ?? ""
        threshold = card?.threshold ?? 0.5
        if let card {
            featureNames = card.features.map(\.name)
            guard featureNames.count == predictor.featureCount, named.isEmpty || named == featureNames else {
                throw .mismatch(
                    "model.json and needletail.json do not name the same features: they are of different models")
            }
        } else {
            // The names XGBoost itself gives features without one.
            featureNames = named.isEmpty ? (0..<predictor.featureCount).map { "f\($0)" } : named
        }
        categories = card?.features.map(\.categories) ?? Array(repeating: nil, count: predictor.featureCount)
        var indexes: [CategoryIndex?] = []
        for (name, values) in zip(featureNames, categories) {
            let index = values.map(CategoryIndex.init)
            if let index, index == nil {
                throw .malformed("the model's card", "the categories of \(name) are not sorted by bytes, each once")
            }
            indexes.append(index ?? nil)
        }
        self.indexes = indexes
    }

    /// Reads a model directory, or a bare model file of XGBoost (JSON or UBJ). `version` is its name in the registry; without it the
    /// last part of the path is.
    public static func load(directory path: String, version: String? = nil) throws(ModelError) -> ScoringModel {
        var isDirectory: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else { throw .notFound(path) }
        let name = URL(fileURLWithPath: path).lastPathComponent
        let modelPath = isDirectory.boolValue ? path + "/" + (try modelFile(in: path)) : path
        let described = try BoosterModel(read(modelPath), file: modelPath)
        var card: ModelCard?
        let cardPath = path + "/needletail.json"
        if isDirectory.boolValue, FileManager.default.fileExists(atPath: cardPath) {
            let tree: JSONTree
            do {
                tree = try JSONTree.parse(read(cardPath))
            } catch let error as JSONError {
                throw .malformed(cardPath, error.description)
            } catch {
                throw .notFound(cardPath)
            }
            card = try ModelCard(tree, file: cardPath)
        }
        return try ScoringModel(described, card: card, version: version ?? name)
    }

    /// The model's file in a directory: `model.json`, or what an MLmodel of another writer names as its data. That name is a
    /// path below the directory; one that leads out of it is refused.
    private static func modelFile(in directory: String) throws(ModelError) -> String {
        let usual = "model.json"
        guard !FileManager.default.fileExists(atPath: directory + "/" + usual),
            let description = FileManager.default.contents(atPath: directory + "/MLmodel")
        else { return usual }
        for line in String(decoding: description.prefix(1 << 20), as: UTF8.self).split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count == 2, words[0] == "data:" else { continue }
            let parts = words[1].utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
            guard parts.allSatisfy({ !$0.isEmpty && !$0.elementsEqual("..".utf8) }) else {
                throw .malformed(directory + "/MLmodel", "its data is not a file inside the model's folder")
            }
            return String(words[1])
        }
        return usual
    }

    /// Bytes a file of a model may have: some ten thousand deep trees.
    static let mostBytes = 1 << 30

    private static func read(_ path: String) throws(ModelError) -> [UInt8] {
        let attributes = try? FileManager.default.attributesOfItem(atPath: path)
        guard (attributes?[.size] as? Int ?? 0) <= mostBytes else {
            throw .malformed(path, "it is larger than \(mostBytes >> 20) MiB")
        }
        guard let data = FileManager.default.contents(atPath: path) else { throw .notFound(path) }
        return [UInt8](data)
    }

    /// Whether a probability is called fraud.
    public func isFraud(_ probability: Float) -> Bool { probability >= threshold }

    /// What scores for one thread.
    public func makeScorer() -> Scorer { Scorer(self) }

    /// Refuses definitions the model was not trained on: their values would mean something else.
    public func requireDefinitions(service: String, hash: String) throws(ModelError) {
        guard service == serviceName, hash == definitionHash else {
            throw .mismatch(
                "model \(version) was trained on \(serviceName) with definitions \(definitionHash), not on \(service) with \(hash): `needletail backfill --from-store --to-store`, then `needletail retrain` make one that serves these"
            )
        }
    }
}

/// Scores vectors of a service, for one thread: it reuses its memory. The model's input is the number, or the index of the
/// category; unseen categories are missing.
public struct Scorer: Sendable {
    /// The model.
    public let model: ScoringModel
    private var inputs: ModelInputs

    init(_ model: ScoringModel) {
        self.model = model
        inputs = model.predictor.makeInputs()
    }

    /// The probability of fraud. The vector is in the order of the model's features.
    public mutating func probability(of vector: FeatureVector) -> Float { Predictor.logistic(margin(of: vector)) }

    /// The sum before the logistic function.
    public mutating func margin(of vector: FeatureVector) -> Float {
        load(vector)
        return model.predictor.margin(inputs)
    }

    /// Exact SHAP values of the margin: one a feature into `contributions`, the bias as the result. They add up to the margin.
    public mutating func contributions(of vector: FeatureVector, into contributions: inout [Double]) -> Double {
        load(vector)
        return model.predictor.contributions(&inputs, into: &contributions)
    }

    private mutating func load(_ vector: FeatureVector) {
        precondition(vector.count == model.featureNames.count, "a vector of another service")
        for index in 0..<vector.count {
            if let categories = model.indexes[index] {
                let place = vector.texts[index].flatMap { categories.place(of: $0) }
                inputs.set(index, place.map(Double.init) ?? .nan)
            } else {
                inputs.set(index, vector.numbers[index])
            }
        }
    }
}
