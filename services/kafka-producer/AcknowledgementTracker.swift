/// Numbers records and knows up to which number all are settled: acknowledged, or refused for good.
package struct AcknowledgementTracker: Sendable {
    /// What a record was.
    package struct Record: Sendable {
        let line: Int
        let isLabel: Bool
        fileprivate(set) var isSettled = false
    }
    private var ring: [Record?] = Array(repeating: nil, count: 1_024)

    package init() {}

    /// Every record before this one is settled.
    package private(set) var firstUnsettled: UInt64 = 1
    /// The number of the next record.
    package private(set) var next: UInt64 = 1

    /// Numbers a record. Numbers begin at 1.
    package mutating func add(line: Int, isLabel: Bool) -> UInt64 {
        if Int(next - firstUnsettled) == ring.count { grow() }
        let token = next
        ring[Int(token & UInt64(ring.count - 1))] = Record(line: line, isLabel: isLabel)
        next += 1
        return token
    }

    /// The record of a number that is not yet passed.
    package func record(_ token: UInt64) -> Record? {
        guard token >= firstUnsettled, token < next else { return nil }
        return ring[Int(token & UInt64(ring.count - 1))]
    }

    /// Notes that a record is settled.
    package mutating func settle(_ token: UInt64) {
        guard token >= firstUnsettled, token < next else { return }
        let mask = UInt64(ring.count - 1)
        ring[Int(token & mask)]?.isSettled = true
        while firstUnsettled < next, ring[Int(firstUnsettled & mask)]?.isSettled == true {
            ring[Int(firstUnsettled & mask)] = nil
            firstUnsettled += 1
        }
    }

    private mutating func grow() {
        var larger: [Record?] = Array(repeating: nil, count: ring.count * 2)
        for token in firstUnsettled..<next {
            larger[Int(token & UInt64(larger.count - 1))] = ring[Int(token & UInt64(ring.count - 1))]
        }
        ring = larger
    }
}
