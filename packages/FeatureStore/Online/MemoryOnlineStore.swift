public import FeatureEngine

/// The online store in memory, by the rules that `RedisOnlineStore` has in scripts: the reference it is held against, and what
/// tests without servers use. One thread.
public final class MemoryOnlineStore: OnlineStore {
    /// The values by key; a test may damage them.
    public var values: [ByteString: [UInt8]] = [:]
    /// What `evictionWarning` says.
    public var warning: String?

    /// An empty store.
    public init() {}

    /// See `OnlineStore`.
    public func read(watermarkKey: String, blobKeys: [String]) -> (Watermark?, [[UInt8]?]) {
        (self[watermarkKey].flatMap { Watermark(bytes: $0) }, blobKeys.map { self[$0] })
    }

    /// See `OnlineStore`.
    public func write(_ blobs: [(key: String, blob: [UInt8])]) -> OnlineOutcome {
        var outcome = OnlineOutcome.accepted
        for (key, blob) in blobs {
            let offer = Self.position(blob)
            if let stored = self[key], stored.count >= EntityState.headerSize, let mine = Self.possible(stored) {
                if mine == offer { continue }
                if mine > offer {
                    outcome = .overtaken
                    continue
                }
            }
            self[key] = blob
        }
        return outcome
    }

    /// See `OnlineStore`.
    public func move(_ key: String, from: Watermark, to: Watermark) -> OnlineOutcome {
        if self[key] == to.bytes { return .accepted }
        guard self[key] == from.bytes else { return .overtaken }
        self[key] = to.bytes
        return .accepted
    }

    /// See `OnlineStore`.
    public func plant(_ key: String, _ watermark: Watermark) -> OnlineOutcome {
        if let stored = self[key].flatMap({ Watermark(bytes: $0) }), stored.generation < UInt64(Watermark.end / 2),
            stored.generation >= watermark.generation
        {
            return .overtaken
        }
        self[key] = watermark.bytes
        return .accepted
    }

    /// See `OnlineStore`.
    public func discard(_ blobs: [(key: String, bytes: [UInt8])]) {
        for (key, bytes) in blobs where self[key] == bytes { self[key] = nil }
    }

    /// See `OnlineStore`.
    public func replace(_ known: KnownEntities, key: String, watermarkKey: String, under: Watermark) -> OnlineOutcome {
        guard self[watermarkKey] == under.bytes else { return .overtaken }
        self[key] = known.bytes
        return .accepted
    }

    /// See `OnlineStore`.
    public func add(_ bits: [Int], to key: String, byteCount: Int) -> OnlineOutcome {
        guard var bytes = self[key], bytes.count == byteCount else { return .overtaken }
        for bit in bits { bytes[bit / 8] |= 0x80 >> UInt8(bit % 8) }
        self[key] = bytes
        return .accepted
    }

    /// See `OnlineStore`.
    public func known(_ entities: [[UInt8]], key: String) -> [KnownEntities.Answer] {
        entities.map { entity in
            guard let bytes = self[key], bytes.count >= 8, bytes.count.nonzeroBitCount == 1,
                let selector = Int(String(decoding: KnownEntities.selector(of: entity.span), as: UTF8.self))
            else { return .absent }
            let start = selector % (bytes.count / 8) * 8
            return KnownEntities.answer(Array(bytes[start..<start + 8]).span, of: entity.span)
        }
    }

    /// See `OnlineStore`.
    public func noteAlive(_ key: String, millis: Int64) {
        self[key] = Heartbeat(millis: millis).bytes
    }

    /// See `OnlineStore`.
    public func evictionWarning() -> String? { warning }

    private subscript(key: String) -> [UInt8]? {
        get { values[ByteString(key)] }
        set { values[ByteString(key)] = newValue }
    }

    /// (generation, offset), the high bits first.
    private static func position(_ blob: [UInt8]) -> UInt128 { blob.prefix(16).reduce(0) { $0 << 8 | UInt128($1) } }

    /// The position of a blob, nil for one that no owner can have written.
    private static func possible(_ blob: [UInt8]) -> UInt128? {
        let position = position(blob)
        let (generation, offset) = (position >> 64, position & UInt128(UInt64.max))
        return generation < UInt128(Watermark.end / 2) && offset < UInt128(Watermark.end) ? position : nil
    }
}
