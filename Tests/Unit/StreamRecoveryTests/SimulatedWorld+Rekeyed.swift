import StreamRecovery

/// The second stage: events by another key, on a log of their own that the owners of partitions 0 and 1 write.
extension SimulatedWorld {
    /// The partition of that log.
    static let rekeyed = 4
    static let firstOtherKey = 100
    private static let otherKeys = firstOtherKey..<firstOtherKey + 3

    static func otherKey(of id: Int) -> Int { firstOtherKey + id % otherKeys.count }

    static func byOtherKey(_ record: SimulatedRecord, serial: Int) -> SimulatedRecord {
        SimulatedRecord(serial: serial, id: record.id, key: otherKey(of: record.id), content: .sound)
    }

    /// Appends records of these events: acknowledged when it returns.
    func rekey(_ events: [SimulatedRecord]) {
        for event in events {
            logs[Self.rekeyed].append(Self.byOtherKey(event, serial: nextSerial))
            nextSerial += 1
        }
    }

    /// Events before P without a place, once everything on their log is stored; whether there were some.
    @discardableResult func bringMissing() -> Bool {
        let claim = postgres.partitions[Self.rekeyed].claim
        guard rules.contains(.bringsMissing), claim.next - claim.base >= Int64(logs[Self.rekeyed].count) else {
            return false
        }
        let missing = postgres.events.filter { id, event in
            event.place.partition < 2 && postgres.places[id] == nil
                && event.place.position < postgres.partitions[event.place.partition].claim.published
        }
        rekey(missing.values.map(\.record).sorted { $0.serial < $1.serial })
        return !missing.isEmpty
    }

    /// By key, the positions of its events.
    private var truth: [Int: [Int64]] {
        var truth: [Int: [Int64]] = [:]
        for (id, place) in postgres.places.sorted(by: { $0.value.position < $1.value.position }) {
            truth[Self.otherKey(of: id), default: []].append(place.position)
        }
        return truth
    }

    /// What the API would see of the other entities now.
    func checkRekeyedOnline() {
        let truth = truth
        guard let mark = redis.marks[Self.rekeyed]?.value, mark.isWhole, !foreignMarks.contains(Self.rekeyed) else {
            return
        }
        for key in Self.otherKeys {
            // What was damaged or lost since, a reader sees: it does not decode, or a known entity has none.
            let stored = redis.blobs[key]
            if stored.map({ $0.value?.isIntact != true }) ?? lostKeys.contains(key) { continue }
            let positions = truth[key] ?? []
            let due = positions.filter { $0 < mark.next }
            guard let blob = stored?.value, blob.generation == mark.generation else {
                if !due.isEmpty { report("\(key) is not online though the state is whole up to \(mark.next)") }
                continue
            }
            if blob.events != positions.filter({ $0 <= blob.offset }) || blob.offset < due.last ?? -1 {
                report("key \(key) is served \(blob.events) at \(blob.offset) of \(mark.next)")
            }
        }
    }

    /// Every stored event of partitions 0 and 1 has one place, and its row was computed from the events before it.
    func checkRekeyedAtRest() {
        checkRekeyedOnline()
        let events = postgres.events.filter { $0.value.place.partition < 2 }
        if Set(events.keys) != Set(postgres.places.keys) {
            report("\(postgres.places.count) places of \(events.count) events")
        }
        var before: [Int: [Int64]] = [:]
        for (id, place) in postgres.places.sorted(by: { $0.value.position < $1.value.position }) {
            let key = Self.otherKey(of: id)
            if read[place]?.id != id { report("\(place) was another record") }
            if postgres.rows[place] != before[key, default: []] {
                report("row \(place) was computed from \(postgres.rows[place] ?? [-1])")
            }
            before[key, default: []].append(place.position)
        }
        let claim = postgres.partitions[Self.rekeyed].claim
        let letters = postgres.letters.keys.count { $0.partition == Self.rekeyed }
        if Int64(postgres.places.count + letters) + claim.duplicates + claim.gaps != claim.next {
            report("\(postgres.places.count) places, \(letters) letters, \(claim.duplicates) repeats of \(claim.next)")
        }
    }
}
