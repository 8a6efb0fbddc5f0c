internal import CLibEvent
internal import Glibc
internal import Synchronization

/// One libevent base: timers, descriptors and jobs from other threads, all run on the one thread that calls `run`.
///
/// Make a loop, add watchers, then call `run` on its thread (or `start` a thread for it). Everything except `submit` and
/// `stop` belongs to that thread; before `run` it belongs to the thread that made the loop.
///
/// `@unchecked Sendable`: other threads touch only `jobs`, a `Mutex`, and the eventfd, whose writes are atomic.
@safe public final class EventLoop: @unchecked Sendable {
    private let handle: OpaquePointer
    private let wakeDescriptor: Int32
    private let jobs = Mutex(Jobs())
    private var wake: Watcher?

    private struct Jobs {
        var waiting: [@Sendable () -> Void] = []
    }

    /// Makes an idle loop.
    public init() throws(EventLoopError) {
        guard let configuration = unsafe event_config_new() else {
            throw .system(call: "event_config_new", reason: "out of memory")
        }
        defer { unsafe event_config_free(configuration) }
        // One thread touches the base, so it needs no lock.
        _ = unsafe event_config_set_flag(configuration, Int32(EVENT_BASE_FLAG_NOLOCK.rawValue))
        guard let base = unsafe event_base_new_with_config(configuration) else {
            throw .system(call: "event_base_new", reason: SystemError.last())
        }
        let descriptor = eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC))
        guard descriptor >= 0 else {
            let reason = SystemError.last()
            unsafe event_base_free(base)
            throw .system(call: "eventfd", reason: reason)
        }
        unsafe handle = base
        wakeDescriptor = descriptor
        wake = watch(descriptor, .read) { [unowned self] in runJobs() }
    }

    deinit {
        wake?.cancel()
        close(wakeDescriptor)
        unsafe event_base_free(handle)
    }

    /// Runs callbacks on this thread until `stop`.
    public func run() {
        _ = unsafe event_base_loop(handle, EVLOOP_NO_EXIT_ON_EMPTY)
    }

    /// Ends `run` after the callback it is in. From any thread, also before `run`: then `run` ends at once.
    public func stop() {
        submit { [unowned self] in _ = unsafe event_base_loopbreak(handle) }
    }

    /// Runs a job on the loop's thread, in the order submitted. From any thread.
    public func submit(_ job: @escaping @Sendable () -> Void) {
        let isFirst = jobs.withLock { jobs in
            jobs.waiting.append(job)
            return jobs.waiting.count == 1
        }
        guard isFirst else { return }  // The wake-up of the first takes all.
        var one: UInt64 = 1
        _ = unsafe write(wakeDescriptor, &one, 8)
    }

    private func runJobs() {
        var count: UInt64 = 0
        _ = unsafe read(wakeDescriptor, &count, 8)
        let ready = jobs.withLock { jobs in
            defer { jobs.waiting = [] }
            return jobs.waiting
        }
        for job in ready { job() }
    }

    /// Calls back whenever the descriptor can be read or written without waiting, until the watcher is cancelled or
    /// released. Cancel it before closing the descriptor.
    public func watch(_ descriptor: Int32, _ interest: Interest, _ body: @escaping () -> Void) -> Watcher {
        unsafe Watcher(handle, descriptor, interest, body)
    }

    /// Calls back once after a delay; schedule the timer again for another time. Released or cancelled, it does not fire.
    public func schedule(afterMillis millis: Int, _ body: @escaping () -> Void) -> LoopTimer {
        let timer = self.timer(body)
        timer.schedule(afterMillis: millis)
        return timer
    }

    /// Calls back once, in the next turn of the loop: behind the descriptors that are ready now.
    public func schedule(_ body: @escaping () -> Void) {
        var timer: LoopTimer?
        timer = self.timer {
            timer = nil  // It has kept itself alive until now.
            body()
        }
        timer?.schedule(afterMillis: 0)
    }

    /// A timer that is not yet set.
    public func timer(_ body: @escaping () -> Void) -> LoopTimer { unsafe LoopTimer(handle, body) }

    /// Microseconds of the monotonic clock, for measuring how long something took.
    public static func monotonicMicros() -> Int64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1_000
    }

    /// Milliseconds since 1970 of the wall clock, for the times that go into records.
    public static func wallClockMillis() -> Int64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000
    }
}

/// The text of `errno`.
enum SystemError {
    static func last() -> String { text(errno) }

    static func text(_ code: Int32) -> String {
        var buffer: [CChar] = Array(repeating: 0, count: 128)
        guard unsafe strerror_r(code, &buffer, buffer.count) == 0 else { return "error \(code)" }
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
