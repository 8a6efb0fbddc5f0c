import FeatureEngine
import ServiceRuntime
import Text

/// What the first rows of a CSV suggest: which column is what. Every choice has its reason in words, so that a person can judge it.
struct RepositoryProposal {
    let columns: [ColumnProfile]
    /// Columns that cannot be declared, with why.
    let leftOut: [(name: String, reason: String)]
    let rows: Int
    let eventID: ColumnProfile
    let time: ColumnProfile
    let timeProfile: TimeProfile
    let key: ColumnProfile
    let label: ColumnProfile?
    let amount: ColumnProfile?
    /// A text of which a key sees several: a shop, a category.
    let place: ColumnProfile?
    /// Columns for the request's own features.
    let plainFeatures: [ColumnProfile]

    private static let reserved: Set<String> = ["event_timestamp", "_topic", "_partition", "_offset"]
    /// Of a column that lends its name to features: with `_distinct_count_24h` behind it, it is still a name for Postgres.
    private static let longestName = 40
    private static let labelHints = ["fraud", "label", "chargeback", "target", "class", "outcome", "y"]
    private static let amountHints = ["amount", "amt", "value", "price", "total", "sum", "paid", "cost", "betrag"]
    private static let keyHints = [
        "card", "account", "acct", "iban", "customer", "client", "user", "member", "payer", "sender", "wallet", "cc",
        "device", "msisdn", "pan", "konto", "kunde",
    ]
    private static let placeHints = ["merchant", "terminal", "shop", "seller", "mcc", "country", "city", "category"]

    /// Chooses. Throws the sentence that says what the file lacks.
    init(_ all: [ColumnProfile], file: String) throws(CommandError) {
        var leftOut: [(String, String)] = []
        var columns: [ColumnProfile] = []
        for (index, column) in all.enumerated() {
            if let reason = Self.problem(column, all[..<index]) {
                leftOut.append((column.name.isEmpty ? "column \(index + 1)" : column.name, reason))
            } else {
                columns.append(column)
            }
        }
        rows = all.first?.rows ?? 0
        label = Self.label(columns)
        let events = columns.filter { [label = label?.name] in $0.name != label }
        guard let time = Self.time(events), let timeProfile = time.time else {
            throw CommandError(
                .dataError,
                "no column of \(file) reads as a time in every row: an event needs one, as unix seconds or milliseconds, ISO 8601 or a pattern of yyyy MM dd HH mm ss."
            )
        }
        guard let id = Self.eventID(events.filter { $0.name != time.name }) else {
            throw CommandError(
                .dataError,
                "no column of \(file) tells its rows apart: event_id needs one with another value in every row; add a number to each."
            )
        }
        guard let key = Self.key(events.filter { $0.name != time.name && $0.name != id.name }) else {
            throw CommandError(
                .dataError,
                "no column of \(file) says whose an event is: windows are kept for each value of a column that repeats, like a card or an account, and no row may lack it."
            )
        }
        self.columns = columns
        self.leftOut = leftOut
        (self.time, self.timeProfile, eventID, self.key) = (time, timeProfile, id, key)
        let others = events.filter { ![time.name, id.name, key.name].contains($0.name) }
        let amount = Self.amount(others)
        let place = Self.place(others)
        (self.amount, self.place) = (amount, place)
        plainFeatures = others.filter { $0.name != amount?.name && Self.isFeature($0) }
    }

    /// Why a column cannot be declared.
    private static func problem(_ column: ColumnProfile, _ earlier: ArraySlice<ColumnProfile>) -> String? {
        if column.name.isEmpty { return "it has no name" }
        if earlier.contains(where: { ByteString($0.name) == ByteString(column.name) }) {
            return "its name is there twice"
        }
        if column.name.utf8.count > 63 { return "its name is longer than 63 bytes" }
        if column.name.unicodeScalars.contains(where: { $0.value < 0x20 || $0 == "`" }) {
            return "its name has a control character or a backquote"
        }
        return reserved.contains(column.name) ? "every table has a column of this name: rename it in the data" : nil
    }

    /// The best of some by a score; the first of equals, and none at or below zero.
    private static func best(
        _ columns: some Sequence<ColumnProfile>, by score: (ColumnProfile) -> Double
    ) -> ColumnProfile? {
        var best: (column: ColumnProfile, score: Double)?
        for column in columns {
            let score = score(column)
            if score > max(0, best?.score ?? 0) { best = (column, score) }
        }
        return best?.column
    }

    private static func label(_ columns: [ColumnProfile]) -> ColumnProfile? {
        let binary = columns.filter(\.isZeroOrOne)
        // Without a name that says so, a last column of 0 and 1 is one.
        return best(binary) { $0.says(labelHints) ? 100 / Double($0.name.count) : 0 }
            ?? (columns.last?.isZeroOrOne == true ? columns.last : nil)
    }

    private static func time(_ columns: [ColumnProfile]) -> ColumnProfile? {
        best(columns) { column in
            guard let time = column.time, !column.says(["birth", "dob"]) else { return 0 }
            return (time.ordered >= 0.99 ? 20 : time.ordered >= 0.9 ? 10 : 1) + (time.hasClock ? 4 : 0)
                + (column.says(["time", "date", "ts", "when", "zeit", "datum"]) ? 3 : 0)
                + (time.format.isNumeric ? 0 : 1)
        }
    }

    private static func eventID(_ columns: [ColumnProfile]) -> ColumnProfile? {
        best(columns) { column in
            guard column.isKeyLike, column.distinct == column.rows else { return 0 }
            switch column.kind {
            case .text, .digits, .integer: break
            default: return 0
            }
            return 1 + (column.says(["id", "uuid", "guid", "num", "nr", "no", "ref", "number"]) ? 2 : 0)
                + (column.says(["trans", "tx", "event", "payment", "order"]) ? 2 : 0)
        }
    }

    private static func key(_ columns: [ColumnProfile]) -> ColumnProfile? {
        best(columns) { column in
            // A name that says so needs fewer repeats: few rows of many cards are the beginning of any file.
            let isNamed = column.says(keyHints)
            guard column.isKeyLike, column.distinct > 1,
                isNamed ? column.distinct < column.rows : column.distinct * 2 <= column.rows
            else { return 0 }
            switch column.kind {
            case .text, .digits, .integer: break
            default: return 0
            }
            let named =
                isNamed ? 1_000_000.0 : column.says(["id", "key", "num", "number"]) ? 100_000 : 0
            // Texts rather than numbers, which may be measures.
            return named + (column.kind == .integer ? 0.5 : 1) * Double(column.distinct)
        }
    }

    private static func amount(_ columns: [ColumnProfile]) -> ColumnProfile? {
        best(columns) { column in
            guard column.missing == 0, column.time == nil, column.name.utf8.count <= longestName else { return 0 }
            let named = column.says(amountHints) ? 10.0 : 0
            return switch column.kind {
            case .decimal, .noisyDecimal: named + 1
            case .integer: column.isZeroOrOne ? 0 : named
            default: 0
            }
        }
    }

    private static func place(_ columns: [ColumnProfile]) -> ColumnProfile? {
        best(columns) { column in
            guard column.missing == 0, column.distinct > 1, column.distinct < column.rows, column.time == nil,
                column.name.utf8.count <= longestName, column.kind == .text || column.kind == .digits
            else { return 0 }
            return (column.says(placeHints) ? 10 : 0) + 1
        }
    }

    /// Numbers that measure something, and texts with few values.
    private static func isFeature(_ column: ColumnProfile) -> Bool {
        guard column.time == nil, column.distinct > 1 else { return false }
        switch column.kind {
        case .decimal, .noisyDecimal, .double, .boolean: return true
        case .integer: return !column.says(["id", "num", "number", "zip", "code"])
        case .text, .digits: return column.distinct <= 64
        case .empty, .decimalComma: return false
        }
    }
}
