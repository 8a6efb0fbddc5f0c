internal import CLibEvent
internal import Glibc

/// What a watcher waits for.
public enum Interest: Sendable {
    /// Bytes to read, a connection to accept, or the end of the stream.
    case read
    /// Room to write.
    case write
}

/// A descriptor being watched by a loop. Belongs to the loop's thread; cancelled when released.
@safe public final class Watcher {
    private var event: OpaquePointer?
    private var body: (() -> Void)?

    init(_ base: OpaquePointer, _ descriptor: Int32, _ interest: Interest, _ body: @escaping () -> Void) {
        self.body = body
        let what = Int16(interest == .read ? EV_READ : EV_WRITE) | Int16(EV_PERSIST)
        // The event is freed before the watcher dies, so it may hold the watcher without counting it.
        unsafe event = event_new(
            base, descriptor, what,
            { _, _, argument in
                guard let argument = unsafe argument else { return }
                // Held for the call: the body may release its own watcher.
                let watcher = unsafe Unmanaged<Watcher>.fromOpaque(argument).takeUnretainedValue()
                watcher.body?()
            }, Unmanaged.passUnretained(self).toOpaque())
        precondition(unsafe event != nil, "out of memory")
        unsafe event_add(event, nil)
    }

    deinit { cancel() }

    /// Stops calling back for a while, until `resume`.
    public func pause() {
        if let event = unsafe event { unsafe event_del(event) }
    }

    /// Calls back again after `pause`.
    public func resume() {
        if let event = unsafe event { unsafe event_add(event, nil) }
    }

    /// Never calls back again, and forgets the body. Safe twice, and from the body itself.
    public func cancel() {
        guard let event = unsafe event else { return }
        unsafe event_free(event)
        unsafe self.event = nil
        body = nil
    }
}

/// A one-shot timer of a loop, which can be set any number of times. Belongs to the loop's thread; cancelled when released.
@safe public final class LoopTimer {
    private var event: OpaquePointer?
    private var body: (() -> Void)?

    init(_ base: OpaquePointer, _ body: @escaping () -> Void) {
        self.body = body
        unsafe event = event_new(
            base, -1, 0,
            { _, _, argument in
                guard let argument = unsafe argument else { return }
                let timer = unsafe Unmanaged<LoopTimer>.fromOpaque(argument).takeUnretainedValue()
                timer.body?()
            }, Unmanaged.passUnretained(self).toOpaque())
        precondition(unsafe event != nil, "out of memory")
    }

    deinit { cancel() }

    /// Fires once after the delay; an earlier setting is forgotten.
    public func schedule(afterMillis millis: Int) {
        guard let event = unsafe event else { return }
        var delay = timeval(tv_sec: max(0, millis) / 1_000, tv_usec: max(0, millis) % 1_000 * 1_000)
        unsafe event_add(event, &delay)
    }

    /// Fires in this turn of the loop, after the callback that runs now. Several calls before that fire once.
    public func fire() {
        if let event = unsafe event { unsafe event_active(event, Int32(EV_TIMEOUT), 1) }
    }

    /// Does not fire until it is set again.
    public func clear() {
        if let event = unsafe event { unsafe event_del(event) }
    }

    /// Never fires again, and forgets the body. Safe twice, and from the body itself.
    public func cancel() {
        guard let event = unsafe event else { return }
        unsafe event_free(event)
        unsafe self.event = nil
        body = nil
    }
}
