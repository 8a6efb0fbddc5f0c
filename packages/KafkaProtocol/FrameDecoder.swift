/// Cuts a stream of bytes into frames: a 32-bit size, then that many bytes.
public struct FrameDecoder: Sendable {
    /// Largest frame, as Kafka's `socket.request.max.bytes`.
    public static let maxFrame = 100 << 20
    /// Room reserved at once; a size is only believed as its bytes arrive.
    static let firstReservation = 1 << 20

    private var head: [UInt8] = []
    private var body: [UInt8] = []
    private var expected: Int?

    /// A decoder at the start of a frame.
    public init() {}

    /// Bytes held for the frame that has not ended.
    public var buffered: Int { head.count + body.count }

    /// Takes bytes from `input` until a frame is complete; nil when all were taken and none was.
    public mutating func next(_ input: inout ArraySlice<UInt8>) throws(ProtocolError) -> [UInt8]? {
        while expected == nil {
            guard let byte = input.popFirst() else { return nil }
            head.append(byte)
            guard head.count == 4 else { continue }
            let size = head.reduce(Int32(0)) { $0 << 8 | Int32($1) }
            head.removeAll(keepingCapacity: true)
            guard size >= 0, size <= Self.maxFrame else { throw .badLength(Int(size)) }
            expected = Int(size)
            body.reserveCapacity(min(Int(size), Self.firstReservation))
        }
        guard let size = expected else { return nil }
        let taken = min(size - body.count, input.count)
        body.append(contentsOf: input.prefix(taken))
        input = input.dropFirst(taken)
        guard body.count == size else { return nil }
        expected = nil
        defer { body = [] }
        return body
    }
}
