import Compression
import FeatureEngine
import FeatureStore
import Observability
import ServiceRuntime
import TransactionData

/// Counts of a backfill; rows are those written.
struct BackfillSummary: Equatable {
    var rows = 0
    var duplicates = 0
    var malformed = 0
    /// Events too late for the windows of their entity.
    var tooOld = 0
    /// Stored events whose windows are not whole any more, so nothing was computed.
    var incomplete = 0
    /// Events whose time lies before one read earlier.
    var outOfOrder = 0
}

/// From a file of transactions into a file of features.
struct FileBackfill {
    let columns: BackfillColumns
    let input: String
    let output: String
    let format: FeatureFormat
    let threads: Int
    let runtime: ServiceRuntime
    /// Whether rows that are no events are only named. Otherwise the run ends with an error once the output is written.
    var allowsMalformed = false
    /// Now, ms UTC: an event further ahead is none.
    var nowMillis = WallClock.nowMillis()

    @discardableResult func run() throws -> BackfillSummary {
        let rows = try BackfillInput(input, columns.source, nowMillis: nowMillis)
        let file = try FeatureFile(output, format, columns, threads: threads)
        do {
            let summary = try replay(rows, file)
            try file.close()
            runtime.log.info(
                "backfill done",
                [
                    "rows": summary.rows, "duplicates": summary.duplicates, "malformed": summary.malformed,
                    "out_of_time_order": summary.outOfOrder, "too_old_for_any_window": summary.tooOld,
                ])
            try judge(summary)
            return summary
        } catch CompressionError.closedPipe {
            file.discard()
            throw CommandError(.success, "")  // The reader has seen enough.
        } catch let error as CSVError {
            file.discard()
            throw CommandError(.dataError, "\(error).")
        } catch let error as CompressionError {
            file.discard()
            throw CommandError(.inputOutput, "\(error).")
        }
    }

    private func judge(_ summary: BackfillSummary) throws(CommandError) {
        if summary.malformed > 0, summary.rows == 0 {
            throw CommandError(.dataError, "no row of \(input) is an event; the log names what is wrong.")
        }
        if summary.outOfOrder > 0 {
            runtime.log.warning(
                "the file is not in time order; an event counts from its place in the file on, as a late one of the stream",
                ["out_of_time_order": summary.outOfOrder, "rows": summary.rows])
        }
        guard summary.malformed > 0, !allowsMalformed else { return }
        throw CommandError(
            .dataError,
            "\(summary.malformed) of \(summary.rows + summary.duplicates + summary.malformed) rows of \(input) are no events and have no line in \(output); later rows of their entities lack them in every window. The log names their lines; --allow-malformed takes that as it is."
        )
    }

    private func replay(_ input: BackfillInput, _ file: FeatureFile) throws -> BackfillSummary {
        let replay = FeatureReplay(columns, format, threads: threads) { rows in try file.write(rows) }
        let progress = runtime.progress("backfill", total: input.total)
        var summary = BackfillSummary()
        var ids = ByteTable()
        var newestMillis = Int64.min
        reading: while !runtime.isStopping {
            let outcome = try replay.withNextRow { row -> TransactionCSV.Outcome? in
                let outcome = try input.next(into: &row)
                guard case .row = outcome else { return outcome }
                guard ids.insert(row.bytes(columns.source.eventIDIndex).span).isNew else { return nil }
                if row.eventTimeMillis < newestMillis { summary.outOfOrder += 1 }
                newestMillis = max(newestMillis, row.eventTimeMillis)
                return outcome
            }
            switch outcome {
            case .row:
                try replay.commit(position: input.recordCount)
                summary.rows += 1
                if summary.rows & 0x3FFF == 0 { progress.update(to: input.done ?? summary.rows) }
            case nil: summary.duplicates += 1
            case .malformed(let line, let error):
                summary.malformed += 1
                report(line, error, summary.malformed)
            case .end: break reading
            }
        }
        try replay.finish()
        progress.update(to: input.done ?? summary.rows)
        progress.finish(note: "\(summary.rows) rows")
        if runtime.isStopping {
            throw CommandError(.temporaryFailure, "stopped before the end; the output is not complete.")
        }
        summary.tooOld = replay.tooOld
        return summary
    }

    /// The first thousand refused rows one by one, then one in a thousand.
    private func report(_ line: Int, _ error: EventError, _ count: Int) {
        guard count <= 1_000 || count % 1_000 == 0 else { return }
        runtime.log.warning("malformed row", ["line": line, "error": error.description, "count": count])
    }
}
