import FeatureEngine
import KafkaClient
import Pipeline
import Testing

@testable import FeatureTransformer

@Suite struct TableStageTests {
    private func stage(_ labels: [LabelRecord], isCareful: Bool = false) -> TableStage<LabelRecord> {
        let stage = TableStage<LabelRecord>(KafkaPartition("labels", 0))
        stage.begin(isCareful: isCareful)
        for (position, label) in labels.enumerated() { stage.take(label, Int64(position)) }
        return stage
    }

    private func label(_ id: String, _ value: Int, at available: Int64 = 5) -> LabelRecord {
        LabelRecord(eventID: ByteString(id), isFraud: value == 1, eventMillis: 1, availableMillis: available)
    }

    @Test func `the same label again is a repeat, another value for its moment is refused`() {
        let labels = [label("a", 0), label("a", 0), label("a", 1), label("a", 1, at: 6)]
        let prepared = stage(labels).sort(knowing: [:])
        #expect(prepared.rows == 2 && prepared.duplicates == 1)
        #expect(prepared.refused.map(\.taken) == [2])
        #expect(prepared.refused.first?.reason == "label: 1 contradicts the 0 that arrived before")
    }

    @Test func `what is stored decides, whether the filter knew of it or not`() {
        let known = [label("a", 1).id: true]
        #expect(stage([label("a", 1), label("b", 0)], isCareful: true).sort(knowing: known).duplicates == 1)
        #expect(stage([label("a", 0)], isCareful: true).sort(knowing: known).refused.count == 1)
    }

    @Test func `two spellings of one letter are two ids`() {
        let prepared = stage([label("caf\u{e9}", 0), label("cafe\u{301}", 1)]).sort(knowing: [:])
        #expect(prepared.rows == 2 && prepared.refused.isEmpty)
    }
}
