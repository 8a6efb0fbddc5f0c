import FeatureEngine
import Foundation
import TestSupport
import Testing

@Suite(.enabled(if: PipelineHarness.isPossible, Comment(rawValue: PipelineHarness.absence)), .serialized)
struct StreamTests {
    @Test(.timeLimit(.minutes(5)))
    func `a stream of 20,000 events is in both stores once, bit for bit`() throws {
        let harness = try PipelineHarness("stream")
        try harness.send(harness.troubledRecords(rows: 20_000, seed: 7))
        let run = try harness.transformToEnd()
        #expect(run.exitCode == 0, "\(run.output)")
        let oracle = try LogOracle(harness)
        #expect(oracle.accepted.count == 20_000 + 1)
        #expect(oracle.duplicates > 100)
        #expect(oracle.refused.count > 300)
        try oracle.check(harness)
        // Nothing is left to do, and doing it again changes nothing.
        let again = try harness.transformToEnd()
        #expect(again.exitCode == 0, "\(again.output)")
        try oracle.check(harness)
    }
}
