internal import CLibEvent
internal import Glibc

/// A thread that runs one loop. Stop it and join it before letting go of what its callbacks use.
///
/// `@unchecked Sendable`: the thread's id is written once, before anyone else has the object.
@safe public final class EventLoopThread: @unchecked Sendable {
    /// The loop the thread runs.
    public let loop: EventLoop
    private var thread: pthread_t = 0
    private var isJoined = false

    private final class Start {
        let name: String
        let loop: EventLoop
        init(name: String, loop: EventLoop) {
            self.name = name
            self.loop = loop
        }
    }

    /// Starts a thread for a loop; what was attached to the loop before belongs to that thread from now on. The name
    /// (15 bytes of it) shows in `top -H`.
    public init(_ loop: EventLoop, name: String) throws(EventLoopError) {
        self.loop = loop
        let start = unsafe Unmanaged.passRetained(Start(name: String(name.prefix(15)), loop: loop))
        let code = unsafe pthread_create(
            &thread, nil,
            { argument in
                guard let argument = unsafe argument else { return nil }
                let start = unsafe Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
                unsafe needletail_name_thread(start.name)
                start.loop.run()
                return nil
            }, start.toOpaque())
        guard code == 0 else {
            unsafe start.release()
            throw .system(call: "pthread_create", reason: SystemError.text(code))
        }
    }

    /// Ends the loop and waits for its thread. Call it from another thread, once; a second call does nothing.
    public func stop() {
        loop.stop()
        join()
    }

    /// Waits for a thread whose loop something else stops. Call it from another thread, once; a second call does nothing.
    public func join() {
        guard !isJoined else { return }
        isJoined = true
        pthread_join(thread, nil)
    }
}
