import Foundation
import JSON
import Pipeline
import Synchronization

/// What `serve` knew last, in a small file beside the models: which champion it served of each service, how many partitions
/// each topic has, and how far back its history reaches. With it a start needs neither Postgres nor Kafka to answer.
///
/// The file is a hint and nothing more: what does not read is as good as absent, and what cannot be written is left.
final class ServingMemory: Sendable {
    /// What is remembered.
    struct Content: Equatable, Sendable {
        var champions: [String: ModelLocation] = [:]
        var partitions: [String: Int] = [:]
        var horizons: [String: HistoryHorizon] = [:]
    }

    private let path: String?
    private let content: Mutex<Content>

    /// Remembers nothing.
    init() {
        path = nil
        content = Mutex(Content())
    }

    /// Reads what is in the folder of models.
    init(modelsFolder: String) {
        let path = modelsFolder + "/serve-last-known.json"
        self.path = path
        content = Mutex(Self.read(path) ?? Content())
    }

    /// The champion of a service that was served last; of any, where none is named.
    func champion(of service: String?) -> ModelLocation? { content.withLock { $0.champions[service ?? ""] } }

    /// How many partitions a topic had.
    func partitions(of topic: String) -> Int? { content.withLock { $0.partitions[topic] } }

    /// How far back the history of a topic reached.
    func horizon(of topic: String) -> HistoryHorizon? { content.withLock { $0.horizons[topic] } }

    /// Keeps a champion that is served.
    func keep(champion: ModelLocation, of service: String?) { keep { $0.champions[service ?? ""] = champion } }

    /// Keeps a topic's number of partitions.
    func keep(partitions: Int, of topic: String) { keep { $0.partitions[topic] = partitions } }

    /// Keeps how far back a topic's history reaches.
    func keep(_ horizon: HistoryHorizon, of topic: String) { keep { $0.horizons[topic] = horizon } }

    private func keep(_ change: (inout Content) -> Void) {
        content.withLock { content in
            let before = content
            change(&content)
            guard content != before, let path else { return }
            write(content, path)
        }
    }

    /// Whole or not at all: another process may read at any time.
    private func write(_ content: Content, _ path: String) {
        let tree: JSONTree = [
            "champions": .object(
                content.champions.sorted { $0.key < $1.key }.map { service, model in
                    .init(service, ["version": .string(model.version), "directory": .string(model.directory)])
                }),
            "partitions": .object(
                content.partitions.sorted { $0.key < $1.key }.map { .init($0.key, .number($0.value)) }),
            "history": .object(
                content.horizons.sorted { $0.key < $1.key }.map { topic, horizon in
                    .init(
                        topic,
                        [
                            "removed_before": .number(Int(horizon.removedBefore)),
                            "complete_from": .number(Int(horizon.completeFrom)),
                        ])
                }),
        ]
        let new = path + ".\(getpid())"
        guard (try? Data(tree.bytes()).write(to: URL(fileURLWithPath: new))) != nil else { return }
        if rename(new, path) != 0 { unlink(new) }
    }

    private static func read(_ path: String) -> Content? {
        guard let data = FileManager.default.contents(atPath: path), data.count <= 1 << 20,
            let tree = try? JSONTree.parse(Array(data))
        else { return nil }
        var content = Content()
        for member in tree["champions"]?.object ?? [] {
            guard let version = member.value["version"]?.string, let directory = member.value["directory"]?.string
            else {
                continue
            }
            content.champions[member.key] = ModelLocation(version: version, directory: directory)
        }
        for member in tree["partitions"]?.object ?? [] {
            guard let count = member.value.int, count > 0, count <= 100_000 else { continue }
            content.partitions[member.key] = count
        }
        for member in tree["history"]?.object ?? [] {
            guard let removed = member.value["removed_before"]?.int, let complete = member.value["complete_from"]?.int
            else { continue }
            content.horizons[member.key] = HistoryHorizon(removedBefore: Int64(removed), completeFrom: Int64(complete))
        }
        return content
    }
}
