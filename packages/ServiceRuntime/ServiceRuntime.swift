public import Observability
import Foundation
import Synchronization

/// A part of a program that starts, runs and stops.
public protocol Service: Sendable {
    /// Gets ready; returns when others may use it.
    func start() async throws
    /// Works until `stop` is called or the work is done. The first service whose `run` returns ends the program.
    func run(_ runtime: ServiceRuntime) async throws
    /// Stops: pull no more, finish what is in hand, flush, close. Called once, in reverse order of starting.
    func stop() async throws
}

extension Service {
    /// Nothing to get ready.
    public func start() async throws {}
    /// Waits until the program stops.
    public func run(_ runtime: ServiceRuntime) async throws { await runtime.untilStopped() }
    /// Nothing to close.
    public func stop() async throws {}
}

/// What a running command is given: its log, its metrics, and when to stop.
public final class ServiceRuntime: Sendable {
    /// The program's log.
    public let log: Log
    /// The program's metrics.
    public let metrics: MetricsRegistry
    /// How long `waiting` waits for a server.
    public let serverWaitSeconds: Int
    private let hasEnd: Bool
    private let stopping = Atomic<Bool>(false)
    private let interrupted = Atomic<Bool>(false)
    private struct Waiters {
        var handlers: [@Sendable () -> Void] = []
        var continuations: [Int: CheckedContinuation<Void, Never>] = [:]
        var nextID = 0
        var isStopped = false
    }
    private let waiters = Mutex(Waiters())

    /// A runtime; `hasEnd` as `Command.hasEnd` says. Tests make one with a silent log.
    public init(
        log: Log = .silent, metrics: MetricsRegistry = MetricsRegistry(), serverWaitSeconds: Int = 30,
        hasEnd: Bool = true
    ) {
        self.log = log
        self.metrics = metrics
        self.serverWaitSeconds = serverWaitSeconds
        self.hasEnd = hasEnd
    }

    /// Whether the program was asked to stop. One relaxed load: loops may ask for every batch.
    public var isStopping: Bool { stopping.load(ordering: .relaxed) }

    /// Whether TERM or Ctrl-C asked it to stop. `isStopping` is true as well once a command's own work is done.
    public var isInterrupted: Bool { interrupted.load(ordering: .relaxed) }

    /// What TERM and Ctrl-C do.
    public func interrupt() {
        interrupted.store(true, ordering: .sequentiallyConsistent)
        stop()
    }

    /// How a command that was stopped before its end says so: exit 75, because running it again may do what is missing, so that
    /// `first && second` and a script do not take a part for the whole. `missing` is a clause: "3 of 10 rows are sent".
    public func stopped(_ missing: String) -> CommandError {
        CommandError(.temporaryFailure, "stopped before its end: \(missing).")
    }

    /// Asks the program to stop.
    public func stop() {
        let (handlers, continuations) = waiters.withLock { waiters in
            guard !waiters.isStopped else {
                return ([], []) as ([@Sendable () -> Void], [CheckedContinuation<Void, Never>])
            }
            waiters.isStopped = true
            stopping.store(true, ordering: .sequentiallyConsistent)
            let result = (waiters.handlers, Array(waiters.continuations.values))
            waiters.handlers = []
            waiters.continuations = [:]
            return result
        }
        for handler in handlers { handler() }
        for continuation in continuations { continuation.resume() }
    }

    /// Calls `body` once when the program is asked to stop; at once if it already was. It must not block.
    public func onStop(_ body: @escaping @Sendable () -> Void) {
        let isStopped = waiters.withLock { waiters in
            if !waiters.isStopped { waiters.handlers.append(body) }
            return waiters.isStopped
        }
        if isStopped { body() }
    }

    /// Returns when the program is asked to stop, or when the task is cancelled.
    public func untilStopped() async {
        let id = waiters.withLock { waiters in
            waiters.nextID += 1
            return waiters.nextID
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isDone = waiters.withLock { waiters in
                    if waiters.isStopped || Task.isCancelled { return true }
                    waiters.continuations[id] = continuation
                    return false
                }
                if isDone { continuation.resume() }
            }
        } onCancel: {
            waiters.withLock { $0.continuations.removeValue(forKey: id) }?.resume()
        }
    }

    /// Sleeps; false when the program is asked to stop meanwhile.
    public func sleep(millis: Int) async -> Bool {
        if isStopping { return false }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { try? await Task.sleep(for: .milliseconds(millis)) }
            group.addTask { await self.untilStopped() }
            await group.next()
            group.cancelAll()
        }
        return !isStopping
    }

    /// Shows how far a long step is.
    public func progress(_ title: String, total: Int? = nil) -> ProgressReport {
        ProgressReport(title, total: total, log: log)
    }

    /// Writes to standard output. A reader that has gone ends the command without a word, as other tools do.
    public func print(_ text: String, terminator: String = "\n") throws(CommandError) {
        guard Console.standardOutput.write(text + terminator) else { throw CommandError(.success, "") }
    }

    /// Runs blocking work on a thread of its own and waits for it.
    public func onThread<Result: Sendable>(
        _ name: String, _ body: @escaping @Sendable () throws -> Result
    ) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            let thread = Thread { continuation.resume(with: Swift.Result { try body() }) }
            thread.name = name
            thread.stackSize = 8 << 20
            thread.start()
        }
    }

    /// Tries to reach a server until it answers, `serverWaitSeconds` at most; then exits 69. A `CommandError` ends the wait at
    /// once: it is for what waiting does not mend.
    public func waiting<Result: Sendable>(
        for server: String, _ attempt: () async throws -> Result
    ) async throws -> Result {
        let deadline = WallClock.monotonicNanos() + UInt64(serverWaitSeconds) * 1_000_000_000
        var pauseMillis = 100
        var isFirst = true
        while true {
            do {
                return try await attempt()
            } catch let error as CommandError {
                throw error
            } catch {
                guard !isStopping else { throw stoppedWaiting(for: server) }
                guard WallClock.monotonicNanos() < deadline else {
                    throw CommandError(
                        .unavailable,
                        "\(server) does not answer: \(error). Is it running? `make up` starts all servers.")
                }
                if isFirst { log.info("waiting for a server", ["server": server, "error": "\(error)"]) }
                isFirst = false
            }
            guard await sleep(millis: pauseMillis) else { throw stoppedWaiting(for: server) }
            pauseMillis = min(2000, pauseMillis * 2)
        }
    }

    private func stoppedWaiting(for server: String) -> CommandError {
        hasEnd ? stopped("\(server) did not answer yet") : CommandError(.success, "")
    }

    /// Starts services in order, runs them, and stops those that started in reverse order: on TERM or Ctrl-C, when one's `run`
    /// returns, or when one fails. A service that does not stop within the deadline is left behind.
    public func run(
        _ services: [(name: String, service: any Service)], stopDeadlineMillis: Int = 10_000
    ) async throws {
        var started: [(name: String, service: any Service)] = []
        var failure: (any Error)?
        do {
            for (name, service) in services {
                if isStopping { break }
                try await service.start()
                started.append((name, service))
                log.debug("service started", ["part": name])
            }
        } catch {
            failure = error
        }
        if failure != nil { stop() }
        let runs = started.map { runTask($0.service, isWanted: failure == nil) }
        await untilStopped()
        for (index, entry) in started.enumerated().reversed() {
            let ended = await withDeadline(millis: stopDeadlineMillis) {
                try await entry.service.stop()
                try await runs[index].value
            }
            switch ended {
            case .success: log.debug("service stopped", ["part": entry.name])
            case .failure(let error):
                if failure == nil, !(error is CancellationError) { failure = error }
            case nil:
                log.error("service did not stop in time", ["part": entry.name, "deadline_ms": stopDeadlineMillis])
                runs[index].cancel()
            }
        }
        if let failure { throw failure }
    }

    /// A service's `run`; however it ends, the program stops.
    private func runTask(_ service: any Service, isWanted: Bool) -> Task<Void, any Error> {
        Task {
            defer { stop() }
            if isWanted { try await service.run(self) }
        }
    }

    /// The result of `body`, or nil when it takes too long; it is then left to itself.
    private func withDeadline(
        millis: Int, _ body: @escaping @Sendable () async throws -> Void
    ) async -> Result<Void, any Error>? {
        await withCheckedContinuation { continuation in
            let answer = FirstAnswer(continuation)
            Task { @Sendable in
                do {
                    try await body()
                    answer.give(.success(()))
                } catch { answer.give(.failure(error)) }
            }
            Task { @Sendable in
                try? await Task.sleep(for: .milliseconds(millis))
                answer.give(nil)
            }
        }
    }
}

/// Resumes a continuation with the first answer and ignores the second.
private final class FirstAnswer: Sendable {
    typealias Answer = Result<Void, any Error>?
    private let waiting: Mutex<CheckedContinuation<Answer, Never>?>

    init(_ continuation: CheckedContinuation<Answer, Never>) { waiting = Mutex(continuation) }

    func give(_ answer: Answer) {
        let continuation = waiting.withLock { waiting in
            defer { waiting = nil }
            return waiting
        }
        continuation?.resume(returning: answer)
    }
}
