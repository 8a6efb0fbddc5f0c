import KafkaClient
import Observability

/// Tells of dead letters in the log, a line for a burst and not for a record: counts by reason, at most once in ten seconds.
struct LetterTally {
    static let pauseMillis: Int64 = 10_000
    /// More different reasons than this are counted together.
    static let reasonsMax = 5

    private var counts: [String: Int] = [:]
    private var others = 0
    private var lastMillis: Int64?

    mutating func note(_ reason: String) {
        let short = String(reason.prefix(100))
        if counts[short] != nil || counts.count < Self.reasonsMax {
            counts[short, default: 0] += 1
        } else {
            others += 1
        }
    }

    /// What is to be told now; nil when nothing is, or it is too early.
    mutating func report(nowMillis: Int64) -> (total: Int, reasons: String)? {
        guard !counts.isEmpty, lastMillis.map({ nowMillis - $0 >= Self.pauseMillis }) ?? true else { return nil }
        lastMillis = nowMillis
        let sorted = counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
        var reasons = sorted.map { "\($0.value) × \($0.key)" }.joined(separator: "; ")
        if others > 0 { reasons += "; \(others) × other reasons" }
        let total = counts.values.reduce(others, +)
        (counts, others) = ([:], 0)
        return (total, reasons)
    }
}

/// The tally of one thread.
final class LetterReport {
    private var tally = LetterTally()
    private let stage: String
    private let log: Log

    init(stage: String, log: Log) { (self.stage, self.log) = (stage, log) }

    func note(_ reason: String) { tally.note(reason) }

    func tell(nowMillis: Int64) {
        guard let report = tally.report(nowMillis: nowMillis) else { return }
        log.warning("records were refused", ["stage": stage, "dead_letters": report.total, "reasons": report.reasons])
    }
}
