import FeatureEngine
import PostgresClient

/// A table made from a definition.
struct TableDefinition {
    struct Column {
        let name: String
        let type: String
        let isRequired: Bool

        init(_ name: String, _ type: String, isRequired: Bool = true) {
            (self.name, self.type, self.isRequired) = (name, type, isRequired)
        }
    }

    let name: String
    let columns: [Column]
    let primaryKey: String
    let indexes: [(suffix: String, isUnique: Bool, columns: [String])]

    /// What makes the table and its indexes.
    var statements: [String] {
        let lines = columns.map { "\(quoted($0.name)) \($0.type)\($0.isRequired ? " NOT NULL" : "")" }
        let table =
            "CREATE TABLE \(quoted(name)) (\(lines.joined(separator: ", ")), PRIMARY KEY (\(quoted(primaryKey))))"
        return [table]
            + indexes.map { index in
                let columns = index.columns.map(quoted).joined(separator: ", ")
                return
                    "CREATE \(index.isUnique ? "UNIQUE " : "")INDEX \(quoted("\(name)_\(index.suffix)")) ON \(quoted(name)) (\(columns))"
            }
    }
}

func quoted(_ name: String) -> String { PostgresQuoting.identifier(name) }

extension FieldType {
    /// The column type, as Postgres itself prints it.
    var columnType: String {
        switch self {
        case .string: "text"
        case .integer: "bigint"
        case .double: "double precision"
        case .decimal: "numeric"
        case .boolean: "boolean"
        }
    }
}
