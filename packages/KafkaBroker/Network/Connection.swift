import EventLoop
import Glibc
import KafkaProtocol

/// One client. Requests are taken one at a time and answered in order; while one waits (a fetch for records, a join for
/// the others) nothing else of this client is looked at. Belongs to the broker's loop.
final class Connection {
    /// Bytes of answers that may wait before no more requests are taken.
    static let maxWaiting = 8 << 20
    /// Bytes of requests that may wait behind the one in work before no more are read.
    static let maxBacklog = 256 << 10

    /// Unfinished requests below this size are not worth counting.
    static let smallRequest = 64 << 10

    let descriptor: Int32
    let peer: String
    private unowned let server: any Server
    private var reader: Watcher?
    private var writer: Watcher?
    private var isWriterOn = false
    private var isReaderOn = true
    private var decoder = FrameDecoder()
    private var backlog: [UInt8] = []
    private var outgoing = OutgoingQueue()
    /// Bytes of the unfinished request that the server counts for this client.
    private var counted = 0
    /// Whether a request is in work.
    private var isBusy = false
    private var isTaking = false
    private(set) var isClosed = false
    private(set) var lastActiveMillis: Int64

    /// What the server does with a request: answer it at once or later through `finish`. An error ends the connection.
    protocol Server: AnyObject {
        var loop: EventLoop { get }
        /// Reads once from a socket into shared memory.
        func read(from socket: Int32) -> (bytes: ArraySlice<UInt8>, code: Int32)
        func handle(_ frame: [UInt8], from connection: Connection) throws(ProtocolError)
        func closed(_ connection: Connection)
        /// Whether a request that is still arriving may take more memory, given what all of them have taken.
        func mayGrow(by count: Int) -> Bool
    }

    init(_ descriptor: Int32, peer: String, server: any Server, nowMillis: Int64) {
        self.descriptor = descriptor
        self.peer = peer
        self.server = server
        lastActiveMillis = nowMillis
        reader = server.loop.watch(descriptor, .read) { [unowned self] in readable() }
    }

    deinit { close() }

    /// Whether the client may be closed for being idle.
    var isWaiting: Bool { isBusy || !outgoing.isEmpty }

    private func readable() {
        let (bytes, code) = server.read(from: descriptor)
        if code == EAGAIN || code == EINTR { return }
        guard code == 0, !bytes.isEmpty else { return close() }
        lastActiveMillis = EventLoop.monotonicMicros() / 1_000
        if isBusy || !backlog.isEmpty {
            backlog.append(contentsOf: bytes)
            if backlog.count > Self.maxBacklog { stopReading() }
            if !isBusy { takeBacklog() }
            return
        }
        take(bytes)
    }

    private func stopReading() {
        guard isReaderOn else { return }
        isReaderOn = false
        reader?.pause()
    }

    /// Takes requests out of `bytes` until one has to wait; the rest is kept.
    private func take(_ bytes: ArraySlice<UInt8>) {
        isTaking = true
        defer { isTaking = false }
        var input = bytes
        while !isClosed, !isBusy {
            do throws(ProtocolError) {
                guard let frame = try decoder.next(&input) else { break }
                isBusy = true
                try server.handle(frame, from: self)
            } catch {
                return close()
            }
        }
        if !isClosed, !input.isEmpty { backlog = Array(input) }
        if !isClosed, !countUnfinished() { close() }
    }

    /// Tells the server how much of a large request is here already; false when that is too much.
    private func countUnfinished() -> Bool {
        let held = decoder.buffered < Self.smallRequest ? 0 : decoder.buffered
        let change = held - counted
        guard change != 0 else { return true }
        counted = held
        return server.mayGrow(by: change)
    }

    private func takeBacklog() {
        while !isTaking, !isClosed, !isBusy, !backlog.isEmpty {
            let input = backlog
            backlog = []
            take(input[...])
        }
        if !isClosed, !isReaderOn, backlog.count <= Self.maxBacklog, !isBusy {
            isReaderOn = true
            reader?.resume()
        }
    }

    /// Ends the request in work with its answer; none for a request that wants none.
    func finish(_ pieces: [OutgoingQueue.Piece]) {
        guard !isClosed else { return }
        for piece in pieces { outgoing.append(piece) }
        isBusy = false
        write()
        guard !isClosed else { return }
        if outgoing.waiting > Self.maxWaiting {
            // Counts as busy until the client has read some of it.
            isBusy = true
            return
        }
        takeBacklog()
    }

    private func write() {
        switch outgoing.flush(to: descriptor) {
        case .done:
            if isWriterOn {
                isWriterOn = false
                writer?.pause()
            }
        case .blocked, .yielded:
            if let writer {
                if !isWriterOn { writer.resume() }
            } else {
                writer = server.loop.watch(descriptor, .write) { [unowned self] in writable() }
            }
            isWriterOn = true
        case .failed: close()
        }
    }

    private func writable() {
        let wasFull = outgoing.waiting > Self.maxWaiting
        write()
        if !isClosed, wasFull, outgoing.waiting <= Self.maxWaiting {
            isBusy = false
            takeBacklog()
        }
    }

    /// Ends the connection. Safe twice.
    func close() {
        guard !isClosed else { return }
        isClosed = true
        reader?.cancel()
        writer?.cancel()
        backlog = []
        _ = server.mayGrow(by: -counted)
        counted = 0
        decoder = FrameDecoder()
        _ = Glibc.close(descriptor)
        server.closed(self)
    }
}
