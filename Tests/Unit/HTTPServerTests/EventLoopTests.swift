import EventLoop
import Glibc
import Synchronization
import TestSupport
import Testing

@Suite struct EventLoopTests {
    @Test func `jobs from other threads run in order on the loop's thread`() throws {
        let loop = try EventLoop()
        let seen = Mutex<[Int]>([])
        let thread = try EventLoopThread(loop, name: "test-loop")
        for number in 0..<1_000 { loop.submit { seen.withLock { $0.append(number) } } }
        thread.stop()
        #expect(seen.withLock { $0 } == Array(0..<1_000))
    }

    @Test func `stop before run ends run at once`() throws {
        let loop = try EventLoop()
        loop.stop()
        loop.run()
    }

    @Test func `timers fire in the order of their delays and never after being cancelled`() throws {
        let loop = try EventLoop()
        var fired: [String] = []
        let late = loop.schedule(afterMillis: 30) {
            fired.append("late")
            loop.stop()
        }
        let cancelled = loop.schedule(afterMillis: 5) { fired.append("cancelled") }
        cancelled.cancel()
        let early = loop.schedule(afterMillis: 10) { fired.append("early") }
        loop.run()
        #expect(fired == ["early", "late"])
        withExtendedLifetime((late, early)) {}
    }

    @Test func `a watcher may cancel itself while it is called`() throws {
        let loop = try EventLoop()
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        var calls = 0
        var watcher: Watcher?
        watcher = loop.watch(ends[0], .read) {
            calls += 1
            watcher?.cancel()
            watcher = nil
            loop.stop()
        }
        var byte: UInt8 = 1
        #expect(write(ends[1], &byte, 1) == 1)
        loop.run()
        #expect(calls == 1 && watcher == nil)
        close(ends[0])
        close(ends[1])
    }

    @Test func `a taken port is told apart unless both sides share it`() throws {
        let first = try Listener(host: "127.0.0.1", port: 0)
        #expect(first.port > 0)
        #expect(throws: EventLoopError.addressInUse(host: "127.0.0.1", port: first.port)) {
            try Listener(host: "127.0.0.1", port: first.port)
        }
        let shared = try Listener(host: "127.0.0.1", port: 0, sharingPort: true)
        let other = try Listener(host: "127.0.0.1", port: shared.port, sharingPort: true)
        #expect(other.port == shared.port)
        #expect(throws: EventLoopError.addressInUse(host: "127.0.0.1", port: shared.port)) {
            try Listener(host: "127.0.0.1", port: shared.port)
        }
    }

    @Test func `a listener hands over connected descriptors`() throws {
        let loop = try EventLoop()
        let listener = try Listener(host: "127.0.0.1", port: 0)
        var received: [UInt8] = []
        var watcher: Watcher?
        listener.accept(on: loop) { connection in
            watcher = loop.watch(connection, .read) {
                var buffer: [UInt8] = Array(repeating: 0, count: 16)
                let count = read(connection, &buffer, buffer.count)
                received += buffer.prefix(max(0, count))
                watcher?.cancel()
                close(connection)
                loop.stop()
            }
        }
        let client = try HTTPTestClient(port: listener.port)
        client.send("hello")
        loop.run()
        #expect(received == Array("hello".utf8))
        listener.stop()
    }
}
