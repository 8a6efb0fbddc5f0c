import FeatureEngine

/// Which of a batch's records may be repeats: those whose id the filter has seen, or all of them when it is not to be trusted.
/// The filter only says whom to ask about; what is a repeat is decided by Postgres.
struct Deduper {
    private var filter = IDFilter()
    private var isCareful = false
    /// Places in the batch of the records to ask about.
    private(set) var suspects: [Int] = []

    /// Forgets all ids.
    mutating func forget() { filter = IDFilter() }

    /// Notes an id that is stored.
    mutating func note(_ hash: UInt64) { _ = filter.insert(hash) }

    /// Begins a batch.
    mutating func begin(isCareful: Bool) {
        self.isCareful = isCareful
        suspects.removeAll(keepingCapacity: true)
    }

    /// Takes the id of the record at a place.
    mutating func take(_ hash: UInt64, at place: Int) {
        if !filter.insert(hash) || isCareful { suspects.append(place) }
    }
}
