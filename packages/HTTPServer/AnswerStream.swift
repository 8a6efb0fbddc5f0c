internal import CMicroHTTPD

/// An answer that is written while its client reads it, so that neither its length nor all of it must be there at once. Belongs
/// to its request's loop.
///
/// What waits to be sent is bounded by the writer: once the stream is full it writes no more until there is room. A client takes
/// a megabyte within the time it has for an answer, or is cut off; that time stands still while nothing waits to be sent.
@safe public final class AnswerStream {
    /// Bytes that may wait before the stream is full.
    public static let roomBytes = 256 << 10

    private var buffer: [UInt8] = []
    private var start = 0
    private var isFinished = false
    private var isBroken = false
    private var onRoom: (() -> Void)?
    private weak var request: Request?
    /// Bytes that were sent.
    private(set) var sent = 0

    init(_ request: Request) { self.request = request }

    /// Whether nobody reads any more: the client left, or the server stops.
    public var isGone: Bool { isBroken || request == nil }
    /// Whether so much waits that a writer should wait, too.
    public var isFull: Bool { request?.hasConnection == true && buffer.count - start >= Self.roomBytes }

    /// Adds to the answer.
    public func write(_ bytes: [UInt8]) {
        guard !isGone, !isFinished, !bytes.isEmpty else { return }
        buffer += bytes
        request?.streamHasMore()
    }

    /// Ends the answer.
    public func finish() {
        guard !isFinished else { return }
        isFinished = true
        // Without a connection there is nobody to read: the answer is whole.
        if request?.hasConnection == false { request?.complete(with: buffer) }
        request?.streamHasMore()
    }

    /// Calls once, when half of the room is free or nobody reads any more; at once when that is so now.
    public func whenRoom(_ body: @escaping () -> Void) {
        if isFull, !isGone { onRoom = body } else { body() }
    }

    /// What happens to the next bytes.
    enum Reading { case bytes(Int), wait, end, broken }

    /// Moves waiting bytes to the server.
    func read(into target: UnsafeMutablePointer<CChar>, room: Int) -> Reading {
        guard !isBroken else { return .broken }
        let count = min(room, buffer.count - start)
        guard count > 0 else { return isFinished ? .end : .wait }
        unsafe buffer.withUnsafeBytes { bytes in
            unsafe UnsafeMutableRawBufferPointer(start: target, count: count).copyMemory(
                from: UnsafeRawBufferPointer(rebasing: bytes[start..<start + count]))
        }
        start += count
        sent += count
        if start == buffer.count {
            buffer.removeAll(keepingCapacity: true)
            start = 0
        } else if start >= Self.roomBytes {
            buffer.removeFirst(start)
            start = 0
        }
        if buffer.count - start < Self.roomBytes / 2 { giveRoom() }
        return .bytes(count)
    }

    /// Nobody reads any more.
    func leave() {
        isBroken = true
        buffer = []
        start = 0
        giveRoom()
    }

    private func giveRoom() {
        let body = onRoom
        onRoom = nil
        body?()
    }
}
