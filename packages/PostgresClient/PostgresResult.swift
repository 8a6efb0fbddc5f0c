import CLibPQ

/// The rows of one statement, as text. Owns its memory and may outlive the connection.
@safe public final class PostgresResult {
    private let result: OpaquePointer

    init(owning result: OpaquePointer) { unsafe self.result = result }
    deinit { unsafe PQclear(result) }

    /// The number of rows.
    public var count: Int { unsafe Int(PQntuples(result)) }
    /// The number of columns.
    public var columnCount: Int { unsafe Int(PQnfields(result)) }
    /// Rows touched by an INSERT, UPDATE, DELETE or COPY.
    public var affected: Int { unsafe Int(String(cString: PQcmdTuples(result))) ?? 0 }

    /// A column's name.
    public func name(_ column: Int) -> String {
        unsafe PQfname(result, Int32(column)).map { unsafe String(cString: $0) } ?? ""
    }

    /// A value as text, or nil for NULL.
    public func text(_ row: Int, _ column: Int) -> String? {
        precondition(row < count && column < columnCount, "the row and the column exist")
        guard unsafe PQgetisnull(result, Int32(row), Int32(column)) == 0 else { return nil }
        return unsafe String(cString: PQgetvalue(result, Int32(row), Int32(column)))
    }

    /// A value as an integer, or nil for NULL and for other text.
    public func integer(_ row: Int, _ column: Int) -> Int64? { text(row, column).flatMap { Int64($0) } }

    /// A value as a double, or nil for NULL and for other text.
    public func double(_ row: Int, _ column: Int) -> Double? { text(row, column).flatMap { Double($0) } }

    /// A boolean, or nil for NULL.
    public func boolean(_ row: Int, _ column: Int) -> Bool? { text(row, column).map { $0 == "t" } }
}
