import TestSupport
import Testing

@testable import FeatureTransformer

@Suite struct TransformGroupTests {
    @Test(arguments: 1...7) func `every process owns as many partitions as any other, or one more`(count: Int) {
        for partitions in 0...40 {
            let members = (0..<count).map { $0 * 3 }
            let owners = TransformGroup.owners(partitions: partitions, members: members)
            let loads = members.map { member in owners.count { $0 == member } }
            #expect(owners.count == partitions)
            #expect((loads.max() ?? 0) - (loads.min() ?? 0) <= 1, "\(partitions) partitions: \(loads)")
        }
    }

    @Test func `a process that comes back has its partitions again, and the others kept most of theirs`() {
        let before = TransformGroup.owners(partitions: 64, members: [0, 1, 2])
        let without = TransformGroup.owners(partitions: 64, members: [0, 2])
        #expect(TransformGroup.owners(partitions: 64, members: [0, 1, 2]) == before)
        let moved = before.indices.count { before[$0] != 1 && before[$0] != without[$0] }
        #expect(moved <= 16, "\(moved) of 43 partitions moved between processes that stayed")
    }

    @Test func `nobody owns anything in an empty group`() {
        #expect(TransformGroup.owners(partitions: 4, members: []).isEmpty)
    }
}
