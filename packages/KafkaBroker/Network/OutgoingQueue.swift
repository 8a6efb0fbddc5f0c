import Glibc

/// What waits to be written to one connection: bytes in memory, and pieces of log files that never pass through it.
struct OutgoingQueue {
    enum Piece {
        case bytes([UInt8])
        case file(LogFile, position: Int, count: Int)
    }

    enum Progress: Equatable {
        case done
        /// The socket is full.
        case blocked
        /// The turn's share is used up; there is more to write at once.
        case yielded
        /// The peer is gone, or a file ended early.
        case failed
    }

    /// Bytes written in one turn before other connections get theirs.
    static let turn = 4 << 20

    private var pieces: [Piece] = []
    private var next = 0
    /// Bytes of the first piece that are written.
    private var written = 0
    /// Bytes that wait, in memory and in files.
    private(set) var waiting = 0

    var isEmpty: Bool { next == pieces.count }

    mutating func append(_ piece: Piece) {
        pieces.append(piece)
        switch piece {
        case .bytes(let bytes): waiting += bytes.count
        case .file(_, _, let count): waiting += count
        }
    }

    /// Writes until everything is written, the socket is full, or the turn is over.
    mutating func flush(to socket: Int32) -> Progress {
        var budget = Self.turn
        while next < pieces.count {
            guard budget > 0 else { return .yielded }
            let isLast = next == pieces.count - 1
            let sent: Int
            let isWhole: Bool
            switch pieces[next] {
            case .bytes(let bytes):
                // More follows at once: let the kernel fill its packets.
                let flags = Int32(MSG_NOSIGNAL) | (isLast ? 0 : Int32(MSG_MORE))
                sent = unsafe bytes.withUnsafeBytes { buffer in
                    unsafe send(socket, buffer.baseAddress?.advanced(by: written), buffer.count - written, flags)
                }
                isWhole = sent == bytes.count - written
            case .file(let file, let position, let count):
                var offset = off_t(position + written)
                sent = unsafe sendfile(socket, file.descriptor, &offset, min(count - written, budget))
                if sent == 0 { return .failed }  // The file is shorter than what was promised.
                isWhole = sent == count - written
            }
            if sent < 0 {
                if errno == EINTR { continue }
                return errno == EAGAIN || errno == EWOULDBLOCK ? .blocked : .failed
            }
            waiting -= sent
            budget -= sent
            if isWhole {
                next += 1
                written = 0
            } else {
                written += sent
            }
        }
        pieces.removeAll(keepingCapacity: true)
        next = 0
        return .done
    }
}
