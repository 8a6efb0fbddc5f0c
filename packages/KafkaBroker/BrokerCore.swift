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
    let commit: GroupCommit
    /// The port that clients are told.
    var port = 0
    private let lock: LogFile
    private var connections: [ObjectIdentifier: Connection] = [:]
    private var readBuffer = [UInt8](repeating: 0, count: 1 << 20)
    /// Bytes of large requests that are still arriving.
    private var unfinishedBytes = 0
    private var timers: [LoopTimer] = []
    var groupTimers: [String: LoopTimer] = [:]
    /// Writes checkpoints, and removes what was deleted.
    let background = DispatchQueue(label: "kafka-checkpoint")
    private var isFlushing = false
    /// The next producer id, and the first one that has not been reserved on the disk.
    private var nextProducerID: Int64
    private var reservedProducerIDs: Int64
    private var random = SystemRandomNumberGenerator()

    init(_ configuration: BrokerConfiguration, loop: EventLoop, log: Log) throws {
        self.configuration = configuration
        self.loop = loop
        self.log = log
        commit = GroupCommit(loop: loop)
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
                store: store, initialDelayMillis: Int64(configuration.initialRebalanceDelayMillis),
                nowMillis: EventLoop.monotonicMicros() / 1_000)
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
        commit.committed = { [unowned self] log, error in committed(log, error) }
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

    func closed(_ connection: Connection) {
        fetches.forget(connection)
        connections[ObjectIdentifier(connection)] = nil
    }

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
            // Past 2⁶³ ids the broker gives none, rather than one twice.
            let (end, isOverflow) = reservedProducerIDs.addingReportingOverflow(ClusterIdentity.producerIDBlock)
            guard !isOverflow else {
                throw BrokerError.dataFolder(path: configuration.dataFolder, reason: "has no producer ids left")
            }
            next.nextProducerIDBlock = end
            try next.save(folder: configuration.dataFolder)
            identity = next
            reservedProducerIDs = next.nextProducerIDBlock
        }
        defer { nextProducerID += 1 }
        return nextProducerID
    }

    func randomTopicID() -> TopicID { TopicID.random(using: &random) }

    // MARK: The disk

    /// More of a log may be read, or nothing any more.
    private func committed(_ log: PartitionLog, _ error: LogError?) {
        if let error {
            self.log.error("synchronising failed", ["folder": log.folder, "reason": error.description])
            if log.failure != nil { fetches.abandon(log, core: self) }
        } else {
            fetches.grew(log, by: log.takeNewlyReadable(), core: self)
        }
    }

    /// Brings everything to the disk that nobody asked for: records, checkpoints, positions.
    private func flush() {
        commit.request()
        guard !isFlushing else { return }
        isFlushing = true
        checkpoint(catalog.topics.values.flatMap(\.partitions)) { [self] _ in isFlushing = false }
        if let (file, hasNewName) = groups.takeDirtyFile() {
            background.async { [self, folder = configuration.dataFolder] in
                do throws(LogError) {
                    try file.synchronize()
                    if hasNewName { try Files.synchronizeFolder(folder) }
                } catch {
                    loop.submit { [self, error] in
                        log.error("synchronising failed", ["file": file.path, "reason": error.description])
                    }
                }
            }
        }
        if let job = groups.beginRewrite() {
            background.async { [self] in
                let isWritten = (try? job.run()) != nil
                loop.submit { [self] in groups.endRewrite(job, isWritten: isWritten) }
            }
        }
    }

    /// What checkpoints carry to another thread and back. `@unchecked Sendable`: only the jobs are touched there.
    private final class Checkpoints: @unchecked Sendable {
        let work: [(log: PartitionLog, job: PartitionLog.CheckpointJob)]
        let done: (Set<ObjectIdentifier>) -> Void

        init(_ logs: [PartitionLog], _ done: @escaping (Set<ObjectIdentifier>) -> Void) {
            work = logs.compactMap { log in log.checkpointJob().map { (log, $0) } }
            self.done = done
        }

        func run() -> [LogError?] {
            work.map { entry in
                do throws(LogError) { try entry.job.run() } catch { return error }
                return nil
            }
        }
    }

    /// Puts these logs into checkpoints on the background queue, and then calls `done` with those that could not be. One that
    /// does not fit on a full disk is tried again with the next.
    func checkpoint(_ logs: [PartitionLog], _ done: @escaping (Set<ObjectIdentifier>) -> Void) {
        let checkpoints = Checkpoints(logs, done)
        guard !checkpoints.work.isEmpty else { return done([]) }
        background.async { [self] in
            let failures = checkpoints.run()
            loop.submit { [self] in
                var failed: Set<ObjectIdentifier> = []
                for (index, (log, job)) in checkpoints.work.enumerated() {
                    if let error = failures[index] {
                        // Tried again each second, and said once until it works again.
                        if !log.isCheckpointLate {
                            self.log.error("synchronising failed", ["folder": log.folder, "reason": error.description])
                        }
                        log.checkpointFailed(error)
                        if log.failure != nil { fetches.abandon(log, core: self) }
                        failed.insert(ObjectIdentifier(log))
                    } else {
                        log.checkpointed(job)
                        fetches.grew(log, by: log.takeNewlyReadable(), core: self)
                    }
                }
                checkpoints.done(failed)
            }
        }
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
        let gone = groups.forgetOld(
            nowMillis: monotonicMillis, wallMillis: now, retentionMillis: configuration.offsetRetentionMillis)
        for name in gone { groupTimers[name] = nil }
    }

    /// Ends everything in order and leaves the folder so that the next start has nothing to scan.
    func shutDown() {
        for timer in timers { timer.cancel() }
        timers = []
        for connection in Array(connections.values) { connection.close() }
        commit.finish()
        background.sync {}
        for topic in catalog.topics.values {
            for partition in topic.partitions {
                do throws(LogError) {
                    try partition.flushNow()
                } catch {
                    log.error("synchronising failed", ["folder": partition.folder, "reason": error.description])
                }
            }
        }
        try? groups.takeDirtyFile()?.file.synchronize()
    }
}
