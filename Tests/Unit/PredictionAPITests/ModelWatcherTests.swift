import Foundation
import FraudModel
import Observability
import Pipeline
import ServingSupport
import Synchronization
import TestSupport
import Testing

@testable import PredictionAPI

@Suite struct ModelWatcherTests {
    private final class Source: ModelSource {
        var location: ModelLocation?
        var error: TestServerError?
        var remembered: ModelLocation?
        func remember(_ model: ModelLocation) { remembered = model }
        func current() throws -> ModelLocation? {
            if let error { throw error }
            return location
        }
    }

    private final class Seen {
        var outcomes: [String] = []
        var champion: String?
    }

    /// Writes a model's directory.
    private static func write(_ version: String, hash: String? = nil, to folder: String? = nil) throws -> ModelLocation
    {
        let path = try folder ?? TestEnvironment.temporaryFolder("model") + "/models with spaces/\(version)"
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
            case .champion(let other): seen.champion = other
            }
        }
        watcher.look()
        watcher.look()
        #expect(seen.outcomes == ["no model is registered yet: train one"])
        source.error = TestServerError("connection refused")
        watcher.look()
        #expect(seen.outcomes.last == "the model registry does not answer")
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

    private static func watch(_ source: Source, _ seen: Seen) -> ModelWatcher {
        ModelWatcher(source, ServingFixture.repository, log: .silent) { outcome in
            switch outcome {
            case .load(let served): seen.outcomes.append("\(served.scoring.version) \(served.scoring.threshold)")
            case .none(let reason): seen.outcomes.append(reason)
            case .champion(let other): seen.champion = other
            }
        }
    }

    @Test func `a model whose folder comes later is tried again, less and less often, and at once when it is there`()
        throws
    {
        let (source, seen) = (Source(), Seen())
        let folder = try TestEnvironment.temporaryFolder("late") + "/secret place/1"
        source.location = ModelLocation(version: "1", directory: folder)
        let watcher = Self.watch(source, seen)
        for second in 0..<10 { watcher.look(nowMillis: Int64(second) * 1_000) }
        #expect(seen.outcomes == ["model 1 cannot be read"])
        _ = try Self.write("1", to: folder)
        watcher.look(nowMillis: 9_001)
        #expect(seen.outcomes == ["model 1 cannot be read", "1 0.5"])
    }

    @Test func `a model that cannot be read for a reason that passes is read when it has passed`() throws {
        let (source, seen) = (Source(), Seen())
        source.location = try Self.write("1")
        let file = try #require(source.location).directory + "/model.json"
        let whole = try #require(FileManager.default.contents(atPath: file))
        // The same size and time of change, so that only the passing of time brings another try.
        var status = stat()
        #expect(stat(file, &status) == 0)
        var broken = whole
        broken[broken.count - 2] = 0x20
        func put(_ data: Data) throws {
            let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: file))
            try handle.write(contentsOf: data)
            try handle.close()
            var times = [status.st_atim, status.st_mtim]
            #expect(utimensat(AT_FDCWD, file, &times, 0) == 0)
        }
        try put(broken)
        let watcher = Self.watch(source, seen)
        watcher.look(nowMillis: 0)
        try put(whole)
        watcher.look(nowMillis: 999)
        #expect(seen.outcomes == ["model 1 cannot be read"])
        watcher.look(nowMillis: 1_000)
        #expect(seen.outcomes.last == "1 0.5")
    }

    @Test func `another model put into the same folder is seen`() throws {
        let (source, seen) = (Source(), Seen())
        let location = try Self.write("1")
        source.location = location
        let watcher = Self.watch(source, seen)
        watcher.look()
        watcher.look()
        let card = location.directory + "/needletail.json"
        let text = try String(contentsOfFile: card, encoding: .utf8)
        try text.replacing("\"threshold\":0.5", with: "\"threshold\":0.25").write(
            toFile: card, atomically: true, encoding: .utf8)
        watcher.look()
        watcher.look()
        #expect(seen.outcomes == ["1 0.5", "1 0.25"])
    }

    @Test func `the model of the last run serves while the registry is away, and its champion is told apart`() throws {
        let (source, seen) = (Source(), Seen())
        source.remembered = try Self.write("1")
        source.error = TestServerError("connection to server at 10.1.2.3 refused")
        let watcher = Self.watch(source, seen)
        watcher.begin()
        watcher.look()
        #expect(seen.outcomes == ["1 0.5"])
        source.error = nil
        source.location = try Self.write("2", hash: "0123456789abcdef")
        watcher.look()
        #expect(seen.outcomes == ["1 0.5"] && seen.champion == "2")
        source.location = try Self.write("3")
        watcher.look()
        #expect(seen.outcomes == ["1 0.5", "3 0.5"] && seen.champion == nil)
        #expect(source.remembered?.version == "3")
    }

    @Test func `clients are told of no server and no file`() throws {
        let (source, seen) = (Source(), Seen())
        let watcher = Self.watch(source, seen)
        source.error = TestServerError("connection to server at 10.1.2.3, port 5432 refused")
        watcher.look()
        source.error = nil
        source.location = ModelLocation(version: "3", directory: "/secret/place")
        watcher.look()
        #expect(seen.outcomes == ["the model registry does not answer", "model 3 cannot be read"])
    }

    @Test func `what was served last is remembered in a file that may be damaged`() throws {
        let folder = try TestEnvironment.temporaryFolder("memory")
        let memory = ServingMemory(modelsFolder: folder)
        #expect(memory.champion(of: nil) == nil && memory.partitions(of: "payments") == nil)
        memory.keep(champion: .init(version: "7", directory: "/a \"b\"/7"), of: nil)
        memory.keep(champion: .init(version: "8", directory: "/a/8"), of: "shop_v1")
        memory.keep(partitions: 4, of: "payments")
        let horizon = HistoryHorizon(removedBefore: 1_700_000_000_000, completeFrom: 1_702_592_000_000)
        memory.keep(horizon, of: "payments")
        let again = ServingMemory(modelsFolder: folder)
        #expect(again.champion(of: nil) == .init(version: "7", directory: "/a \"b\"/7"))
        #expect(again.champion(of: "shop_v1") == .init(version: "8", directory: "/a/8"))
        #expect(again.partitions(of: "payments") == 4)
        #expect(again.horizon(of: "payments") == horizon && again.horizon(of: "other") == nil)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["serve-last-known.json"])
        let path = folder + "/serve-last-known.json"
        for damage in [
            "", "{", "[]", "null", #"{"champions":7,"partitions":{"payments":-4}}"#,
            #"{"partitions":{"payments":1e9}}"#, #"{"history":{"payments":{"removed_before":1}}}"#,
        ] {
            try damage.write(toFile: path, atomically: true, encoding: .utf8)
            #expect(ServingMemory(modelsFolder: folder).partitions(of: "payments") == nil)
            #expect(ServingMemory(modelsFolder: folder).champion(of: nil) == nil)
            #expect(ServingMemory(modelsFolder: folder).horizon(of: "payments") == nil)
        }
        ServingMemory(modelsFolder: folder + "/nothing/here").keep(partitions: 1, of: "a")
    }

    @Test func `what goes wrong again and again is said once a minute`() {
        let lines = Mutex<[String]>([])
        let complaints = Complaints("refused", Log { line in lines.withLock { $0.append(line) } })
        for second in 0..<130 {
            complaints.add("INVALID_TIMESTAMP")
            complaints.sayIfDue(nowMillis: Int64(second) * 1_000)
        }
        let said = lines.withLock { $0 }
        #expect(said.count == 3)
        #expect(said.first?.contains("INVALID_TIMESTAMP") == true)
        #expect(said.last?.contains("60") == true)
    }
}
