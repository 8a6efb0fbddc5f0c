import KafkaBroker
import Observability
import ServiceRuntime
import Synchronization

/// A broker that starts and stops with the program.
final class BrokerService: Service {
    private let configuration: BrokerConfiguration
    private let log: Log
    private let runtime: ServiceRuntime
    private let broker = Mutex<KafkaBroker?>(nil)

    init(_ configuration: BrokerConfiguration, log: Log, runtime: ServiceRuntime) {
        self.configuration = configuration
        self.log = log
        self.runtime = runtime
    }

    func start() async throws {
        let started: KafkaBroker
        do {
            started = try KafkaBroker.start(configuration, log: log)
        } catch let error as BrokerError {
            switch error {
            case .folderInUse: throw CommandError(.temporaryFailure, "\(error). Stop it, or choose another --data.")
            case .dataFolder: throw CommandError(.inputOutput, "\(error).")
            case .listen: throw CommandError(.unavailable, "\(error). Choose another --port, or 0 for any free one.")
            }
        }
        broker.withLock { $0 = started }
        try runtime.print("ready \(started.host):\(started.port)")
        log.info(
            "broker ready",
            [
                "host": started.host, "port": started.port, "data": configuration.dataFolder,
                "cluster": started.clusterID,
            ])
    }

    func stop() async throws {
        let running = broker.withLock { $0 }
        try await runtime.onThread("broker-stop") { running?.stop() }
        log.info("broker stopped")
    }
}
