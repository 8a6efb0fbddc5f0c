import Dispatch
import EventLoop

/// Makes what was appended readable, for all partitions at once: one round synchronises everything that was written
/// before it began. A round begins when somebody asks, none is running, and the last one began `gapMillis` ago or more; who
/// asks meanwhile is served by the next one. So a record waits for the rest of one round and a round of its own, and where the
/// disk is faster than the gap, at most for the gap beside its round.
///
/// ```
/// append ─▶ written ──request──▶ round: fdatasync of each file ──▶ committed(log) ─▶ fetches, answers that waited
/// ```
/// Belongs to the broker's loop; the files are synchronised on threads of their own, so the loop never waits for a disk.
final class GroupCommit {
    /// Least time between the beginnings of two rounds. Where a disk synchronises faster, the loop would do little else.
    static let gapMillis: Int64 = 1

    /// Told of each log of a round; with an error when its synchronisation failed.
    var committed: (PartitionLog, LogError?) -> Void = { _, _ in }
    private let loop: EventLoop
    private let queue = DispatchQueue(label: "kafka-commit")
    private var written: [ObjectIdentifier: PartitionLog] = [:]
    private var answers: [() -> Void] = []
    private var isRunning = false
    private var isWanted = false
    private var begunMicros = Int64.min
    private var timer: LoopTimer?

    /// What a round carries. `@unchecked Sendable`: only the jobs and their results leave the loop's thread.
    private final class Round: @unchecked Sendable {
        let logs: [PartitionLog]
        let jobs: [PartitionLog.CommitJob]
        let answers: [() -> Void]
        /// Lets the loop's own object come back with the round.
        let owner: GroupCommit

        init(_ logs: [PartitionLog], _ answers: [() -> Void], _ owner: GroupCommit) {
            self.logs = logs
            jobs = logs.map { $0.commitJob() }
            self.answers = answers
            self.owner = owner
        }

        /// Synchronises the logs, side by side: one by one they would add up. The failures by their places.
        func run() -> [LogError?] {
            var failures = [LogError?](repeating: nil, count: jobs.count)
            unsafe failures.withUnsafeMutableBufferPointer { buffer in
                unsafe Failures(buffer).fill(jobs)
            }
            return failures
        }
    }

    /// A buffer whose elements are written by one thread each, which makes it `Sendable`.
    @unsafe private struct Failures: @unchecked Sendable {
        let buffer: UnsafeMutableBufferPointer<LogError?>
        init(_ buffer: UnsafeMutableBufferPointer<LogError?>) { unsafe self.buffer = buffer }

        func fill(_ jobs: [PartitionLog.CommitJob]) {
            DispatchQueue.concurrentPerform(iterations: jobs.count) { index in
                do throws(LogError) { try jobs[index].run() } catch { unsafe buffer[index] = error }
            }
        }
    }

    init(loop: EventLoop) { self.loop = loop }

    /// Notes that a log has records that the next round has to synchronise.
    func appended(to log: PartitionLog) { written[ObjectIdentifier(log)] = log }

    /// Somebody waits for what was appended; `answer` is called when it is on the disk, or has failed to get there.
    func request(_ answer: (() -> Void)? = nil) {
        if let answer { answers.append(answer) }
        guard !isWanted else { return }
        isWanted = true
        if !isRunning { beginWhenDue() }
    }

    private func beginWhenDue() {
        let now = EventLoop.monotonicMicros()
        let wait = begunMicros == .min ? 0 : Self.gapMillis * 1_000 - (now - begunMicros)
        guard wait > 0 else { return begin() }
        let timer = self.timer ?? loop.timer { [unowned self] in begin() }
        self.timer = timer
        timer.schedule(afterMillis: Int((wait + 999) / 1_000))
    }

    private func begin() {
        guard !isRunning else { return }
        isWanted = false
        let round = Round(Array(written.values), answers, self)
        written = [:]
        answers = []
        guard !round.logs.isEmpty else { return round.answers.forEach { $0() } }
        isRunning = true
        begunMicros = EventLoop.monotonicMicros()
        queue.async { [loop] in
            let failures = round.run()
            loop.submit { round.owner.ended(round, failures) }
        }
    }

    private func ended(_ round: Round, _ failures: [LogError?]) {
        isRunning = false
        for (index, log) in round.logs.enumerated() {
            if let failure = failures[index] {
                log.commitFailed(failure)
                if log.failure == nil { appended(to: log) }
            } else {
                log.committed(round.jobs[index])
            }
            committed(log, failures[index])
        }
        for answer in round.answers { answer() }
        if isWanted { beginWhenDue() }
    }

    /// Waits for the round that is running, at the broker's end.
    func finish() {
        timer?.cancel()
        queue.sync {}
    }
}
