package import TerminalUI

/// Everything the dashboard shows.
package struct DashboardModel: Sendable {
    /// How many samples of each rate, predictions and alerts are kept.
    package static let keptSamples = 240, keptPredictions = 500, keptAlerts = 200

    package let project: String
    package let columns: PredictionColumns

    // What was observed.
    package internal(set) var newest: Observation?
    package internal(set) var window = CounterWindow()
    /// Events a second between two rounds, oldest first; NaN where not known.
    package internal(set) var rates: [Counter: [Double]] = [:]
    package internal(set) var plots = PlotHistory()
    /// Records a second that each partition stored, by `topic/partition`.
    package internal(set) var partitionRates = PartitionRates()
    /// When each part answered last, ms UTC.
    package internal(set) var lastUp: [String: Int64] = [:]
    /// What the registry said last, and when (ms UTC): shown with its age while Postgres does not answer.
    package internal(set) var lastChampion: (champion: Champion, timeMillis: Int64)?
    /// Predictions and, among them, alerts, newest first.
    package internal(set) var predictions: [Prediction] = [], alerts: [Prediction] = []
    /// What came while the user froze the stream, newest first.
    package internal(set) var waiting: [Prediction] = []
    /// Predictions that came meanwhile and were dropped from `waiting`.
    package internal(set) var waitingBeyond = 0
    /// The newest event time of all predictions seen, ms UTC: what a verdict's `available_at` is.
    package internal(set) var newestEventMillis: Int64?
    /// Predictions by tenth of their score since the dashboard began.
    package internal(set) var scoreCounts = [Int](repeating: 0, count: 10)
    /// The newest answer of each kind of question, and when it came, ms UTC.
    package internal(set) var answers: [Question.Kind: (answer: Answer, question: Question, timeMillis: Int64)] = [:]
    /// Why a question has no answer now.
    package internal(set) var failures: [Question.Kind: String] = [:]

    // Where the user is.
    package internal(set) var place = Place.screen(.overview)
    /// Where Esc goes back to, the last first.
    package internal(set) var trail: [Place] = []
    package internal(set) var states: [TableID: TableState] = [:]
    /// Which of a screen's tables takes the keys.
    package internal(set) var focus = 0
    package internal(set) var prompt: Prompt?
    /// What happened, in a line: until the next key.
    package internal(set) var remark = ""
    package internal(set) var isPaused = false
    package internal(set) var showsHelp = false
    package internal(set) var plotWindow = PlotWindow.minutes
    /// The key of the entity screen, as the log has it, and the moment to look at, ms UTC.
    package internal(set) var entityKey = "", entityMillis: Int64?
    package internal(set) var caseLimit = 200
    package internal(set) var themeIndex = 0
    /// Whether the user chose it: then the terminal's background does not.
    private(set) var hasChosenTheme = false
    package internal(set) var usesMouse = false
    /// Text for the clipboard, taken by the loop.
    package var copied: String?

    // What the user may do and did.
    package internal(set) var rights = Rights()
    /// The case that was judged last, by its answer's id: what `u` takes back when the next one is open.
    var lastJudged: String?
    /// What is to be done, the first first; taken by the loop.
    package var orders: [Order] = []
    /// Whether the user asked to leave.
    package internal(set) var isDone = false

    /// A dashboard that has seen nothing yet.
    package init(project: String, columns: PredictionColumns, screen: ScreenName = .overview) {
        self.project = project
        self.columns = columns
        place = .screen(screen)
    }

    /// What the screen wants to know.
    package var question: Question? {
        switch place {
        case .file(let key): .file(key)
        case .screen(.alerts): .cases(limit: caseLimit)
        case .screen(.overview): .cases(limit: 200)
        case .screen(.entity): entityKey.isEmpty ? nil : .entity(entityKey, atMillis: entityMillis)
        case .screen(.model): .model
        case .screen(.pipeline): .pipeline
        case .screen(.logs): .logs
        case .screen(.stream): nil
        }
    }

    /// The tables of where the user is.
    package var tables: [Table] {
        switch place {
        case .screen(.overview): [newestTable]
        case .screen(.stream): [streamTable]
        case .screen(.alerts): [casesTable]
        case .file: fileTables
        case .screen(.entity): entityTables
        case .screen(.model): modelTables
        case .screen(.pipeline): pipelineTables
        case .screen(.logs): [logTable]
        }
    }

    /// The table that takes the keys.
    package var focused: Table {
        if showsHelp { return helpTable }
        let tables = tables
        return tables[min(focus, tables.count - 1)]
    }

    /// What the user did to a table; the order of cases is by what may be lost.
    package func state(_ id: TableID) -> TableState {
        if let state = states[id] { return state }
        var state = TableState()
        if id == .cases { state.sort = Self.lossColumn }
        return state
    }

    mutating func choose(theme index: Int) { (themeIndex, hasChosenTheme) = (index, true) }

    /// Whether an answer is of now: its source answers.
    func isStale(_ kind: Question.Kind) -> Bool { failures[kind] != nil }

    /// What stands in an empty table of some kind of answer.
    func remark(_ kind: Question.Kind, _ empty: String) -> String {
        if let failure = failures[kind] { return "not known: \(failure)" }
        return answers[kind] == nil ? "asking …" : empty
    }
}

/// Records a second by partition, from two answers of the tables.
package struct PartitionRates: Sendable {
    private var last: [String: (next: Int64, clockMillis: Int64)] = [:]
    private var rates: [String: Double] = [:]

    package init() {}

    mutating func add(_ partition: String, next: Int64, clockMillis: Int64) {
        if let before = last[partition], clockMillis > before.clockMillis {
            let (records, overflow) = next.subtractingReportingOverflow(before.next)
            let seconds = Double(clockMillis - before.clockMillis) / 1_000
            rates[partition] = overflow || records < 0 ? nil : Double(records) / seconds
        }
        last[partition] = (next, clockMillis)
    }

    package func rate(_ partition: String) -> Double? { rates[partition] }
}

/// What can happen to the dashboard.
package enum DashboardEvent: Sendable {
    case key(Key)
    /// A round of asking came back.
    case observed(Observation)
    /// A question was answered, at a moment (ms UTC).
    case answered(Question, Answer, timeMillis: Int64)
    /// What became of an order, in a line.
    case done(Order, Outcome)
    /// What the database lets the user do.
    case allowed(Rights)
}
