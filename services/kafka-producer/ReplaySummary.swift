package import ServiceRuntime

/// What became of a replay.
package struct ReplaySummary: Equatable, Sendable {
    package var read = 0
    package var sent = 0
    package var acknowledged = 0
    package var failed = 0
    package var malformed = 0
    package var labelsSent = 0
    package var labelsAcknowledged = 0
    package var labelsPending = 0
    package var unacknowledged = 0
    package var scored = 0
    package var fraudulent = 0
    package var notScored = 0
    /// Whether it was asked to stop before it had done all.
    package var isStopped = false
    /// The failure that ended the run, when one did.
    package var failure: String?
    /// Why the input could not be read to its end, when it could not.
    package var inputFailure: CommandError?

    package init() {}

    /// The last line of a run.
    package var text: String {
        var text = "sent \(sent), acknowledged \(acknowledged), failed \(failed), malformed \(malformed)"
        text +=
            "; labels: sent \(labelsSent), acknowledged \(labelsAcknowledged), waiting for their time \(labelsPending)"
        if scored + notScored > 0 { text += "; scored \(scored) (\(fraudulent) fraud), not scored \(notScored)" }
        if unacknowledged > 0 { text += "; \(unacknowledged) records were not acknowledged in time" }
        return text
    }
}
