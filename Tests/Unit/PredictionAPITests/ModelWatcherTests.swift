import FraudModel
import Observability
import ServingSupport
import TestSupport
import Testing

@testable import PredictionAPI

@Suite struct ModelWatcherTests {
    private final class Source: ModelSource {
        var location: ModelLocation?
        var error: TestServerError?
        func current() throws -> ModelLocation? {
            if let error { throw error }
            return location
        }
    }

    private final class Seen {
        var outcomes: [String] = []
    }

    /// Writes a model's directory.
    private static func write(_ version: String, hash: String? = nil) throws -> ModelLocation {
        let path = try TestEnvironment.temporaryFolder("model") + "/models with spaces/\(version)"
        let model = try ServingFixture.model(version: version, hash: hash)
        guard let card = model.card else { throw TestServerError("no card") }
        try ModelDirectory.write(model: ServingFixture.modelBytes(), card: card, to: path)
        return ModelLocation(version: version, directory: path)
    }

    @Test func `a champion is loaded once, replaced by the next, and never lost to trouble`() throws {
        let source = Source()
        let seen = Seen()
        let watcher = ModelWatcher(source, ServingFixture.repository, log: .silent) { outcome in
            switch outcome {
            case .load(let served): seen.outcomes.append(served.scoring.version)
            case .none(let reason): seen.outcomes.append(reason)
            }
        }
        watcher.look()
        watcher.look()
        #expect(seen.outcomes == ["no model is registered yet: train one"])
        source.error = TestServerError("connection refused")
        watcher.look()
        #expect(seen.outcomes.last == "the model registry does not answer: connection refused")
        source.error = nil
        source.location = try Self.write("1")
        watcher.look()
        watcher.look()
        #expect(seen.outcomes.dropFirst(2) == ["1"])
        source.error = TestServerError("connection refused")
        watcher.look()
        source.error = nil
        source.location = try Self.write("2", hash: "0123456789abcdef")
        watcher.look()
        source.location = ModelLocation(version: "3", directory: "/nothing here")
        watcher.look()
        source.location = nil
        watcher.look()
        #expect(seen.outcomes.dropFirst(2) == ["1"])
        source.location = try Self.write("4")
        watcher.look()
        #expect(seen.outcomes.dropFirst(2) == ["1", "4"])
    }

    @Test func `a model of other definitions is the reason for not being ready`() throws {
        let source = Source()
        source.location = try Self.write("2", hash: "0123456789abcdef")
        let seen = Seen()
        let watcher = ModelWatcher(source, ServingFixture.repository, log: .silent) { outcome in
            if case .none(let reason) = outcome { seen.outcomes.append(reason) }
        }
        watcher.look()
        watcher.look()
        #expect(seen.outcomes.count == 1)
        #expect(seen.outcomes.first?.contains("0123456789abcdef") == true)
    }
}
