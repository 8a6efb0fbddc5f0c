public import FeatureStore
public import RedisClient

/// The online view in Redis: one blob an entity and view, and a watermark a partition. One connection, one thread. Any error
/// means that nothing is known about what was written: make another store and read the watermark again.
public final class RedisOnlineStore: OnlineStore {
    private let connection: RedisConnection
    private var pipeline = RedisPipeline()
    private var hashes: [OnlineScript: String] = [:]

    /// Works on a connection.
    public init(_ connection: RedisConnection) { self.connection = connection }

    /// Connects.
    public convenience init(url: String) throws(RedisError) { self.init(try RedisConnection(RedisAddress(url: url))) }

    /// Whether the connection still stands.
    public var isOpen: Bool { connection.isOpen }

    /// Ends the connection.
    public func close() { connection.close() }

    /// Why this server may lose online state by itself, or nil. A server that hides its configuration is not suspected.
    public func evictionWarning() throws(RedisError) -> String? {
        let reply: RedisReply
        do { reply = try connection.command("CONFIG", "GET", "maxmemory-policy") } catch .reply { return nil }
        guard case .array(let parts) = reply, parts.count == 2, case .bytes(let value) = parts[1] else { return nil }
        let policy = String(decoding: value, as: UTF8.self)
        return policy == "noeviction" ? nil : "maxmemory-policy is \(policy): it must be noeviction"
    }

    // MARK: Which entities there are

    /// See `OnlineStore`. The whole filter goes in one command.
    public func replace(_ known: KnownEntities, key: String, watermarkKey: String, under: Watermark) throws(RedisError)
        -> OnlineOutcome
    {
        try run(.replaceKnown, [([watermarkKey, key], [under.bytes, known.bytes])])[0] == 0 ? .overtaken : .accepted
    }

    /// See `OnlineStore`. A script call takes up to 4,000 bits.
    public func add(_ bits: [Int], to key: String, byteCount: Int) throws(RedisError) -> OnlineOutcome {
        guard !bits.isEmpty else { return .accepted }
        let size = Array(String(byteCount).utf8)
        let calls = stride(from: 0, to: bits.count, by: 4_000).map { start in
            ([key], [size] + bits[start..<min(bits.count, start + 4_000)].map { Array(String($0).utf8) })
        }
        return try run(.addKnown, calls).contains(0) ? .overtaken : .accepted
    }

    /// See `OnlineStore`. All of them in one round trip.
    public func known(_ entities: [[UInt8]], key: String) throws(RedisError) -> [KnownEntities.Answer] {
        guard !entities.isEmpty else { return [] }
        for entity in entities {
            let parts = KnownEntities.lookup(key: Array(key.utf8), entity: entity.span)
            pipeline.begin(arguments: parts.count)
            for part in parts { pipeline.add(part) }
        }
        let replies = try connection.run(&pipeline)
        guard replies.count == entities.count else { throw .unexpectedReply(command: "EVAL") }
        var answers: [KnownEntities.Answer] = []
        for (entity, reply) in zip(entities, replies) {
            switch try reply.checked() {
            case .bytes(let word): answers.append(KnownEntities.answer(word.span, of: entity.span))
            case .null: answers.append(.absent)
            default: throw .unexpectedReply(command: "EVAL")
            }
        }
        return answers
    }

    // MARK: Reading

    /// The watermark and some blobs in one round trip; nil where there is none, or a value of another type. A watermark that does
    /// not decode is nil too: who owns the partition plants over it. `watermarkKey` comes first in the same MGET.
    public func read(watermarkKey: String, blobKeys: [String]) throws(RedisError) -> (Watermark?, [[UInt8]?]) {
        pipeline.begin(arguments: 2 + blobKeys.count)
        pipeline.add("MGET")
        pipeline.add(watermarkKey)
        for key in blobKeys { pipeline.add(key) }
        let reply = try connection.run(&pipeline)[0].checked()
        guard case .array(let values) = reply, values.count == 1 + blobKeys.count else {
            throw .unexpectedReply(command: "MGET")
        }
        var blobs: [[UInt8]?] = []
        blobs.reserveCapacity(blobKeys.count)
        for value in values.dropFirst() {
            if case .bytes(let bytes) = value { blobs.append(bytes) } else { blobs.append(nil) }
        }
        guard case .bytes(let bytes) = values[0] else { return (nil, blobs) }
        return (Watermark(bytes: bytes), blobs)
    }

    // MARK: Writing

    /// Writes blobs, each only over an older position. All answers are in before this returns, so that the watermark can follow.
    public func write(_ blobs: [(key: String, blob: [UInt8])]) throws(RedisError) -> OnlineOutcome {
        guard !blobs.isEmpty else { return .accepted }
        let outcomes = try run(.blob, blobs.map { ([$0.key], [$0.blob]) })
        return outcomes.contains(0) ? .overtaken : .accepted
    }

    /// Moves a watermark, only from where its owner left it.
    public func move(_ key: String, from: Watermark, to: Watermark) throws(RedisError) -> OnlineOutcome {
        try run(.watermark, [([key], [from.bytes, to.bytes])])[0] == 0 ? .overtaken : .accepted
    }

    /// Plants a watermark of a new generation: over an older generation, or over what is no watermark.
    public func plant(_ key: String, _ watermark: Watermark) throws(RedisError) -> OnlineOutcome {
        try run(.plant, [([key], [watermark.bytes])])[0] == 0 ? .overtaken : .accepted
    }

    /// Removes blobs that do not decode, unless something else was written there since they were read. Without that their claimed
    /// position would refuse every write below it.
    public func discard(_ blobs: [(key: String, bytes: [UInt8])]) throws(RedisError) {
        guard !blobs.isEmpty else { return }
        _ = try run(.discard, blobs.map { ([$0.key], [$0.bytes]) })
    }

    /// Notes when a partition was last known to be at its log's end, under the key of `OnlineKeys.alive`.
    public func noteAlive(_ key: String, millis: Int64) throws(RedisError) {
        pipeline.begin(arguments: 3)
        pipeline.add("SET")
        pipeline.add(key)
        pipeline.add(Heartbeat(millis: millis).bytes)
        _ = try connection.run(&pipeline)[0].checked()
    }

    /// One script over many keys in one round trip. A server that does not know the script (it was restarted, or somebody
    /// flushed) gets it, and all is sent again: that changes nothing where it was carried out before.
    private func run(_ script: OnlineScript, _ calls: [(keys: [String], arguments: [[UInt8]])]) throws(RedisError)
        -> [Int64]
    {
        for attempt in 0..<3 {
            let hash = try hash(of: script, loadingAgain: attempt > 0)
            for (keys, arguments) in calls {
                pipeline.begin(arguments: 3 + keys.count + arguments.count)
                pipeline.add("EVALSHA")
                pipeline.add(hash)
                pipeline.add("\(keys.count)")
                for key in keys { pipeline.add(key) }
                for argument in arguments { pipeline.add(argument) }
            }
            let replies = try connection.run(&pipeline)
            if replies.contains(where: { $0.isError("NOSCRIPT") }) { continue }
            var outcomes: [Int64] = []
            outcomes.reserveCapacity(replies.count)
            for reply in replies {
                guard case .integer(let value) = try reply.checked() else { throw .unexpectedReply(command: "EVALSHA") }
                outcomes.append(value)
            }
            return outcomes
        }
        throw .reply("NOSCRIPT although the script was loaded")
    }

    private func hash(of script: OnlineScript, loadingAgain: Bool) throws(RedisError) -> String {
        if !loadingAgain, let hash = hashes[script] { return hash }
        guard case .bytes(let bytes) = try connection.command("SCRIPT", "LOAD", script.source) else {
            throw .unexpectedReply(command: "SCRIPT LOAD")
        }
        let hash = String(decoding: bytes, as: UTF8.self)
        hashes[script] = hash
        return hash
    }
}
