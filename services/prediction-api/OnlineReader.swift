import RedisClient

/// The keys of one read, in one buffer that is reused.
struct OnlineKeyList {
    private(set) var bytes: [UInt8] = []
    private(set) var ends: [Int] = []

    var count: Int { ends.count }

    mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        ends.removeAll(keepingCapacity: true)
    }

    mutating func append(_ key: [UInt8]) {
        bytes.append(contentsOf: key)
        ends.append(bytes.count)
    }

    mutating func append(_ prefix: [UInt8], _ rest: some Sequence<UInt8>) {
        bytes.append(contentsOf: prefix)
        bytes.append(contentsOf: rest)
        ends.append(bytes.count)
    }

    subscript(index: Int) -> ArraySlice<UInt8> { bytes[(index == 0 ? 0 : ends[index - 1])..<ends[index]] }
}

/// Reads the online store for one event loop. The body is called once, now or later on the same loop, and by the deadline
/// at the latest.
protocol OnlineReader: AnyObject {
    func read(_ keys: OnlineKeyList, _ body: @escaping (borrowing RedisValues) -> Void)
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
}
