import FeatureEngine
import FeatureStore
import FraudModel
import JSON
import PostgresClient
import PostgresOfflineStore

/// Explains scores with the models they are of: keeps the last one that was read. Confined to one thread.
final class Reasons {
    private let repository: FeatureRepository
    private let modelsFolder: String
    private var kept: (version: String, model: ScoringModel)?

    init(_ repository: FeatureRepository, modelsFolder: String) {
        self.repository = repository
        self.modelsFolder = modelsFolder
    }

    /// Fills in what each feature did to the score, or why that is not known.
    func explain(_ logged: CaseQueries.Logged, _ connection: PostgresConnection, _ columns: PredictionColumns)
        -> CaseFile
    {
        var file = logged.file
        guard let service = repository.service(named: logged.service) else {
            file.reasonsRemark = "the definitions have no service \(logged.service)"
            return file
        }
        let version = file.row.prediction.modelVersion
        guard let values = logged.vector.array, values.count == service.featureNames.count else {
            file.reasonsRemark = "its features are of other definitions"
            return file
        }
        do {
            let model = try model(version, connection)
            guard model.featureNames.map(ByteString.init) == service.featureNames.map(ByteString.init) else {
                file.reasonsRemark = "model \(version) has other features than the service"
                return file
            }
            var vector = service.makeVector()
            for (index, value) in values.enumerated() {
                vector.numbers[index] = value.double ?? value.bool.map { $0 ? 1 : 0 } ?? .nan
                vector.texts[index] = value.string
            }
            var effects = [Double](repeating: 0, count: values.count)
            var scorer = model.makeScorer()
            _ = scorer.contributions(of: vector, into: &effects)
            file.contributions = values.indices.map { index in
                Contribution(
                    feature: service.featureNames[index],
                    value: columns.shown(Self.text(values[index]), of: Self.column(service.featureNames[index])),
                    effect: effects[index])
            }.sorted { $0.effect.magnitude > $1.effect.magnitude }
        } catch {
            file.reasonsRemark = "model \(version) cannot be read: \(error)"
        }
        return file
    }

    private func model(_ version: String, _ connection: PostgresConnection) throws -> ScoringModel {
        if let kept, kept.version == version { return kept.model }
        let registry = ModelRegistry(connection, modelsFolder: modelsFolder)
        let folder = try Int64(version).flatMap { try registry.model(version: $0) }.map(registry.directory(of:))
        let model = try ScoringModel.load(directory: folder ?? "\(modelsFolder)/\(version)", version: version)
        kept = (version, model)
        return model
    }

    /// The field that a feature may be the value of: its name behind that of its view.
    private static func column(_ feature: String) -> String {
        feature.firstRange(of: "__").map { String(feature[$0.upperBound...]) } ?? feature
    }

    private static func text(_ value: JSONTree) -> String {
        switch value {
        case .string(let text): text
        case .number(let text): Double(text).map { decimal($0, $0 == $0.rounded() ? 0 : 3) } ?? text
        case .bool(let flag): flag ? "true" : "false"
        default: "missing"
        }
    }
}
