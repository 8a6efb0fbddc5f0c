/// Why a CSV file cannot be read on. A bad row is no such error: see `CSVReader.defect`.
public enum CSVError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The file itself could not be read.
    case unreadable(String)
    /// Nothing in it, not even a header.
    case empty(file: String)
    /// Not UTF-8 text.
    case encoding(file: String, found: String)
    /// A quote swallows the rest of the file.
    case unclosedQuote(file: String, line: Int)
    /// The first line does not look like a header.
    case noHeader(file: String, firstCells: [String], needed: [String])
    /// Columns that are needed are not there; all of them are named.
    case missingColumns(file: String, missing: [String], found: [String])
    /// A needed column is there more than once.
    case duplicateColumns(file: String, names: [String])
    /// Columns that the source does not declare, and it refuses such.
    case unknownColumns(file: String, names: [String], source: String)

    /// One sentence that names the file, the line or columns, and what to do.
    public var description: String {
        switch self {
        case .unreadable(let reason): return reason
        case .empty(let file): return "\(file): is empty, not even a header"
        case .encoding(let file, let found): return "\(file): is \(found), save it as UTF-8"
        case .unclosedQuote(let file, let line): return "\(file): quote opened on line \(line) never closed"
        case .noHeader(let file, let cells, let needed):
            return "\(file): has no header: its first line begins \(Self.list(cells, limit: 4));"
                + " put a line with the column names before it: \(Self.list(needed, limit: 40))"
        case .missingColumns(let file, let missing, let found):
            return "\(file): missing column\(missing.count == 1 ? "" : "s") \(Self.list(missing, limit: 40));"
                + " it has \(Self.list(found, limit: 40))"
        case .duplicateColumns(let file, let names):
            return "\(file): column\(names.count == 1 ? "" : "s") \(Self.list(names, limit: 40)) more than once"
        case .unknownColumns(let file, let names, let source):
            return
                "\(file): the source \(source) refuses fields that it does not declare, such as \(Self.list(names, limit: 40));"
                + " declare them, or write `unknown_fields: ignore` into it"
        }
    }

    private static func list(_ names: [String], limit: Int) -> String {
        let shown = names.prefix(limit).map { $0.count > 60 ? "\"\($0.prefix(60))…\"" : $0.isEmpty ? "\"\"" : $0 }
        return shown.joined(separator: ", ") + (names.count > limit ? ", …" : "")
    }
}
