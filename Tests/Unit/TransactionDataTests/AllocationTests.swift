import Compression
import FeatureEngine
import TestSupport
import Testing
import TransactionData

@Suite(.countsAllocations) struct AllocationTests {
    @Test func `the counter sees an allocation`() {
        var kept: [[UInt8]] = []
        #expect(allocations { kept.append(Array(repeating: 1, count: 10_000)) } > 0)
        #expect(kept.count == 1)
    }

    @Test func `rows and events are read and written without asking for memory`() throws {
        let schema = Reference.schema()
        let lines = (0..<3_000).map { Reference.line($0, merchant: "\"fraud_A, B and \($0)\"", amount: "\($0).25") }
        let csv = try Reference.csv(Reference.file(lines))
        let (encoder, decoder) = (EventEncoder(schema), EventDecoder(schema))
        var (row, read) = (SourceRow(schema), SourceRow(schema))
        var event: [UInt8] = []
        func turn() throws {
            guard case .row = try csv.next(into: &row) else { return }
            event.removeAll(keepingCapacity: true)
            encoder.encode(row, into: &event)
            try decoder.decode(event.span, into: &read)
        }
        for _ in 0..<1_500 { try turn() }
        #expect(try allocations { for _ in 0..<1_000 { try turn() } } == 0)
        #expect(read.bits(4) == 249_925)
        #expect(csv.recordCount == 2_500)
    }
}
