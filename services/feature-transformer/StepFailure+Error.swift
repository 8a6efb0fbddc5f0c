import KafkaClient
import PostgresClient
import PostgresOfflineStore
import RedisClient
import StreamRecovery

/// A failure that the code itself finds, beside those that servers report.
struct StepError: Error, Equatable, CustomStringConvertible {
    let failure: StepFailure
    let description: String

    init(_ failure: StepFailure, _ description: String) { (self.failure, self.description) = (failure, description) }
}

extension StepFailure {
    /// The one place where errors become what the protocol knows. Nil for what must stop the program.
    init?(_ error: any Error) {
        switch error {
        case is PipelineStop, is TableMismatch: return nil
        case let error as StepError: self = error.failure
        case is Fenced: self = .fenced
        case is RedisError: self = .lost(.redis)
        case let error as PostgresError: self.init(error)
        case let error as KafkaError:
            switch error {
            case .fatal, .configuration: return nil
            case .offsetOutOfRange: self = .disturbed
            case .unreachable, .retriable, .refused, .messageTooLarge: self = .lost(.kafka)
            }
        default: self = .other("\(error)")
        }
    }

    private init(_ error: PostgresError) {
        switch error {
        case .connect, .connectionLost: self = .lost(.postgres)
        case .server where error.needsNewSession: self = .lost(.postgres)
        case .server where !error.isServerInNeed:
            self = .refused(isUnique: error.isUniqueViolation, reason: "\(error)")
        case .server, .unexpectedResult: self = .other("\(error)")
        }
    }
}
