import EventLoop
import FeatureEngine
import FeatureStore
import RedisClient

/// The keys of one read, in one buffer that is reused.
struct OnlineKeyList {
    private var bytes: [UInt8] = []
    private var ends: [Int] = []
    private var places: [ByteString: Int32] = [:]

    var count: Int { ends.count }

    mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        ends.removeAll(keepingCapacity: true)
        if !places.isEmpty { places.removeAll(keepingCapacity: true) }
    }

    /// Adds a key; returns its place. With `isShared` the place of an equal key that was added so is given instead.
    mutating func append(_ key: [UInt8], isShared: Bool) -> Int32 {
        bytes.append(contentsOf: key)
        return end(isShared)
    }

    /// Adds a key that has two parts.
    mutating func append(_ prefix: [UInt8], _ rest: Span<UInt8>, isShared: Bool) -> Int32 {
        bytes.append(contentsOf: prefix)
        rest.withUnsafeBufferPointer { bytes.append(contentsOf: $0) }
        return end(isShared)
    }

    private mutating func end(_ isShared: Bool) -> Int32 {
        let place = Int32(ends.count)
        if isShared {
            let start = ends.last ?? 0
            let key = ByteString(bytes[start...])
            if let known = places[key] {
                bytes.removeSubrange(start...)
                return known
            }
            places[key] = place
        }
        ends.append(bytes.count)
        return place
    }

    subscript(index: Int) -> ArraySlice<UInt8> { bytes[(index == 0 ? 0 : ends[index - 1])..<ends[index]] }
}

/// Reads the online store for one event loop. Bodies are called once, now or later on the same loop, and by the deadline at
/// the latest.
protocol OnlineReader: AnyObject {
    func read(_ keys: OnlineKeyList, _ body: @escaping (borrowing RedisValues) -> Void)
    /// Asks the filter with this key whether it has an entity; nil when there was no answer in time, which is counted from
    /// `sinceMicros`.
    func lookUp(
        _ key: [UInt8], entity: ByteString, sinceMicros: Int64, _ body: @escaping (KnownEntities.Answer?) -> Void)
    /// Reads the header of one blob, for nobody who waits; nil when there was no answer, empty when there is no blob.
    func readHeader(_ key: [UInt8], _ body: @escaping ([UInt8]?) -> Void)
}

/// Reads Redis: one MGET a read.
final class RedisOnlineReader: OnlineReader {
    let connection: AsyncRedisConnection
    private var command = RedisPipeline()

    init(_ connection: AsyncRedisConnection) { self.connection = connection }

    func read(_ keys: OnlineKeyList, _ body: @escaping (borrowing RedisValues) -> Void) {
        command.begin(arguments: keys.count + 1)
        command.add("MGET")
        for index in 0..<keys.count { command.add(keys[index]) }
        connection.read(&command, keys: keys.count, body)
    }

    func lookUp(
        _ key: [UInt8], entity: ByteString, sinceMicros: Int64, _ body: @escaping (KnownEntities.Answer?) -> Void
    ) {
        let arguments = KnownEntities.lookup(key: key, entity: entity.bytes.span)
        command.begin(arguments: arguments.count)
        for argument in arguments { command.add(argument) }
        connection.read(&command, keys: nil, sinceMicros: sinceMicros) { values in
            guard values.failure == nil else { return body(nil) }
            body(values.withValue(0) { word in KnownEntities.answer(word, of: entity.bytes.span) })
        }
    }

    func readHeader(_ key: [UInt8], _ body: @escaping ([UInt8]?) -> Void) {
        command.begin(arguments: 4)
        command.add("GETRANGE")
        command.add(key)
        command.add("0")
        command.add("\(EntityState.headerSize - 1)")
        // It may stand behind the very blob whose size is asked for.
        connection.read(&command, keys: nil, sinceMicros: EventLoop.monotonicMicros() + 1_000_000) { values in
            guard values.failure == nil else { return body(nil) }
            body(
                values.withValue(0) { bytes -> [UInt8] in
                    guard let bytes else { return [] }
                    return bytes.withUnsafeBufferPointer { Array($0) }
                })
        }
    }
}
