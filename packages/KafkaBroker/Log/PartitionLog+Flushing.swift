import KafkaProtocol
import Synchronization

/// Whether a log's folder is still where it was. Writing into it and moving it away exclude each other.
final class FolderAccess: Sendable {
    private let isGone = Mutex(false)

    /// Runs `body` while the folder is in its place; not at all when it is gone.
    func whilePresent(_ body: () throws(LogError) -> Void) throws(LogError) {
        try isGone.withLock { gone throws(LogError) in
            if !gone { try body() }
        }
    }

    /// The folder is about to be moved away: nothing is written to its old place from now on.
    func end() { isGone.withLock { $0 = true } }
}

/// Two steps make a log durable. A commit synchronises what was appended, after which consumers may see it; it runs every
/// few milliseconds while somebody waits. A checkpoint writes down what is there, so that the next start need not scan,
/// and gives deleted segments' space back; it runs once a second.
extension PartitionLog {
    /// What to synchronise on another thread so that everything appended up to now may be read.
    struct CommitJob: Sendable {
        var folder: String
        var access: FolderAccess
        var files: [LogFile]
        var flushed: Flushed
        var appendedBytes: Int
        /// The count of new names that are on the disk afterwards.
        var names: Int
        var hasNewNames: Bool

        func run() throws(LogError) {
            for file in files { try file.synchronize() }
            guard hasNewNames else { return }
            try access.whilePresent { () throws(LogError) in
                try Files.synchronizeFolder(folder)
                try Files.synchronizeFolder(Files.parent(of: folder))
            }
        }
    }

    /// Whether records were appended that are not known to be on the disk.
    var hasUnflushed: Bool { end > highWatermark && failure == nil }

    /// The job that makes everything appended up to now readable.
    func commitJob() -> CommitJob {
        CommitJob(
            folder: folder, access: access, files: hasUnflushed ? unsynchronized : [],
            flushed: Flushed(end: end, segment: active.base, size: active.size), appendedBytes: appendedBytes,
            names: newNames, hasNewNames: hasUnflushed && newNames > flushedNames)
    }

    /// Takes note that a commit job is done.
    func committed(_ job: CommitJob) {
        guard job.flushed.end > flushed.end else { return }
        flushed = job.flushed
        readableBytes = job.appendedBytes
        flushedNames = max(flushedNames, job.names)
        unsynchronized.removeAll { file in file !== active.file && job.files.contains { $0 === file } }
    }

    /// Bytes that may be read since this was last asked.
    func takeNewlyReadable() -> Int {
        defer { reportedBytes = readableBytes }
        return readableBytes - reportedBytes
    }

    /// Takes note that a commit job failed. When nobody knows what of the log is on the disk it stays closed until a restart
    /// looks; otherwise (no descriptor for a folder, say) the next round tries again.
    func commitFailed(_ error: LogError) {
        if error.leavesLogUnknown { fail(error) }
    }

    /// What to do on another thread, in this order, to put everything up to now into a checkpoint.
    struct CheckpointJob: Sendable {
        var commit: CommitJob
        var indexes: [(path: String, bytes: [UInt8], position: Int)]
        var checkpoint: [UInt8]
        var doomed: [String]

        /// Both steps, one after the other.
        func run() throws(LogError) {
            try commit.run()
            try write()
        }

        /// Writes the checkpoint and then removes the files that it no longer names.
        func write() throws(LogError) {
            try commit.access.whilePresent { () throws(LogError) in
                do throws(LogError) {
                    try writeCheckpoint()
                } catch {
                    // A full disk has no room for a checkpoint, and room is what deleting gives.
                    guard !doomed.isEmpty else { throw error }
                    try removeAhead()
                    try writeCheckpoint()
                }
                for stem in doomed {
                    for suffix in [".log", ".index", LogRecovery.goneSuffix] { Files.remove(stem + suffix) }
                }
            }
        }

        private func writeCheckpoint() throws(LogError) {
            for index in indexes {
                let file = try LogFile(path: index.path, create: true)
                try file.write(index.bytes[...], at: index.position)
                try file.synchronize()
            }
            try Files.replace(commit.folder + "/" + Checkpoint.fileName, with: checkpoint)
        }

        /// Removes files that the checkpoint on the disk still names. The name that each leaves behind tells recovery that
        /// it was given up and is not lost; renaming the index makes that name without taking space.
        private func removeAhead() throws(LogError) {
            for stem in doomed where Files.exists(stem + ".log") {
                if Files.exists(stem + ".index") {
                    try Files.move(stem + ".index", to: stem + LogRecovery.goneSuffix)
                } else {
                    _ = try LogFile(path: stem + LogRecovery.goneSuffix, create: true)
                }
            }
            try Files.synchronizeFolder(commit.folder)
            for stem in doomed { Files.remove(stem + ".log") }
        }
    }

    /// The job that catches up with what happened since the last checkpoint; nil when there is nothing to do.
    func checkpointJob() -> CheckpointJob? {
        guard isDirty, failure == nil else { return nil }
        isDirty = false
        var indexes: [(path: String, bytes: [UInt8], position: Int)] = []
        for segment in segments {
            if let unsaved = segment.unsavedIndex() {
                indexes.append((segment.indexPath, unsaved.bytes, unsaved.position))
            }
        }
        var checkpoint = Checkpoint()
        checkpoint.topic = topic
        checkpoint.partition = partition
        checkpoint.logStart = logStart
        checkpoint.segments = segments.map(\.manifest)
        checkpoint.producers = producers
        return CheckpointJob(
            commit: commitJob(), indexes: indexes, checkpoint: checkpoint.encoded(),
            doomed: doomed)
    }

    /// Takes note that a checkpoint job is done.
    func checkpointed(_ job: CheckpointJob) {
        committed(job.commit)
        isCheckpointLate = false
        doomed.removeFirst(min(job.doomed.count, doomed.count))
    }

    /// Takes note that a checkpoint job did not get to its end. A log that could not be synchronised is closed; a checkpoint
    /// that could not be written only costs the next start a longer scan, and is tried again.
    func checkpointFailed(_ error: LogError) {
        guard !error.leavesLogUnknown else { return fail(error) }
        isDirty = true
        isCheckpointLate = true
        for segment in segments { segment.forgetSavedIndex() }
    }

    /// Both steps now, on this thread: at the end of the broker, and in tests.
    func flushNow() throws(LogError) {
        guard let job = checkpointJob() else { return }
        do throws(LogError) {
            try job.run()
        } catch {
            checkpointFailed(error)
            throw error
        }
        checkpointed(job)
    }

    /// Makes everything appended readable, on this thread: for tests.
    func commitNow() throws(LogError) {
        let job = commitJob()
        do throws(LogError) {
            try job.run()
        } catch {
            commitFailed(error)
            throw error
        }
        committed(job)
    }
}
