/// What an aggregation computes over the events of its window.
public enum AggregateFunction: String, Hashable, Sendable, CaseIterable {
    /// Number of events; the column, where one is given, only lends its name.
    case count
    /// Sum of a decimal or integer column.
    case sum
    /// Arithmetic mean of a decimal or integer column; missing over no events.
    case mean
    /// Sample standard deviation of a decimal or integer column; missing below two events.
    case std
    /// Smallest value; missing over no events.
    case min
    /// Largest value; missing over no events.
    case max
    /// Number of different values.
    case distinctCount = "distinct_count"
    /// Value of the oldest event within the retention.
    case first
    /// Value of the newest event.
    case last
    /// Seconds from the newest event to the evaluation.
    case secondsSinceLast = "seconds_since_last"

    /// Whether the function takes a window; the others look back over the view's retention.
    public var takesWindow: Bool {
        switch self {
        case .first, .last, .secondsSinceLast: false
        case .count, .sum, .mean, .std, .min, .max, .distinctCount: true
        }
    }
}

/// One feature of a stream view.
public struct WindowFeature: Hashable, Sendable {
    /// `<column>_<function>_<window>`: `amt_mean_7d`.
    public let name: String
    /// What is computed.
    public let function: AggregateFunction
    /// The aggregated field's index in the source, where the function needs one.
    public let field: Int?
    /// The window, ms; nil for functions that look back over the retention.
    public let windowMillis: Int64?

    /// Declares a feature.
    public init(name: String, function: AggregateFunction, field: Int?, windowMillis: Int64?) {
        self.name = name
        self.function = function
        self.field = field
        self.windowMillis = windowMillis
    }
}

/// The kind of values a feature takes.
public enum FeatureKind: Hashable, Sendable {
    /// A double; NaN is missing.
    case number
    /// A category: text, nil is missing.
    case category
}

/// A stream feature view, compiled: what is kept of each event and what is computed from it. Immutable and shared.
public final class StreamView: Sendable {
    /// How a kept field is stored: decimals, integers and booleans as integers, doubles by their bits, strings by hash or bytes.
    enum Storage: Hashable, Sendable { case integer, double, hash, bytes }
    struct Column: Hashable, Sendable {
        let field: Int
        let storage: Storage
        let place: Int  // within an event's row of numbers, behind the time, or of texts
    }
    /// One feature to compute.
    struct Task: Sendable {
        let slot: Int  // the feature's index
        let function: AggregateFunction
        let window: Int  // index into `windows`
        let column: Int  // index into `columns`, where the function has one
        let scale: Double  // 10^places of a decimal, 1 otherwise
        let isDouble: Bool
        let isText: Bool

        /// A stored value as the feature's number, in major units.
        func number(_ bits: Int64) -> Double {
            isDouble ? Double(bitPattern: UInt64(bitPattern: bits)) : Double(bits) / scale
        }
    }
    /// The windows over one column: a range of `tasks`, by ascending window.
    struct Group: Sendable {
        let column: Int
        let isDouble: Bool
        let tasks: Range<Int>
    }

    /// The view's name and table.
    public let name: String
    /// The entity's name, as people say it.
    public let entityName: String
    /// The source of its events.
    public let source: SourceSchema
    /// Index of the join key in the source.
    public let joinKeyIndex: Int
    /// The features in declared order.
    public let features: [WindowFeature]
    /// (t − W, t] instead of [t − W, t).
    public let isRightClosed: Bool
    /// Whether the evaluated event itself is added to its windows.
    public let includesCurrentEvent: Bool
    /// R: the longest window, ms; 30 days where there is none.
    public let retentionMillis: Int64
    /// S: how far out of order an event may come and still be kept, ms.
    public static let disorderMillis: Int64 = 2 * 86_400_000
    /// The most different windows of one view.
    public static let mostWindows = 16
    /// Whether each feature is a number or a category.
    public let kinds: [FeatureKind]

    let columns: [Column]
    let stride: Int  // numbers an event, its time included
    let textStride: Int  // texts an event
    let windows: [Int64]  // the different windows, ascending
    let counts: [Task]
    let distincts: [Task]
    let points: [Task]  // functions without a window
    let tasks: [Task]
    let groups: [Group]

    /// Compiles a view. The definitions have been validated: a missing column or window is a mistake of ours.
    public init(
        name: String, entityName: String, source: SourceSchema, joinKeyIndex: Int, features: [WindowFeature],
        isRightClosed: Bool = false, includesCurrentEvent: Bool = false
    ) {
        self.name = name
        self.entityName = entityName
        self.source = source
        self.joinKeyIndex = joinKeyIndex
        self.features = features
        self.isRightClosed = isRightClosed
        self.includesCurrentEvent = includesCurrentEvent
        let windows = Array(Set(features.compactMap(\.windowMillis))).sorted()
        precondition(windows.count <= Self.mostWindows, "too many windows")
        retentionMillis = windows.last ?? 30 * 86_400_000

        var columns: [Column] = []
        func column(_ field: Int, _ storage: Storage) -> Int {
            if let index = columns.firstIndex(where: { $0.field == field && $0.storage == storage }) { return index }
            let isText = storage == .bytes
            let place = columns.filter { ($0.storage == .bytes) == isText }.count + (isText ? 0 : 1)
            columns.append(Column(field: field, storage: storage, place: place))
            return columns.count - 1
        }
        let tasks = features.enumerated().map { slot, feature in
            var index = 0
            var scale = 1.0
            var isDouble = false
            var isText = false
            if let field = feature.field, feature.function != .count, feature.function != .secondsSinceLast {
                switch source.fields[field].type {
                case .string:
                    isText = feature.function != .distinctCount
                    index = column(field, isText ? .bytes : .hash)
                case .double:
                    isDouble = true
                    index = column(field, .double)
                case .decimal(let places):
                    scale = Double(Decimals.powers[places])
                    index = column(field, .integer)
                case .integer, .boolean: index = column(field, .integer)
                }
            } else {
                precondition(
                    feature.function == .count || feature.function == .secondsSinceLast, "a function of no column")
            }
            precondition(!feature.function.takesWindow || feature.windowMillis != nil, "a function over no window")
            let window = feature.windowMillis.flatMap { windows.firstIndex(of: $0) } ?? 0
            return Task(
                slot: slot, function: feature.function, window: window, column: index, scale: scale, isDouble: isDouble,
                isText: isText)
        }
        self.columns = columns
        self.windows = windows
        textStride = columns.filter { $0.storage == .bytes }.count
        stride = 1 + columns.count - textStride
        kinds = tasks.map { $0.isText ? .category : .number }
        counts = tasks.filter { $0.function == .count }
        distincts = tasks.filter { $0.function == .distinctCount }
        points = tasks.filter { !$0.function.takesWindow }
        let sums = tasks.filter { $0.function.takesWindow && $0.function != .count && $0.function != .distinctCount }
            .sorted { ($0.column, $0.window, $0.slot) < ($1.column, $1.window, $1.slot) }
        self.tasks = sums
        groups = columns.indices.compactMap { column in
            guard let first = sums.firstIndex(where: { $0.column == column }),
                let last = sums.lastIndex(where: { $0.column == column })
            else { return nil }
            return Group(column: column, isDouble: sums[first].isDouble, tasks: first..<last + 1)
        }
    }
}
