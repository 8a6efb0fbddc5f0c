internal import Glibc

/// Takes the server's answers apart where they lie: nothing is copied, and no answer has memory of its own.
///
/// Of the protocol it knows what a read can bring: a value, an array of values, a number, a status, an error. Anything else is
/// malformed, and so is whatever is longer than Redis makes it; the connection is then of no more use. Bytes may come in any
/// pieces.
///
///     bytes   [ done │ the answer being read …… │ received, not read yet │ room ]
///                    ▲ start        cursor ▲                         end ▲
struct RedisReplyReader {
    /// What an answer is.
    enum Kind: Hashable {
        /// One value, which may be none; a number counts as none.
        case value
        /// Values, each of which may be none.
        case array
        /// A short text, as `PONG`.
        case status
        /// An error's text.
        case error
    }
    /// How far the reader came.
    enum Step: Hashable {
        /// More bytes are needed.
        case incomplete
        /// One answer lies in `values` until `drop`.
        case reply(Kind)
        /// What comes is not the protocol.
        case malformed
    }

    /// Most values of one answer: far more than one read asks for.
    static let valuesMax = 1 << 20
    /// Longest value: Redis's own limit.
    static let valueBytesMax = 512 << 20
    /// Longest line: errors are the longest.
    static let lineBytesMax = 65_536
    private static let roomBytes = 65_536

    private var bytes: [UInt8] = []  // all of it is room
    private var start = 0
    private var cursor = 0
    private var end = 0
    private var kind = Kind.value
    private var left = 0  // values of the array that are yet to come
    private var places: [RedisValues.Place] = []  // counted from `start`

    /// The answer's values, or the one text of a status or an error.
    var values: RedisValues { RedisValues(bytes, from: start, places) }

    /// Receives what the socket has, up to the room there is: the bytes received, or what `recv` answered instead.
    mutating func receive(from descriptor: Int32) -> Int {
        makeRoom(for: 4_096)
        let end = end
        let count = unsafe bytes.withUnsafeMutableBytes { buffer in
            unsafe recv(descriptor, buffer.baseAddress?.advanced(by: end), buffer.count - end, 0)
        }
        if count > 0 { self.end += count }
        return count
    }

    /// Takes bytes that are there already.
    mutating func append(_ more: some Collection<UInt8>) {
        makeRoom(for: more.count)
        bytes.replaceSubrange(end..<end + more.count, with: more)
        end += more.count
    }

    /// Reads on to the end of an answer.
    mutating func next() -> Step {
        while true {
            guard let line = line() else { return end - cursor > Self.lineBytesMax ? .malformed : .incomplete }
            let after = line.upperBound + 2
            switch bytes[cursor] {
            case UInt8(ascii: "$"):
                guard let length = number(line), length >= -1, length <= Self.valueBytesMax else { return .malformed }
                if length >= 0 {
                    guard end - after >= length + 2 else { return .incomplete }
                    guard bytes[after + length] == 13, bytes[after + length + 1] == 10 else { return .malformed }
                    add(.init(start: after - start, count: length), to: after + length + 2)
                } else {
                    add(.none, to: after)
                }
            case UInt8(ascii: ":"):
                guard number(line) != nil else { return .malformed }
                add(.none, to: after)
            case UInt8(ascii: "+"):
                if left == 0 { kind = .status }
                add(.init(start: line.lowerBound - start, count: line.count), to: after)
            case UInt8(ascii: "-") where left == 0:
                kind = .error
                add(.init(start: line.lowerBound - start, count: line.count), to: after)
            case UInt8(ascii: "*") where left == 0:
                guard let count = number(line), count >= -1, count <= Self.valuesMax else { return .malformed }
                if count < 0 {
                    add(.none, to: after)
                } else {
                    (kind, left, cursor) = (.array, count, after)
                }
            default: return .malformed
            }
            if left == 0 { return .reply(kind) }
        }
    }

    /// Lets go of the answer that was read.
    mutating func drop() {
        places.removeAll(keepingCapacity: true)
        (kind, left, start) = (.value, 0, cursor)
        guard start == end else { return }
        (start, cursor, end) = (0, 0, 0)
        if bytes.count > 16 * Self.roomBytes { bytes = [] }  // One answer was long; the next ones are not.
    }

    private mutating func add(_ place: RedisValues.Place, to next: Int) {
        places.append(place)
        cursor = next
        if left > 0 { left -= 1 }
    }

    /// The line at the cursor without its first byte and its end; nil when it is not whole.
    private func line() -> Range<Int>? {
        var index = cursor + 1
        let limit = min(end, cursor + Self.lineBytesMax) - 1
        while index < limit {
            if bytes[index] == 13, bytes[index + 1] == 10 { return cursor + 1..<index }
            index += 1
        }
        return nil
    }

    private func number(_ line: Range<Int>) -> Int? {
        let isNegative = !line.isEmpty && bytes[line.lowerBound] == UInt8(ascii: "-")
        let digits = isNegative ? line.dropFirst() : line
        guard !digits.isEmpty, digits.count <= 18 else { return nil }
        var number = 0
        for index in digits {
            let digit = bytes[index] &- 0x30
            guard digit < 10 else { return nil }
            number = number * 10 + Int(digit)
        }
        return isNegative ? -number : number
    }

    private mutating func makeRoom(for count: Int) {
        guard bytes.count - end < count else { return }
        if start > 0 {
            let (start, end) = (start, end)
            unsafe bytes.withUnsafeMutableBytes { buffer in
                guard let base = buffer.baseAddress else { return }
                unsafe memmove(base, base + start, end - start)
            }
            cursor -= start
            self.end -= start
            self.start = 0
        }
        let missing = end + count - bytes.count
        if missing > 0 { bytes += repeatElement(0, count: max(missing, bytes.count, Self.roomBytes)) }
    }
}

extension RedisValues {
    /// The values in bytes of the protocol that come in pieces, up to the first that is not whole or not sound: what an
    /// asynchronous connection makes of them. For fuzzers.
    package static func read(_ bytes: [UInt8], piece: Int) -> [[[UInt8]?]] {
        var reader = RedisReplyReader()
        var found: [[[UInt8]?]] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            reader.append(rest.prefix(piece))
            rest = rest.dropFirst(piece)
            while case let step = reader.next(), step != .incomplete {
                guard step != .malformed else { return found }
                let values = reader.values
                var copies: [[UInt8]?] = []
                for index in 0..<values.count { copies.append(values.copy(index)) }
                found.append(copies)
                reader.drop()
            }
        }
        return found
    }
}
