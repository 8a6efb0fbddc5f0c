import FeatureEngine
import FeatureStore
import Foundation
import Testing

/// Folders of definitions for tests.
enum Repositories {
    static let source = """
        kind: source
        name: tx
        topic: tx
        event_id: id
        event_timestamp: {field: time, format: "yyyy-MM-dd HH:mm:ss"}
        fields: {id: string, time: string, card: string, shop: string, amt: decimal(2), lat: double, note: string?}
        label: {field: fraud, topic: labels, delay: 7d}
        """
    static let view = """
        kind: stream_feature_view
        name: act
        entity: {name: card, join_key: card, type: string}
        source: tx
        aggregations:
          - {column: amt, functions: [count, mean], windows: [1h, 7d]}
        """
    static let onDemand = """
        kind: on_demand_feature_view
        name: req
        inputs: [act, request]
        features:
          amt: amt
          ratio: amt / act.amt_mean_7d
        """
    static let service = """
        kind: feature_service
        name: svc
        features: [act, req]
        """

    /// Loads files written into a fresh folder.
    static func load(
        _ files: [String: String], environment: [String: String] = [:]
    ) throws -> FeatureRepository {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        var files = files
        if files["feature_store.yaml"] == nil { files["feature_store.yaml"] = "project: demo" }
        for (name, text) in files {
            try text.write(to: folder.appendingPathComponent(name), atomically: true, encoding: .utf8)
        }
        return try FeatureRepository.load(directory: folder.path, environment: environment)
    }

    /// Loads a folder as it is.
    static func loadFolder(_ path: String) throws -> FeatureRepository {
        try FeatureRepository.load(directory: path, environment: [:])
    }

    /// The messages of a refused set of files, without the folder's name.
    static func problems(_ files: [String: String], environment: [String: String] = [:]) -> [String] {
        do {
            _ = try load(files, environment: environment)
            return []
        } catch let error as DefinitionError {
            return error.problems.map { problem in
                let folder = problem.file.split(separator: "/").dropLast().joined(separator: "/")
                return problem.description.replacingOccurrences(of: "/\(folder)/", with: "")
            }
        } catch {
            return ["\(error)"]
        }
    }

    /// The good files with one replaced.
    static func problems(replacing file: String, with text: String) -> [String] {
        problems(good.merging([file: text]) { $1 })
    }

    static let good = ["source.yaml": source, "view.yaml": view, "on_demand.yaml": onDemand, "service.yaml": service]

    /// A file of this repository.
    static func folder(_ path: String) -> String {
        var url = URL(fileURLWithPath: #filePath)
        for _ in 0..<4 { url.deleteLastPathComponent() }
        return url.appendingPathComponent(path).path
    }
}
