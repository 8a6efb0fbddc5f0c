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
        #expect(
            prepared.refused.first?.refusal
                == RecordRefusal(.contradiction, "label: 1 contradicts the 0 that arrived before"))
    }

    @Test func `a verdict counts once by its own id, and two of one moment are two`() {
        func verdict(_ value: Int, _ id: String) -> LabelRecord {
            var label = label("a", value)
            label.feedback = LabelRecord.Feedback(id: ByteString(id))
            return label
        }
        let prepared = stage([label("a", 0), verdict(1, "f1"), verdict(1, "f1"), verdict(0, "f2"), verdict(0, "f1")])
            .sort(knowing: [verdict(0, "f2").id: false])
        #expect(prepared.rows == 2 && prepared.duplicates == 2 && prepared.refused.map(\.taken) == [4])
    }

    @Test func `what is stored decides, whether the filter knew of it or not`() {
        let known = [label("a", 1).id: true]
        #expect(stage([label("a", 1), label("b", 0)], isCareful: true).sort(knowing: known).duplicates == 1)
        #expect(stage([label("a", 0)], isCareful: true).sort(knowing: known).refused.count == 1)
    }

    @Test func `what is older than the history kept is refused, or dropped as a repeat where nobody waits for it`() {
        let labels = TableStage<LabelRecord>(KafkaPartition("labels", 0))
        labels.horizon = HistoryHorizon(removedBefore: 5, completeFrom: 5)
        labels.begin(isCareful: false)
        #expect(labels.take(label("a", 1), 0)?.kind == .beforeHistory)
        let answers = TableStage<PredictionRow>(KafkaPartition("predictions", 0))
        answers.horizon = labels.horizon
        answers.begin(isCareful: true)
        for (position, (id, created)) in [("a", Int64(4)), ("b", 5), ("a", 4), ("b", 5), ("c", .min)].enumerated() {
            var record = PredictionRecord()
            (record.predictionID, record.createdMillis) = (ByteString(id), created)
            #expect(answers.take(PredictionRow(record), Int64(position)) == nil)
        }
        let prepared = answers.sort(knowing: [:])
        #expect(prepared.rows == 1 && prepared.duplicates == 4 && prepared.refused.isEmpty)
    }

    @Test func `two spellings of one letter are two ids`() {
        let prepared = stage([label("caf\u{e9}", 0), label("cafe\u{301}", 1)]).sort(knowing: [:])
        #expect(prepared.rows == 2 && prepared.refused.isEmpty)
    }
}
