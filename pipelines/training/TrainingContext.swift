internal import Compression
internal import FeatureEngine
internal import FeatureStore
internal import FraudModel
internal import Observability
internal import PostgresClient
internal import PostgresOfflineStore
internal import ServiceRuntime
internal import TransactionData

/// What the commands of this folder share: the definitions, the service and where the stores are.
struct TrainingContext: Sendable {
    let repository: FeatureRepository
    let service: FeatureService
    let databaseURL: String
    let modelsFolder: String

    /// The service, when the definitions have several.
    static let serviceName = Setting<String?>(
        "service", help: "The feature service of the model, when the definitions have several.", flagOnly: true,
        placeholder: "NAME")

    init(_ settings: Settings) throws(CommandError) {
        do {
            repository = try FeatureRepository.load(
                directory: settings[.featureRepo as Setting<String>], environment: settings.environment)
        } catch { throw CommandError(.configuration, "\(error)") }
        let names = repository.services.map(\.name).joined(separator: ", ")
        if let name = settings[Self.serviceName] {
            guard let service = repository.service(named: name) else {
                throw CommandError(.configuration, "there is no service \(name); the definitions have \(names).")
            }
            self.service = service
        } else {
            guard repository.services.count == 1, let only = repository.services.first else {
                throw CommandError(.usage, "--service says which of \(names) the model is for.")
            }
            service = only
        }
        let setting: Setting<String> = .databaseURL
        databaseURL = settings.isGiven(setting) ? settings[setting] : repository.offlineStoreURL ?? settings[setting]
        modelsFolder = settings[.modelDirectory as Setting<String>]
    }

    /// Waits until Postgres answers, and brings its fixed tables up to date.
    func prepareDatabase(_ runtime: ServiceRuntime) async throws {
        let url = databaseURL
        try await runtime.waiting(for: "Postgres") {
            try await runtime.onThread("migrate") { _ = try PostgresOfflineStore(url: url, limits: .bulk).migrate() }
        }
    }

    func connect() throws -> PostgresConnection {
        do {
            return try PostgresConnection(url: databaseURL, limits: .bulk)
        } catch {
            throw CommandError(.unavailable, "\(error). `make up` starts all servers.")
        }
    }

    func registry() throws -> ModelRegistry { ModelRegistry(try connect(), modelsFolder: modelsFolder) }

    /// Point-in-time rows of a file, computed by the engine the stream uses. A label has arrived when its delay has passed at the
    /// newest event of the file.
    func rows(file: String, _ runtime: ServiceRuntime) throws -> TrainingSet {
        guard let label = service.source.label else {
            throw CommandError(.configuration, "the source \(service.source.name) declares no label.")
        }
        var set = TrainingSet(service)
        var replay = PointInTimeReplay(views: service.views)
        var (malformed, unlabelled) = (0, 0)
        do {
            let source = try ByteSource.open(file)
            let csv = try TransactionCSV(source, schema: service.source, requiresLabel: true)
            let progress = runtime.progress("reading \(csv.name)")
            defer { progress.finish() }
            var row = SourceRow(service.source)
            var vectors = service.makeViewVectors()
            var vector = service.makeVector()
            var position: Int64 = 0
            var newest = Int64.min
            reading: while !runtime.isStopping {
                switch try csv.next(into: &row) {
                case .end: break reading
                case .malformed(let line, let error):
                    malformed += 1
                    runtime.log.warning("row refused", ["line": line, "reason": "\(error)"])
                case .row(_, let value):
                    newest = max(newest, row.eventTimeMillis)
                    guard replay.next(row, position: position, into: &vectors) else { continue }
                    position += 1
                    if let value {
                        service.assemble(row: row, viewVectors: vectors, into: &vector)
                        set.append(vector, label: value, timeMillis: row.eventTimeMillis)
                    } else {
                        unlabelled += 1
                    }
                }
                if csv.recordCount.isMultiple(of: 10_000) { progress.update(to: Int(csv.recordCount)) }
            }
            progress.update(to: Int(csv.recordCount))
            guard !runtime.isStopping else { throw TrainingError.cancelled }
            unlabelled += set.removeRows(after: newest - label.delayMillis)
        } catch let error as CompressionError {
            throw CommandError(.noInput, "\(error)")
        } catch let error as CSVError {
            throw CommandError(.dataError, "\(error)")
        }
        runtime.log.info(
            "rows read",
            [
                "rows": set.count, "without_arrived_label": unlabelled, "malformed": malformed,
                "duplicates": replay.duplicates,
            ])
        guard malformed == 0 || set.count > 0 else {
            throw CommandError(.dataError, "no row of \(file) is an event; the log names what is wrong.")
        }
        return set
    }

    /// The rows of the store with features under the present definitions. Without `labelled` also those whose label has not arrived,
    /// as if it were 0: for what looks at features only.
    func rows(
        in store: PostgresOfflineStore, fromMillis: Int64? = nil, labelled: Bool = true, _ runtime: ServiceRuntime
    ) throws -> TrainingSet {
        var set = TrainingSet(service)
        let progress = runtime.progress("reading the offline store")
        defer { progress.finish() }
        var vector = service.makeVector()
        var read = 0
        do {
            try store.scanTrainingRows(service, streamHash: repository.streamHash, fromMillis: fromMillis) {
                row, vectors, label, _ in
                guard !runtime.isStopping else { throw TrainingError.cancelled }
                read += 1
                if read.isMultiple(of: 10_000) { progress.update(to: read) }
                guard label != nil || !labelled else { return }
                service.assemble(row: row, viewVectors: vectors, into: &vector)
                set.append(vector, label: label == 1 ? 1 : 0, timeMillis: row.eventTimeMillis)
            }
        } catch let error as PostgresError {
            throw Self.explained(error)
        }
        progress.update(to: read)
        return set
    }

    /// A missing table is a step that was left out.
    static func explained(_ error: PostgresError) -> any Error {
        guard error.sqlState == "42P01" || error.sqlState == "42703" else { return error }
        return CommandError(
            .configuration,
            "the offline store lacks tables of these definitions (\(error)): run `needletail features apply`.")
    }
}
