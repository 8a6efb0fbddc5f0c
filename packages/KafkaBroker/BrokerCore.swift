import Dispatch
import EventLoop
import Glibc
import KafkaProtocol
import Observability

/// Everything a broker knows. `@unchecked Sendable`: once its thread runs, only that thread touches it; other threads
/// submit jobs to its loop.
final class BrokerCore: Connection.Server, @unchecked Sendable {
    let configuration: BrokerConfiguration
    let loop: EventLoop
    let log: Log
    var identity: ClusterIdentity
    var catalog: TopicCatalog
    var groups: GroupCoordinator
    let fetches = FetchWaiters()
    /// The port that clients are told.
    var port = 0
    private let lock: LogFile
    private var connections: [ObjectIdentifier: Connection] = [:]
    private var readBuffer = [UInt8](repeating: 0, count: 1 << 20)
    /// Bytes of large requests that are still arriving.
    private var unfinishedBytes = 0
    private var timers: [LoopTimer] = []
    var groupTimers: [String: LoopTimer] = [:]
    /// Runs what can wait for the disk.
    let background = DispatchQueue(label: "kafka-flush")
    private var isFlushing = false
    /// The next producer id, and the first one that has not been reserved on the disk.
    private var nextProducerID: Int64
    private var reservedProducerIDs: Int64
    private var random = SystemRandomNumberGenerator()

    init(_ configuration: BrokerConfiguration, loop: EventLoop, log: Log) throws {
        self.configuration = configuration
        self.loop = loop
        self.log = log
        let folder = configuration.dataFolder
        do throws(LogError) {
            try Files.makeFolder(folder)
            lock = try LogFile(path: folder + "/lock", create: true)
        } catch { throw BrokerError.dataFolder(path: folder, reason: "cannot be used: \(error.description)") }
        guard flock(lock.descriptor, LOCK_EX | LOCK_NB) == 0 else { throw BrokerError.folderInUse(path: folder) }
        let now = EventLoop.wallClockMillis()
        do {
            identity = try ClusterIdentity.open(folder: folder, using: &random)
            nextProducerID = identity.nextProducerIDBlock
            reservedProducerIDs = nextProducerID
            catalog = try TopicCatalog(folder: folder, nowMillis: now) { finding in
                let fields: [String: any LogValue] = [
                    "folder": finding.folder, "bytes_dropped": finding.bytesDropped,
                    "records_lost": finding.lostRecords, "reason": finding.damage?.description ?? "",
                ]
                if finding.damage != nil {
                    log.error("partition is damaged and stays closed", fields)
                } else if finding.lostRecords {
                    log.error("stored records are gone", fields)
                } else {
                    log.info("log recovered", fields)
                }
            }
            let store = try OffsetStore(folder: folder)
            if store.bytesDropped > 0 { log.info("offsets recovered", ["bytes_dropped": store.bytesDropped]) }
            groups = GroupCoordinator(
                store: store, initialDelayMillis: Int64(configuration.initialRebalanceDelayMillis), nowMillis: now)
        } catch let error as LogError {
            throw BrokerError.dataFolder(path: folder, reason: "cannot be used: \(error.description)")
        }
        background.async { TopicCatalog.removeDeleted(folder: folder) }
    }

    /// Begins to serve on a listening socket.
    func start(_ listener: Listener) {
        port = listener.port
        listener.accept(on: loop) { [unowned self] descriptor in
            guard connections.count < configuration.maxConnections else {
                _ = Glibc.close(descriptor)
                return
            }
            let connection = Connection(
                descriptor, peer: Self.peer(of: descriptor), server: self,
                nowMillis: EventLoop.monotonicMicros() / 1_000)
            connections[ObjectIdentifier(connection)] = connection
        }
        every(configuration.flushIntervalMillis) { [unowned self] in flush() }
        every(configuration.retentionCheckMillis) { [unowned self] in applyRetention() }
        every(60_000) { [unowned self] in closeIdle() }
    }

    private func every(_ millis: Int, _ body: @escaping () -> Void) {
        let index = timers.count
        timers.append(
            loop.schedule(afterMillis: millis) { [unowned self] in
                body()
                timers[index].schedule(afterMillis: millis)
            })
    }

    // MARK: Connections

    /// A client's address, the way Kafka writes it.
    private static func peer(of socket: Int32) -> String {
        var storage = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        let code = unsafe withUnsafeMutablePointer(to: &storage) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                guard unsafe getpeername(socket, address, &size) == 0 else { return Int32(EAI_FAMILY) }
                return unsafe getnameinfo(address, size, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST)
            }
        }
        guard code == 0 else { return "" }
        return "/" + String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    func read(from socket: Int32) -> (bytes: ArraySlice<UInt8>, code: Int32) {
        let count = unsafe readBuffer.withUnsafeMutableBytes { buffer in
            unsafe Glibc.read(socket, buffer.baseAddress, buffer.count)
        }
        return count < 0 ? ([], errno) : (readBuffer[0..<count], 0)
    }

    func mayGrow(by count: Int) -> Bool {
        unfinishedBytes += count
        return unfinishedBytes <= configuration.maxUnfinishedBytes
    }

    func closed(_ connection: Connection) { connections[ObjectIdentifier(connection)] = nil }

    private func closeIdle() {
        let now = EventLoop.monotonicMicros() / 1_000
        for connection in Array(connections.values)
        where !connection.isWaiting && now - connection.lastActiveMillis > configuration.idleConnectionMillis {
            connection.close()
        }
    }

    // MARK: Producers

    /// A producer id that was never given before.
    func takeProducerID() throws -> Int64 {
        if nextProducerID == reservedProducerIDs {
            var next = identity
            next.nextProducerIDBlock = reservedProducerIDs + ClusterIdentity.producerIDBlock
            try next.save(folder: configuration.dataFolder)
            identity = next
            reservedProducerIDs = next.nextProducerIDBlock
        }
        defer { nextProducerID += 1 }
        return nextProducerID
    }

    func randomTopicID() -> TopicID { TopicID.random(using: &random) }

    // MARK: The disk

    /// Synchronises what was appended since the last time, on the background queue.
    private func flush() {
        guard !isFlushing else { return }
        let jobs = flushJobs()
        let offsets = groups.takeDirtyFile()
        guard !jobs.isEmpty || offsets != nil else { return }
        isFlushing = true
        background.async { [self] in
            var failures: [(folder: String, error: LogError)] = []
            for job in jobs {
                do throws(LogError) { try job.run() } catch { failures.append((job.folder, error)) }
            }
            do throws(LogError) { try offsets?.synchronize() } catch { failures.append(("offsets", error)) }
            loop.submit { [self, failures] in
                isFlushing = false
                for failure in failures { flushFailed(folder: failure.folder, failure.error) }
            }
        }
    }

    /// After a failed synchronisation nobody knows what is on the disk: the partition is closed until a restart looks. A
    /// checkpoint that does not fit on a full disk is tried again with the next one.
    private func flushFailed(folder: String, _ error: LogError) {
        log.error("synchronising failed", ["folder": folder, "reason": error.description])
        for topic in catalog.topics.values {
            for partition in topic.partitions where partition.folder == folder { partition.flushFailed(error) }
        }
    }

    private func flushJobs() -> [PartitionLog.FlushJob] {
        catalog.topics.values.flatMap { $0.partitions.compactMap { $0.flushJob() } }
    }

    private func applyRetention() {
        let now = EventLoop.wallClockMillis()
        for topic in catalog.topics.values {
            for partition in topic.partitions {
                do throws(LogError) {
                    try partition.applyRetention(nowMillis: now)
                } catch { log.error("retention failed", ["folder": partition.folder, "reason": error.description]) }
            }
        }
        groups.forgetOld(nowMillis: now, retentionMillis: configuration.offsetRetentionMillis)
    }

    /// Ends everything in order and leaves the folder so that the next start has nothing to scan.
    func shutDown() {
        for timer in timers { timer.cancel() }
        timers = []
        for connection in Array(connections.values) { connection.close() }
        background.sync {}
        for job in flushJobs() {
            do throws(LogError) {
                try job.run()
            } catch { log.error("synchronising failed", ["folder": job.folder, "reason": error.description]) }
        }
        try? groups.takeDirtyFile()?.synchronize()
    }
}
