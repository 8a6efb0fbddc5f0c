public import Observability
import EventLoop
import Glibc

/// A single-node Kafka broker inside this process, on a thread of its own.
///
/// ```swift
/// let broker = try KafkaBroker.start(BrokerConfiguration(dataFolder: "var/kafka"))
/// // bootstrap.servers = "127.0.0.1:\(broker.port)"
/// broker.stop()
/// ```
/// `@unchecked Sendable`: everything but `stop` is constant, and `stop` is for one caller.
public final class KafkaBroker: @unchecked Sendable {
    /// Where it listens.
    public let host: String, port: Int
    /// The cluster's id, which changes only with the folder.
    public let clusterID: String

    private let thread: EventLoopThread
    private let listener: Listener
    private let core: BrokerCore
    private var isStopped = false

    /// Opens the folder, recovers its logs, and serves. Throws a `BrokerError` that says why it cannot.
    public static func start(_ configuration: BrokerConfiguration, log: Log = .silent) throws -> KafkaBroker {
        try KafkaBroker(configuration, log: log)
    }

    private init(_ configuration: BrokerConfiguration, log: Log) throws {
        // A client that is gone and a file that may not grow are errors to handle, not signals.
        _ = signal(SIGPIPE, SIG_IGN)
        _ = signal(SIGXFSZ, SIG_IGN)
        Self.raiseDescriptorLimit()
        let loop = try EventLoop()
        core = try BrokerCore(configuration, loop: loop, log: log)
        do throws(EventLoopError) {
            listener = try Listener(host: configuration.host, port: configuration.port)
        } catch { throw BrokerError.listen(reason: error.description) }
        core.start(listener)
        host = configuration.host
        port = listener.port
        clusterID = core.identity.clusterID
        thread = try EventLoopThread(loop, name: "kafka-broker")
    }

    /// Closes connections, synchronises the logs, and ends the thread. Safe twice.
    public func stop() {
        guard !isStopped else { return }
        isStopped = true
        core.loop.submit { [core, listener = UncheckedListener(listener)] in
            listener.value.stop()
            core.shutDown()
            core.loop.stop()
        }
        thread.join()
    }

    /// A listener on its way to the thread that owns it. `@unchecked Sendable`: no other thread touches it from then on.
    private struct UncheckedListener: @unchecked Sendable {
        let value: Listener
        init(_ value: Listener) { self.value = value }
    }

    /// Each segment is an open file, and so is each client.
    private static func raiseDescriptorLimit() {
        var limit = rlimit()
        guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = min(limit.rlim_max, 1 << 20)
        _ = unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
}
