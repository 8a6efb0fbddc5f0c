internal import Foundation
internal import JSON

/// What of a training goes to an MLflow server.
public struct MLflowRecord: Sendable {
    /// The experiment and the run, by name.
    public var experiment = "needletail", run = "train"
    /// Who trained.
    public var user = ""
    /// What decided the model.
    public var parameters: [(String, String)] = []
    /// What was measured.
    public var metrics: [(String, Double)] = []
    /// What else is known.
    public var tags: [(String, String)] = []
    /// The model's folder.
    public var folder = ""
    /// The registry's version; nil where the model was not registered.
    public var version: String?
    /// The alias that the model has now.
    public var alias: String?

    /// An empty record.
    public init() {}
}

/// Writes a trained model to an MLflow server as a run with its files, a version of a registered model, and an alias.
public struct MLflowTracking: Sendable {
    /// The tag of a version that says which version of Needletail's registry it is.
    static let versionTag = "needletail.version"

    private let client: MLflowClient
    private let modelName: String

    /// Writes by a client, versions of a registered model.
    public init(_ client: MLflowClient, modelName: String) { (self.client, self.modelName) = (client, modelName) }

    /// Writes a record; returns MLflow's version of the model, nil where it is registered nowhere. A run that was begun is ended as
    /// failed when something refuses, or when `isGoingOn` says no between two calls: many slow answers add up.
    public func log(
        _ record: MLflowRecord, nowMillis: Int64, while isGoingOn: () -> Bool = { true }
    ) throws(MLflowError) -> String? {
        let experiment = try experiment(record.experiment)
        let tags = record.tags + [("mlflow.user", record.user), ("mlflow.source.name", "needletail \(record.run)")]
        let made = try client.call(
            "POST", "runs/create",
            [
                "experiment_id": .string(experiment), "run_name": .string(record.run),
                "start_time": .number(String(nowMillis)), "tags": Self.pairs(tags),
            ])
        guard let run = made["run"]?["info"]?["run_id"]?.string,
            let address = made["run"]?["info"]?["artifact_uri"]?.string
        else { throw .unexpected("a run without an id") }
        do throws(MLflowError) {
            let version = try fill(run, address, record, nowMillis, isGoingOn)
            try end(run, "FINISHED", nowMillis)
            return version
        } catch {
            try? end(run, "FAILED", nowMillis)
            throw error
        }
    }

    /// Gives an alias to the version that another registry knows under its own number; false where the server has none of it.
    public func move(alias: String, toVersion version: String) throws(MLflowError) -> Bool {
        let found = try client.call(
            "GET", "model-versions/search", query: [("filter", "name='\(modelName)'"), ("max_results", "1000")])
        let match = (found["model_versions"]?.array ?? []).first { candidate in
            (candidate["tags"]?.array ?? []).contains {
                $0["key"]?.string == Self.versionTag && $0["value"]?.string == version
            }
        }
        guard let name = match?["version"]?.string else { return false }
        try set(alias, name)
        return true
    }

    private func fill(
        _ run: String, _ address: String, _ record: MLflowRecord, _ nowMillis: Int64, _ isGoingOn: () -> Bool
    ) throws(MLflowError) -> String? {
        let metrics = record.metrics.map { name, value -> JSONTree in
            [
                "key": .string(name), "value": .number(value), "timestamp": .number(String(nowMillis)),
                "step": .number(0),
            ]
        }
        // A value may have 6,000 characters there.
        let parameters = record.parameters.map { ($0.0, String($0.1.prefix(5_000))) }
        _ = try client.call(
            "POST", "runs/log-batch",
            ["run_id": .string(run), "params": Self.pairs(parameters), "metrics": .array(metrics)])
        guard let store = Self.store(address) else {
            throw .unexpected("artifacts at \(address); a server with --artifacts-destination keeps them")
        }
        for file in try Self.files(record.folder) {
            guard isGoingOn() else { throw .unreachable("too slow, or no longer wanted") }
            try client.upload(file.bytes, to: "\(store)/model/\(file.path)")
        }
        guard let version = record.version else { return nil }
        do throws(MLflowError) {
            _ = try client.call("POST", "registered-models/create", ["name": .string(modelName)])
        } catch {
            guard case .refused(_, "RESOURCE_ALREADY_EXISTS", _) = error else { throw error }
        }
        let made = try client.call(
            "POST", "model-versions/create",
            [
                "name": .string(modelName), "source": .string("\(address)/model"), "run_id": .string(run),
                "tags": Self.pairs(record.tags + [(Self.versionTag, version)]),
            ])
        guard let name = made["model_version"]?["version"]?.string else {
            throw .unexpected("a version without a number")
        }
        if let alias = record.alias { try set(alias, name) }
        return name
    }

    private func set(_ alias: String, _ version: String) throws(MLflowError) {
        _ = try client.call(
            "POST", "registered-models/alias",
            ["name": .string(modelName), "alias": .string(alias), "version": .string(version)])
    }

    private func end(_ run: String, _ status: String, _ nowMillis: Int64) throws(MLflowError) {
        _ = try client.call(
            "POST", "runs/update",
            ["run_id": .string(run), "status": .string(status), "end_time": .number(String(nowMillis))])
    }

    private func experiment(_ name: String) throws(MLflowError) -> String {
        do throws(MLflowError) {
            let made = try client.call("POST", "experiments/create", ["name": .string(name)])
            guard let id = made["experiment_id"]?.string else { throw .unexpected("an experiment without an id") }
            return id
        } catch {
            guard case .refused(_, "RESOURCE_ALREADY_EXISTS", _) = error else { throw error }
        }
        let found = try client.call("GET", "experiments/get-by-name", query: [("experiment_name", name)])
        guard let id = found["experiment"]?["experiment_id"]?.string else {
            throw .unexpected("an experiment without an id")
        }
        return id
    }

    private static func pairs(_ pairs: [(String, String)]) -> JSONTree {
        .array(pairs.map { ["key": .string($0), "value": .string($1)] })
    }

    /// The path of a run's artifacts in the store that the server keeps, from `mlflow-artifacts:/2/<run>/artifacts`.
    static func store(_ address: String) -> String? {
        guard address.hasPrefix("mlflow-artifacts:/") else { return nil }
        let path = address.dropFirst("mlflow-artifacts:".count).drop { $0 == "/" }
        return path.isEmpty ? nil : String(path)
    }

    private static func files(_ folder: String) throws(MLflowError) -> [(path: String, bytes: [UInt8])] {
        let names = FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []
        var files: [(path: String, bytes: [UInt8])] = []
        for name in names.sorted() {
            var isFolder: ObjCBool = false
            let path = folder + "/" + name
            guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), !isFolder.boolValue else {
                continue
            }
            guard let data = FileManager.default.contents(atPath: path) else {
                throw .unexpected("\(path) cannot be read")
            }
            files.append((name, [UInt8](data)))
        }
        return files
    }
}
