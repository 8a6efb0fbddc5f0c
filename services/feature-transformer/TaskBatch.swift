import KafkaClient
import Pipeline
import PostgresOfflineStore

/// The records in hand of one partition, and what is being made of them.
struct TaskBatch {
    private(set) var records: KafkaBatch?
    /// Places in `records`, in offset order, of what is not stored yet.
    private(set) var places: ArraySlice<Int> = []

    /// Places in `records` of those the stage took.
    var taken: [Int] = []
    private(set) var letters: [DeadLetterRecord] = []
    private(set) var letterKinds: [RecordRefusal.Kind] = []
    /// Of the attempt: how many records, and what the commit will say of them.
    var attempted = 0
    var rows = 0
    var advance = PartitionAdvance(from: 0, to: 0, published: 0, lastTimestamp: 0, lastCRC: 0, duplicates: 0, gaps: 0)

    mutating func begin(_ records: KafkaBatch, _ runs: [Range<Int>]) {
        self.records = records
        var places: [Int] = []
        for run in runs { places.append(contentsOf: run) }
        self.places = places[...]
    }

    /// Adds a dead letter.
    mutating func add(_ letter: DeadLetterRecord, _ kind: RecordRefusal.Kind) {
        letters.append(letter)
        letterKinds.append(kind)
    }

    mutating func removeLetters() {
        letters.removeAll(keepingCapacity: true)
        letterKinds.removeAll(keepingCapacity: true)
    }

    mutating func end() {
        records = nil
        places = []
        advance.to = -1
    }

    var count: Int { places.count }
    var firstOffset: Int64? { places.first.flatMap { records?.offset(at: $0) } }

    /// Drops records before an offset.
    mutating func drop(before offset: Int64) {
        guard let records else { return }
        while let first = places.first, records.offset(at: first) < offset { places.removeFirst() }
    }
}
