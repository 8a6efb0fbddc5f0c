import StreamRecovery

/// A record of a simulated log. `serial` is its own among all records ever produced.
struct SimulatedRecord: Equatable {
    enum Content: Equatable {
        case sound
        /// Refused when it is decoded.
        case malformed
        /// Postgres refuses its row; `letterToo` even its dead letter, as long as that carries what the record brought.
        case poison(letterToo: Bool)
    }
    let serial: Int
    let id: Int
    let key: Int
    let content: Content
}

/// Where a record lies: a position, not a Kafka offset.
struct SimulatedPlace: Hashable {
    let partition: Int
    let position: Int64
}

/// The positions of a key's events: all that a feature can depend on.
struct SimulatedBlob: Equatable {
    var generation: UInt64
    var offset: Int64
    var events: [Int64]
    /// False when a byte of it was changed: the decoder refuses it.
    var isIntact = true
}

/// What a key of Redis holds.
enum Stored<Value: Equatable>: Equatable {
    case value(Value)
    /// Bytes that cannot be one: too short, impossible numbers, a key of another type.
    case garbage

    var value: Value? { if case .value(let value) = self { value } else { nil } }
}

struct SimulatedRedis {
    var blobs: [Int: Stored<SimulatedBlob>] = [:]
    var marks: [Int: Stored<OnlineMark>] = [:]

    mutating func plant(_ mark: OnlineMark, _ partition: Int, _ rules: RecoveryRules) -> Bool {
        switch marks[partition] {
        case .value(let stored)
        where stored.generation >= mark.generation && stored.generation < OnlineMark.generationLimit:
            return false
        case .garbage where !rules.contains(.overwritesDamage): return false
        default: break
        }
        marks[partition] = .value(mark)
        return true
    }

    mutating func move(_ partition: Int, from: OnlineMark, to: OnlineMark, _ rules: RecoveryRules) -> Bool {
        let stored = marks[partition]
        if rules.contains(.comparesMark), stored != .value(from), stored != .value(to) { return false }
        marks[partition] = .value(to)
        return true
    }

    mutating func write(_ key: Int, _ blob: SimulatedBlob, _ rules: RecoveryRules) -> Bool {
        switch blobs[key] {
        case .value(let stored) where rules.contains(.comparesBlobs):
            if (stored.generation, stored.offset) > (blob.generation, blob.offset),
                stored.generation < OnlineMark.generationLimit
            {
                return false
            }
        case .garbage where !rules.contains(.overwritesDamage): return false
        default: break
        }
        blobs[key] = .value(blob)
        return true
    }
}

struct SimulatedPostgres {
    struct Partition {
        var claim = PartitionClaim()
        /// The record before N.
        var lastSerial: Int?
    }
    var partitions: [Partition]
    /// By event id.
    var events: [Int: (place: SimulatedPlace, record: SimulatedRecord)] = [:]
    /// Where each event lies by its other key, by event id.
    var places: [Int: SimulatedPlace] = [:]
    /// What each event's features were computed from.
    var rows: [SimulatedPlace: [Int64]] = [:]
    /// By place, the record's serial.
    var letters: [SimulatedPlace: Int] = [:]

    func events(of partition: Int, from: Int64, to: Int64) -> [(position: Int64, record: SimulatedRecord)] {
        if partition == SimulatedWorld.rekeyed {
            return places.compactMap { id, place in
                guard let event = events[id], place.position >= from, place.position < to else { return nil }
                return (place.position, SimulatedWorld.byOtherKey(event.record, serial: event.record.serial))
            }.sorted { $0.0 < $1.0 }
        }
        return events.values.filter {
            $0.place.partition == partition && $0.place.position >= from && $0.place.position < to
        }
        .map { ($0.place.position, $0.record) }.sorted { $0.0 < $1.0 }
    }
}
