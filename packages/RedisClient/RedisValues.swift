/// Why a read brought no values.
public enum RedisReadFailure: Error, Hashable, Sendable {
    /// There is no connection now; another attempt is made in the background.
    case notConnected
    /// As many reads are out as are allowed.
    case tooManyReads
    /// No answer within the deadline.
    case deadline
    /// The connection broke before the answer came.
    case connectionLost
    /// The server answered with an error (`LOADING …`), which is never the same as a missing key.
    case reply(String)
    /// The answer is not an array of as many values as keys were asked for.
    case unexpectedReply
}

/// The values of one read, lent to the callback: it cannot be kept.
public struct RedisValues: ~Copyable {
    /// Why there are none; nil when there are.
    public let failure: RedisReadFailure?
    private let bytes: [UInt8]
    private let start: Int
    private let places: [Place]

    /// Where a value lies.
    struct Place {
        var start: Int
        var count: Int
        /// No value.
        static let none = Place(start: 0, count: -1)
    }

    /// Values that lie in a buffer, counted from a place in it.
    init(_ bytes: [UInt8], from start: Int, _ places: [Place]) {
        failure = nil
        self.bytes = bytes
        self.start = start
        self.places = places
    }

    /// A failure.
    public init(_ failure: RedisReadFailure) {
        self.failure = failure
        (bytes, start, places) = ([], 0, [])
    }

    /// Values that no server sent, for stores in memory.
    public init(_ values: [[UInt8]?]) {
        var (bytes, places): ([UInt8], [Place]) = ([], [])
        for value in values {
            places.append(value.map { Place(start: bytes.count, count: $0.count) } ?? .none)
            bytes += value ?? []
        }
        self.init(bytes, from: 0, places)
    }

    /// How many there are: as many as keys were asked for, or 0 after a failure.
    public var count: Int { places.count }

    /// Lends one value's bytes; nil is a key that does not exist.
    public func withValue<Result, Failure: Error>(
        _ index: Int, _ body: (Span<UInt8>?) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let place = places[index]
        guard place.count >= 0 else { return try body(nil) }
        return try body(bytes.span.extracting(start + place.start..<start + place.start + place.count))
    }

    /// A value, to be kept.
    func copy(_ index: Int) -> [UInt8]? {
        let place = places[index]
        guard place.count >= 0 else { return nil }
        return Array(bytes[start + place.start..<start + place.start + place.count])
    }

    /// A value as text.
    func text(_ index: Int) -> String { String(decoding: copy(index) ?? [], as: UTF8.self) }
}
