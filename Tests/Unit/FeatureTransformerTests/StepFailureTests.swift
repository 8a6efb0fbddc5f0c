import KafkaClient
import PostgresClient
import PostgresOfflineStore
import RedisClient
import StreamRecovery
import Testing

@testable import FeatureTransformer

@Suite struct StepFailureTests {
    private func failure(_ sqlState: String) -> StepFailure? {
        StepFailure(PostgresError.server(sqlState: sqlState, message: "m"))
    }

    @Test func `what a server lacks is tried again, what a record brings is its own fault`() {
        for state in ["22001", "22003", "22008", "22021", "22P02", "23502", "23514", "54000", "0A000"] {
            guard case .refused(isUnique: false, _)? = failure(state) else {
                Issue.record("\(state) is the record's")
                continue
            }
        }
        guard case .refused(isUnique: true, _)? = failure("23505") else {
            Issue.record("a unique violation")
            return
        }
        for state in ["25006", "57P01", "57P03", "58030", "XX000", "08006"] {
            #expect(failure(state) == .lost(.postgres), "\(state): a new session may cure it")
        }
        for state in ["53100", "53200", "55P03", "40001"] {
            guard case .other? = failure(state) else {
                Issue.record("\(state) is the server's")
                continue
            }
        }
        #expect(StepFailure(PostgresError.connect(reason: "r")) == .lost(.postgres))
        #expect(StepFailure(RedisError.reply("LOADING")) == .lost(.redis))
        #expect(StepFailure(KafkaError.offsetOutOfRange(reason: "r")) == .disturbed)
        #expect(StepFailure(KafkaError.retriable(code: 1, reason: "r")) == .lost(.kafka))
        #expect(StepFailure(StepError(.overtaken, "o")) == .overtaken)
    }

    @Test func `what going on would make worse stops the program`() {
        #expect(StepFailure(KafkaError.fatal(code: 1, reason: "r")) == nil)
        #expect(StepFailure(PipelineStop(topic: "t", partition: 0, "r")) == nil)
    }

    @Test func `no message offers to delete what is stored`() {
        let mismatches: [LogMismatch] = [
            .empty(read: 3), .gone(read: 3, start: 5), .otherRecord(position: 2), .partitionCount(stored: 4, found: 6),
            .totals(rows: 1, letters: 0, PartitionClaim()),
        ]
        for mismatch in mismatches {
            #expect(!mismatch.sentence.contains("clean-data") && !mismatch.sentence.contains("clear"))
        }
    }
}
