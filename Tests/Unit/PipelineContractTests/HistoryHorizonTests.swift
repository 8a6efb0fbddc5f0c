import Pipeline
import Testing

@Suite struct HistoryHorizonTests {
    @Test func `windows are whole from their look back behind what was deleted`() {
        #expect(HistoryHorizon().firstWholeMillis(lookBackMillis: 1_000) == .min)
        let horizon = HistoryHorizon(removedBefore: 5_000, completeFrom: 9_000)
        #expect(horizon.firstWholeMillis(lookBackMillis: 0) == 5_000)
        #expect(horizon.firstWholeMillis(lookBackMillis: 1_000) == 6_000)
        #expect(horizon.firstWholeMillis(lookBackMillis: .max) == .max)
    }

    @Test func `a field is named only where a record is refused`() {
        var named = 0
        func name() -> String {
            named += 1
            return "time"
        }
        let horizon = HistoryHorizon(removedBefore: 1_000, completeFrom: 5_000)
        let none = horizon.refusal(ofMillis: 5_000, field: name())
        #expect(none == nil && named == 0)
        let reason = horizon.refusal(ofMillis: 4_999, field: name())
        #expect(reason?.hasPrefix("time: ") == true && named == 1)
    }
}
