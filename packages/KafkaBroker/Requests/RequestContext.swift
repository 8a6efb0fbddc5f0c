import KafkaProtocol

/// One request on its way to its answer. Later answers find the client by it, if the client is still there.
struct RequestContext {
    let header: RequestHeader
    weak var connection: Connection?

    var clientID: String { header.clientID ?? "" }
    var clientHost: String { connection?.peer ?? "" }

    /// Sends the answer.
    func answer(_ message: some KafkaMessage) {
        var builder = ResponseBuilder(header)
        do throws(ProtocolError) {
            try builder.write(message)
            connection?.finish(try builder.finished())
        } catch {
            connection?.close()
        }
    }

    /// Ends the request without an answer, which the client does not expect.
    func finishSilently() { connection?.finish([]) }
}

/// Puts an answer together: encoded fields, and between them pieces of log files that are sent from where they are.
struct ResponseBuilder {
    /// Smaller pieces of files are copied: cheaper than a system call of their own.
    static let smallestFilePiece = 64 << 10

    private let header: RequestHeader
    private var pieces: [OutgoingQueue.Piece] = []
    private var total = 0
    var writer = ByteWriter()

    init(_ header: RequestHeader) {
        self.header = header
        writer.write(Int32(0))  // The size, known at the end.
    }

    mutating func begin() throws(ProtocolError) { try header.beginResponse(&writer) }

    mutating func write(_ message: some KafkaMessage) throws(ProtocolError) {
        try begin()
        try message.encode(to: &writer, version: header.version)
    }

    /// Adds batches that were copied, or none.
    mutating func append(_ records: [UInt8]) {
        writer.bytesLength(records.count)
        writer.output.append(contentsOf: records)
    }

    /// Adds batches that stay in their file.
    mutating func append(_ slice: PartitionLog.Slice) {
        let count = slice.range.count
        writer.bytesLength(count)
        let flexible = writer.flexible
        total += writer.output.count + count
        pieces.append(.bytes(writer.output))
        pieces.append(.file(slice.file, position: slice.range.lowerBound, count: count))
        writer = ByteWriter(flexible: flexible)
    }

    /// The pieces, with the size in front. Throws for an answer that no frame can hold; limits on what is asked keep it
    /// from being built.
    consuming func finished() throws(ProtocolError) -> [OutgoingQueue.Piece] {
        total += writer.output.count
        guard let size = Int32(exactly: total - 4) else { throw .badLength(total) }
        if pieces.isEmpty {
            writer.patch(size, at: 0)
        } else if case .bytes(let bytes) = pieces[0] {
            var head = ByteWriter()
            head.output = bytes
            head.patch(size, at: 0)
            pieces[0] = .bytes(head.output)
        }
        if !writer.output.isEmpty { pieces.append(.bytes(writer.output)) }
        return pieces
    }
}
