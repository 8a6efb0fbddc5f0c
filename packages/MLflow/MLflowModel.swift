internal import Foundation
internal import JSON

/// A model by the name MLflow's clients give it: `models:/NAME/VERSION` or `models:/NAME@ALIAS`.
public struct MLflowModel: Hashable, Sendable {
    /// Which of its versions.
    enum Choice: Hashable, Sendable {
        case version(String)
        case alias(String)
    }
    let name: String
    let choice: Choice

    /// Files and folders, bytes, and names of a path, that a model's folder may have.
    private static let mostFiles = 1_000, mostBytes = MLflowClient.mostFileBytes, mostParts = 64

    /// Reads a name; nil for anything else.
    public init?(_ text: String) {
        guard text.hasPrefix("models:/") else { return nil }
        let rest = text.dropFirst("models:/".count)
        if let at = rest.lastIndex(of: "@") {
            (name, choice) = (String(rest[..<at]), .alias(String(rest[rest.index(after: at)...])))
        } else if let slash = rest.lastIndex(of: "/") {
            let version = rest[rest.index(after: slash)...]
            guard version.utf8.allSatisfy({ (0x30...0x39).contains($0) }), !version.isEmpty else { return nil }
            (name, choice) = (String(rest[..<slash]), .version(String(version)))
        } else {
            return nil
        }
        let isAliased = if case .alias(let alias) = choice { !alias.isEmpty } else { true }
        guard !name.isEmpty, !name.contains("/"), isAliased else { return nil }
    }

    /// The version that the name stands for now, and where its files are in the server's store.
    public func resolve(by client: MLflowClient) throws(MLflowError) -> (version: String, store: String) {
        let found: JSONTree
        switch choice {
        case .version(let version):
            found = try client.call("GET", "model-versions/get", query: [("name", name), ("version", version)])
        case .alias(let alias):
            found = try client.call("GET", "registered-models/alias", query: [("name", name), ("alias", alias)])
        }
        guard let version = found["model_version"]?["version"]?.string,
            let source = found["model_version"]?["source"]?.string
        else { throw .unexpected("a model without a version") }
        // `runs:/<run>/model` is below that run's artifacts.
        if source.hasPrefix("runs:/") {
            let parts = source.dropFirst("runs:/".count).split(separator: "/", maxSplits: 1)
            guard parts.count == 2 else { throw .unexpected("the source \(source)") }
            let run = try client.call("GET", "runs/get", query: [("run_id", String(parts[0]))])
            guard let store = run["run"]?["info"]?["artifact_uri"]?.string.flatMap(MLflowTracking.store) else {
                throw .unexpected("the source \(source)")
            }
            return (version, "\(store)/\(parts[1])")
        }
        guard let store = MLflowTracking.store(source) else { throw .unexpected("the source \(source)") }
        return (version, store)
    }

    /// Fetches the files below `store` into a folder, which is there whole or not at all, and stays as it is where it is there. Names
    /// that lead out of it are refused.
    public static func fetch(_ store: String, to folder: String, by client: MLflowClient) throws(MLflowError) {
        guard !store.split(separator: "/").contains("..") else { throw .unexpected("the store \(store)") }
        var (folders, files, seen) = ([store], [String](), 0)
        while let next = folders.popLast() {
            for entry in try client.list(next) {
                let parts = entry.path.split(separator: "/")
                guard !parts.contains(".."), parts.count <= mostParts else {
                    throw .unexpected("the file \(entry.path)")
                }
                if entry.isFolder { folders.append(entry.path) } else { files.append(entry.path) }
                seen += 1
                guard seen <= mostFiles else { throw .unexpected("more than \(mostFiles) files and folders") }
            }
        }
        guard !files.isEmpty else { throw .unexpected("no file below \(store)") }
        // Another process may fetch the same.
        let partial = folder + ".\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: partial) }
        var bytes = 0
        do {
            for path in files {
                let file = URL(fileURLWithPath: partial + "/" + path.dropFirst(store.count + 1))
                let data = try client.download(path)
                bytes += data.count
                guard bytes <= mostBytes else { throw MLflowError.unexpected("a folder of more than 1 GiB") }
                try FileManager.default.createDirectory(
                    at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
                try Data(data).write(to: file)
            }
            guard !FileManager.default.fileExists(atPath: folder) else { return }
            try FileManager.default.moveItem(atPath: partial, toPath: folder)
        } catch let error as MLflowError {
            throw error
        } catch {
            throw .unexpected("\(folder) cannot be written: \(error.localizedDescription)")
        }
    }
}
