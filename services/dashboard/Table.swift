package import FeatureEngine
package import TerminalUI

/// A column of a table.
package struct TableColumn: Hashable, Sendable {
    package let name: String
    /// Cells it likes to have, the fewest that still say something, and whether it takes what the others leave.
    package let width: Int, least: Int, grows: Bool
    /// Whether the end of a text says more than its beginning, as of a time.
    package let keepsEnd: Bool
    package let isRight: Bool
    /// The columns of the highest rank go first where there is no room; rank 0 stays.
    package let rank: Int

    package init(
        _ name: String, _ width: Int, least: Int? = nil, grows: Bool = false, right: Bool = false,
        keepsEnd: Bool = false, rank: Int = 0
    ) {
        (self.name, self.width, self.least, self.grows) = (name, width, least ?? width, grows)
        (isRight, self.keepsEnd, self.rank) = (right, keepsEnd, rank)
    }

    /// A moment: without its date where there is no room.
    static func time(_ name: String, rank: Int = 0) -> TableColumn {
        TableColumn(name, 19, least: 8, keepsEnd: true, rank: rank)
    }
}

/// A row: what stands in its cells, and what they are sorted by.
package struct TableRow: Hashable, Sendable {
    /// Tells the rows of a table apart, whatever their order.
    package let id: ByteString
    package let cells: [String]
    /// By column, the number behind the text; NaN sorts by the text.
    package let numbers: [Double]
    package let style: Style

    package init(_ id: ByteString, _ cells: [String], numbers: [Int: Double] = [:], style: Style = .plain) {
        self.id = id
        self.cells = cells
        self.numbers = cells.indices.map { numbers[$0] ?? .nan }
        self.style = style
    }
}

/// Which table a state belongs to.
package enum TableID: Hashable, Sendable {
    case newest, stream, cases, transaction, reasons, history, journal, features, entityHistory, models, drift, scores
    case promotions, partitions, letters, parts, logs, help
}

/// Rows with captions. What is shown of it, and in what order, is its `TableState`'s to say.
package struct Table: Sendable {
    package let id: TableID
    package let title: String
    package let columns: [TableColumn]
    package let rows: [TableRow]
    /// What stands there instead of rows.
    package let remark: String
    /// Whether what it is made of does not answer now: it is shown dim.
    package let isStale: Bool

    package init(
        _ id: TableID, _ title: String, _ columns: [TableColumn], _ rows: [TableRow], remark: String = "nothing",
        isStale: Bool = false
    ) {
        (self.id, self.title, self.columns, self.rows) = (id, title, columns, rows)
        (self.remark, self.isStale) = (remark, isStale)
    }

    /// The rows that the filter leaves, in the order asked for; equal ones keep theirs.
    package func shown(_ state: TableState) -> [TableRow] {
        var rows = rows
        if let filter = state.filter {
            let matches = filter.matcher(columns.map(\.name))
            rows = rows.filter { matches($0.cells, $0.numbers) }
        }
        guard let column = state.sort, columns.indices.contains(column) else { return rows }
        let keys = rows.map { SortKey(number: $0.numbers[column], text: ByteString($0.cells[column])) }
        let order = rows.indices.sorted { left, right in
            let comparison = SortKey.compare(keys[left], keys[right])
            guard comparison != 0 else { return left < right }
            return (comparison < 0) != state.isDescending
        }
        return order.map { rows[$0] }
    }

    /// What a row is sorted by: its number, else its text.
    private struct SortKey {
        let number: Double, text: ByteString

        static func compare(_ left: SortKey, _ right: SortKey) -> Int {
            let (a, b) = (left.number, right.number)
            if !a.isNaN, !b.isNaN { return a < b ? -1 : a > b ? 1 : 0 }
            if a.isNaN != b.isNaN { return a.isNaN ? -1 : 1 }
            return left.text < right.text ? -1 : right.text < left.text ? 1 : 0
        }
    }
}

/// What the user did to a table.
package struct TableState: Sendable {
    /// The chosen row; nil is the first, whichever that is.
    package var selected: ByteString?
    /// Where it stood last: the choice when it is gone.
    package var index = 0
    /// The column it is sorted by, from the first down where `isDescending` is not said.
    package var sort: Int?
    package var isDescending = true
    package var filter: Filter?

    package init() {}

    /// The chosen row's place among these.
    package func place(in rows: [TableRow]) -> Int {
        guard let selected else { return 0 }
        return rows.firstIndex { $0.id == selected } ?? max(0, min(index, rows.count - 1))
    }

    /// Chooses a row; the first one stays the first when others come before it.
    package mutating func choose(_ place: Int, in rows: [TableRow]) {
        index = max(0, min(place, rows.count - 1))
        selected = index == 0 ? nil : rows[index].id
    }
}
