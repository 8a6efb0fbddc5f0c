import EventLoop
import FeatureEngine
import FeatureStore
import FraudModel
import Glibc
import Observability

/// Asks once a second which model is to be served, loads a new one, and hands it over. A model that cannot be served, or a
/// registry that does not answer, never takes a good model out of service.
///
/// A model that could not be read is tried again, after a second, then two, up to half a minute: its folder may just be on
/// its way, or the machine out of descriptors. It is also tried at once when its files change; so is the model in service.
final class ModelWatcher {
    enum Outcome: Sendable {
        case load(ServedModel)
        /// There is no model, for this reason, which clients are told.
        case none(String)
        /// The model that the registry names, as far as it is not the one in service.
        case champion(String?)
    }

    private struct Refused {
        let location: ModelLocation
        let files: FolderFingerprint
        var delayMillis: Int64
        var againMillis: Int64
    }

    private let source: any ModelSource
    private let repository: FeatureRepository
    private let log: Log
    private let deliver: (Outcome) -> Void
    private var loaded: (location: ModelLocation, files: FolderFingerprint)?
    private var refused: Refused?
    private var lastReason = ""
    private var namedChampion: String?

    init(
        _ source: any ModelSource, _ repository: FeatureRepository, log: Log, deliver: @escaping (Outcome) -> Void
    ) {
        self.source = source
        self.repository = repository
        self.log = log
        self.deliver = deliver
    }

    /// Puts the model of the last run into service, before anybody is asked.
    func begin() {
        guard let location = source.remembered else { return }
        take(location, nowMillis: 0)
        refused = nil
    }

    /// Looks once. `nowMillis` is of a clock that never goes back.
    func look(nowMillis: Int64 = EventLoop.monotonicMicros() / 1_000) {
        let location: ModelLocation?
        do {
            location = try source.current()
        } catch {
            return complain(
                "the model registry does not answer: \(error)", toClients: "the model registry does not answer")
        }
        guard let location else { return complain("no model is registered yet: train one") }
        take(location, nowMillis: nowMillis)
        let champion = loaded?.location == location ? nil : location.version
        if champion != namedChampion {
            namedChampion = champion
            deliver(.champion(champion))
        }
    }

    private func take(_ location: ModelLocation, nowMillis: Int64) {
        let files = FolderFingerprint(location.directory)
        if let loaded, loaded.location == location, loaded.files == files {
            refused = nil
            return
        }
        if let refused, refused.location == location, refused.files == files, nowMillis < refused.againMillis { return }
        do {
            let scoring = try ScoringModel.load(directory: location.directory, version: location.version)
            let served = try serve(scoring, from: location.directory)
            // Files that changed meanwhile are looked at again in a second.
            loaded = (location, files)
            refused = nil
            lastReason = ""
            deliver(.load(served))
            source.remember(location)
            log.info(
                "model in service",
                ["model.version": location.version, "model.service": served.service.name, "path": location.directory])
        } catch {
            let isSame = refused?.location == location && refused?.files == files
            let delay = isSame ? min(30_000, (refused?.delayMillis ?? 500) * 2) : 1_000
            refused = Refused(location: location, files: files, delayMillis: delay, againMillis: nowMillis + delay)
            let reason = error is ServedModel.Refusal ? "\(error)" : "model \(location.version) cannot be read"
            complain("\(error)", toClients: reason)
        }
    }

    /// A model under the definitions of now; one of other definitions under its own, which its folder keeps: it answers as it did
    /// when they were the definitions of now, from the online state that is theirs, so that a rollout switches by the champion.
    private func serve(_ scoring: ScoringModel, from directory: String) throws -> ServedModel {
        do { return try ServedModel(scoring, repository) } catch {
            let folder = "\(directory)/\(FeatureRepository.folderInModel)"
            guard let own = try? FeatureRepository.load(directory: folder, environment: [:]),
                own.project == repository.project, let served = try? ServedModel(scoring, own),
                repository.source(named: served.service.source.name)?.topic == served.service.source.topic
            else { throw error }
            log.warning(
                "the model is of other definitions, and is served under its own",
                ["model.version": scoring.version, "definitions": served.service.definitionHash])
            return served
        }
    }

    /// Says once what is wrong: all of it in the log, to clients what names no file and no server.
    private func complain(_ reason: String, toClients: String? = nil) {
        guard reason != lastReason else { return }
        lastReason = reason
        log.warning(loaded == nil ? "no model to serve" : "model not replaced", ["reason": reason])
        if loaded == nil { deliver(.none(toClients ?? reason)) }
    }

    /// Looks every second until told to stop.
    func run(until isStopping: () -> Bool) {
        while !isStopping() {
            look()
            for _ in 0..<10 where !isStopping() { usleep(100_000) }
        }
    }
}
