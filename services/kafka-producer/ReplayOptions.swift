/// What a replay is asked to do.
package struct ReplayOptions: Sendable {
    package var input: String
    package var speed = ReplaySpeed.unlimited
    /// Most rows to read in this run.
    package var limit: Int64?
    /// Whether it begins anew at the input's end, with later times and other ids.
    package var loops = false
    /// Rows to pass over at the start, without a state.
    package var skippedRows: Int64 = 0
    package var stateFile: String?
    /// Whether the run succeeds although rows were no events.
    package var allowsMalformed = false
    /// Integer fields beside the event time that hold Unix times and move with the passes.
    package var timeFields: [String] = []
    package var eventPartitions: Int
    package var labelPartitions: Int?
    /// How long a stop waits for acknowledgements.
    package var stopDeadlineMillis = 8_000

    package init(input: String, eventPartitions: Int) {
        self.input = input
        self.eventPartitions = eventPartitions
    }
}
