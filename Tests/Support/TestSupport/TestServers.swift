import Foundation
import Synchronization

/// A server the tests started (or were given): on loopback, its data in a temporary folder, restartable on the same port.
public class TestServer: @unchecked Sendable {  // Every mutable part is behind the mutex; subclasses add constants.
    /// The TCP port.
    public let port: Int
    /// Its data folder; empty for a server that was given.
    public let folder: String
    private let process = Mutex<TestProcess?>(nil)
    /// What a test adds to the program's options, and to its environment; from the next start on.
    let more = Mutex<(arguments: [String], environment: [String: String])>(([], [:]))

    init(port: Int, folder: String) { (self.port, self.folder) = (port, folder) }

    func launch() throws -> TestProcess { throw TestServerError("not a server of ours") }
    func isReady(_ process: TestProcess) -> Bool { TestEnvironment.accepts(port: port) }
    var stopSignal: Int32 { SIGTERM }

    /// Gives the program more options and variables from its next start on.
    public func add(arguments: [String] = [], environment: [String: String] = [:]) {
        more.withLock {
            $0.arguments += arguments
            $0.environment.merge(environment) { $1 }
        }
    }

    /// Starts it, and returns when it accepts clients.
    public func start() throws {
        let started = try launch()
        process.withLock { $0 = started }
        let isUp = TestEnvironment.waits(seconds: 60) { isReady(started) || !started.isRunning }
        guard isUp, started.isRunning else { throw TestServerError("no start: \(started.log.suffix(2_000))") }
    }

    /// A clean stop.
    public func stop() {
        let running = process.withLock { $0 }
        if running?.terminate(with: stopSignal) == false { running?.killNow() }
        process.withLock { $0 = nil }
    }

    /// kill -9.
    public func kill() {
        process.withLock { $0 }?.killNow()
        process.withLock { $0 = nil }
        removeRemains()
    }

    /// What a killed server leaves that would keep the next one from starting.
    public func removeRemains() {}

    /// What it printed.
    public var log: String { process.withLock { $0 }?.log ?? "" }
}

/// A private redis-server with an append-only file.
public final class RedisServer: TestServer, @unchecked Sendable {
    /// Where clients connect.
    public let url: String

    init(url: String) {
        self.url = url
        super.init(port: 0, folder: "")
    }

    /// A server not yet started.
    public init() throws {
        let port = try TestEnvironment.freePort()
        url = "redis://127.0.0.1:\(port)"
        super.init(port: port, folder: try TestEnvironment.temporaryFolder("redis"))
    }

    override func launch() throws -> TestProcess {
        let more = more.withLock { $0 }
        return try TestProcess(
            [
                "redis-server", "--port", "\(port)", "--bind", "127.0.0.1", "--unixsocket", folder + "/r.sock",
                "--dir", folder, "--save", "", "--appendonly", "yes",
                "--appendfsync", "no", "--maxmemory-policy", "noeviction",
            ] + more.arguments, environment: more.environment, logPath: folder + "/redis.log")
    }

    override func isReady(_ process: TestProcess) -> Bool {
        process.log.contains("Ready to accept connections") && super.isReady(process)
    }

    /// Throws away all it stored; only while it is stopped.
    public func eraseData() throws {
        for name in try FileManager.default.contentsOfDirectory(atPath: folder) {
            try FileManager.default.removeItem(atPath: folder + "/" + name)
        }
    }
}

/// A private Postgres cluster. Postgres refuses root, so root runs it as `nobody`.
public final class PostgresServer: TestServer, @unchecked Sendable {
    /// Where clients connect.
    public let url: String
    static let programs = [
        "/usr/lib/postgresql/17/bin", "/usr/lib/postgresql/16/bin", "/usr/lib/postgresql/15/bin", "/usr/bin",
    ]
    .first { FileManager.default.isExecutableFile(atPath: $0 + "/initdb") }

    init(url: String) {
        self.url = url
        super.init(port: 0, folder: "")
    }

    /// A new cluster, not yet started. `options` are initdb's.
    public init(_ options: [String] = []) throws {
        let port = try TestEnvironment.freePort()
        url = "postgresql://needletail@127.0.0.1:\(port)/postgres"
        super.init(port: port, folder: try TestEnvironment.temporaryFolder("postgres"))
        Self.give(folder)
        // Owner and mode come along: Postgres takes no folder that is somebody else's or open to others.
        let copied = try TestCommand.run(
            ["/usr/bin/env", "cp", "-a", try Self.template(options) + "/data", folder + "/data"])
        guard copied.exitCode == 0 else { throw TestServerError(copied.output) }
    }

    /// Folders with a new cluster for each set of initdb's options: a copy is there much sooner than a new one is made.
    private static let templates = Mutex<[[String]: String]>([:])

    /// The folder of the template; whoever asks while it is being made waits.
    private static func template(_ options: [String]) throws -> String {
        try templates.withLock { templates in
            if let made = templates[options] { return made }
            guard let programs else { throw TestServerError("no initdb") }
            let folder = try TestEnvironment.temporaryFolder("postgres-template")
            give(folder)
            let made = try TestCommand.run(
                ["/usr/bin/env"] + asPlainUser + [
                    programs + "/initdb", "-D", folder + "/data", "-U", "needletail", "-A", "trust", "-E", "UTF8",
                    "--locale=C", "--no-sync",
                ] + options)
            guard made.exitCode == 0 else { throw TestServerError(made.output) }
            templates[options] = folder
            return folder
        }
    }

    /// Gives a folder to the user that the programs run as.
    private static func give(_ folder: String) {
        if asPlainUser.first == "setpriv" { chown(folder, 65534, 65534) }
    }

    /// What runs a program as somebody else than root: a user namespace, or where those are refused, the user `nobody`.
    static let asPlainUser: [String] = {
        guard getuid() == 0 else { return [] }
        let namespace = ["unshare", "--user", "--map-user=65534"]
        let isAllowed = try? TestCommand.run(["/usr/bin/env"] + namespace + ["true"]).exitCode == 0
        return isAllowed == true ? namespace : ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    }()

    override func launch() throws -> TestProcess {
        guard let programs = Self.programs else { throw TestServerError("no postgres") }
        // A crash of the process loses nothing without fsync; only a crash of the machine would.
        let settings = ["fsync=off", "full_page_writes=off", "unix_socket_directories=", "listen_addresses=127.0.0.1"]
        try? FileManager.default.removeItem(atPath: folder + "/postgres.log")
        let more = more.withLock { $0 }
        return try TestProcess(
            Self.asPlainUser + [programs + "/postgres", "-D", folder + "/data", "-p", "\(port)"]
                + settings.flatMap { ["-c", $0] } + more.arguments, environment: more.environment,
            logPath: folder + "/postgres.log")
    }

    override func isReady(_ process: TestProcess) -> Bool {
        process.log.contains("database system is ready to accept connections")
    }
    /// Sessions end by themselves once the postmaster is gone; its lock file names a process that nobody has waited for yet.
    public override func removeRemains() {
        let data = folder + "/data"
        _ = TestEnvironment.waits(seconds: 10) {
            let processes = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
            return !processes.contains { id in
                (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(id)/cwd")) == data
            }
        }
        try? FileManager.default.removeItem(atPath: data + "/postmaster.pid")
    }

    override var stopSignal: Int32 { SIGINT }  // Fast shutdown: clients are cut off.

    /// A new empty database on this server; its URL.
    public func makeDatabase(_ prefix: String = "test") throws -> String {
        let name = "\(prefix)_\(UUID().uuidString.prefix(8).lowercased())"
        let made = try TestCommand.run(["/usr/bin/env", "psql", url, "-q", "-c", "CREATE DATABASE \(name)"])
        guard made.exitCode == 0, let slash = url.lastIndex(of: "/") else { throw TestServerError(made.output) }
        return url[..<slash] + "/" + name
    }
}

/// A private Kafka broker: the embedded one, or Apache Kafka with NEEDLETAIL_TEST_BROKER=apache.
public final class KafkaServer: TestServer, @unchecked Sendable {
    /// Where clients connect.
    public let bootstrapServers: String
    private let program: [String]
    private let isApache: Bool

    init(bootstrapServers: String) {
        (self.bootstrapServers, program, isApache) = (bootstrapServers, [], false)
        super.init(port: 0, folder: "")
    }

    /// A broker not yet started.
    public init() throws {
        guard let (program, isApache) = Self.available else { throw TestServerError(Self.absence) }
        (self.program, self.isApache) = (program, isApache)
        let port = try TestEnvironment.freePort()
        bootstrapServers = "127.0.0.1:\(port)"
        super.init(port: port, folder: try TestEnvironment.temporaryFolder("kafka"))
    }

    /// Said by suites that skip themselves.
    public static let absence = "no broker: neither `needletail broker` nor ../shared/kafka is there"

    /// Whether there is a broker to start.
    public static var isAvailable: Bool { TestEnvironment.variable("NEEDLETAIL_TEST_KAFKA") != nil || available != nil }

    static let available: (program: [String], isApache: Bool)? = {
        let apache = TestEnvironment.packageRoot + "/../shared/kafka/bin/kafka-broker"
        let hasApache = FileManager.default.isExecutableFile(atPath: apache)
        if TestEnvironment.variable("NEEDLETAIL_TEST_BROKER") == "apache" { return hasApache ? ([apache], true) : nil }
        if let needletail = TestEnvironment.needletail,
            let help = try? TestCommand.run([needletail, "broker", "--help"], seconds: 20), help.exitCode == 0
        {
            return ([needletail, "broker"], false)
        }
        return hasApache ? ([apache], true) : nil
    }()

    override func launch() throws -> TestProcess {
        let log = folder + "/broker.log"
        try? FileManager.default.removeItem(atPath: log)
        let more = more.withLock { $0 }
        return try TestProcess(
            program + ["--data", folder + "/data", "--port", "\(port)"] + more.arguments,
            environment: more.environment, logPath: log)
    }

    override func isReady(_ process: TestProcess) -> Bool {
        isApache ? process.log.contains("ready 127.0.0.1:") : super.isReady(process)
    }
}

/// One server of each kind for the whole test run, started when first asked for. NEEDLETAIL_TEST_REDIS, _POSTGRES and _KAFKA
/// name running ones to use instead; no other address is ever touched.
public enum TestServers {
    /// The shared Redis.
    public static func redis() throws -> RedisServer { try sharedRedis.get() }
    /// The shared Postgres.
    public static func postgres() throws -> PostgresServer { try sharedPostgres.get() }
    /// The shared broker.
    public static func kafka() throws -> KafkaServer { try sharedKafka.get() }

    private static let sharedRedis = Result {
        if let url = TestEnvironment.variable("NEEDLETAIL_TEST_REDIS") { return RedisServer(url: url) }
        let server = try RedisServer()
        try server.start()
        return server
    }
    private static let sharedPostgres = Result {
        if let url = TestEnvironment.variable("NEEDLETAIL_TEST_POSTGRES") { return PostgresServer(url: url) }
        let server = try PostgresServer()
        try server.start()
        return server
    }
    private static let sharedKafka = Result {
        if let servers = TestEnvironment.variable("NEEDLETAIL_TEST_KAFKA") {
            return KafkaServer(bootstrapServers: servers)
        }
        let server = try KafkaServer()
        try server.start()
        return server
    }
}
