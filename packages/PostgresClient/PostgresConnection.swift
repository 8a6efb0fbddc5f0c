import CLibPQ
import Glibc

/// One blocking connection to Postgres. Not `Sendable`: libpq allows one thread at a time. After `connectionLost` it is
/// finished; its owner makes another, and whatever transaction was open has not happened.
@safe public final class PostgresConnection {
    private var connection: OpaquePointer?

    /// Connects. The URL is libpq's: `postgresql://user:password@host:port/database`.
    public init(url: String, applicationName: String = "needletail", connectTimeoutSeconds: Int = 5)
        throws(PostgresError)
    {
        let parameters: [(String, String?)] = [
            ("dbname", url), ("fallback_application_name", applicationName),
            ("connect_timeout", String(connectTimeoutSeconds)), ("client_encoding", "UTF8"),
            ("keepalives_idle", "10"), ("keepalives_interval", "3"), ("keepalives_count", "3"),
        ]
        let names = CStrings(parameters.map { $0.0 } + [nil])
        let values = CStrings(parameters.map { $0.1 } + [nil])
        let connection = unsafe withExtendedLifetime((names, values)) {
            unsafe PQconnectdbParams(names.pointers, values.pointers, 1)
        }
        guard let connection = unsafe connection else { throw .connect(reason: "out of memory") }
        guard unsafe PQstatus(connection) == CONNECTION_OK else {
            let reason = unsafe Self.message(connection)
            unsafe PQfinish(connection)
            throw .connect(reason: reason)
        }
        unsafe self.connection = connection
        _ = unsafe PQsetNoticeProcessor(connection, { _, _ in }, nil)
        // Times and doubles of text results must not depend on how the server is configured.
        try execute("SET timezone = 'UTC'; SET extra_float_digits = 1; SET standard_conforming_strings = on")
    }

    deinit { close() }

    /// Whether statements can still be sent.
    public var isOpen: Bool { unsafe connection != nil && PQstatus(connection) == CONNECTION_OK }

    /// Ends the connection; an open transaction is rolled back by the server. Safe twice.
    public func close() {
        if let connection = unsafe connection { unsafe PQfinish(connection) }
        unsafe connection = nil
    }

    /// Carries out one or more statements without parameters; the result is the last one's.
    @discardableResult public func execute(_ sql: String) throws(PostgresError) -> PostgresResult {
        let connection = try unsafe open()
        return try unsafe check(PQexec(connection, sql))
    }

    /// Carries out one statement with parameters `$1`, `$2`, ….
    @discardableResult public func query(
        _ sql: String, _ parameters: [PostgresValue] = []
    ) throws(PostgresError) -> PostgresResult {
        let connection = try unsafe open()
        let texts = parameters.map(\.text)
        guard !texts.contains(where: { $0?.utf8.contains(0) ?? false }) else {
            throw .server(sqlState: "22021", message: "a parameter contains a NUL character")
        }
        let values = CStrings(texts)
        let result = unsafe withExtendedLifetime(values) {
            unsafe PQexecParams(connection, sql, Int32(texts.count), nil, values.pointers, nil, nil, 0)
        }
        return try unsafe check(result)
    }

    /// Runs the body between BEGIN and COMMIT; rolls back when it throws.
    public func transaction<Value>(_ body: () throws -> Value) throws -> Value {
        try execute("BEGIN")
        do {
            let value = try body()
            try execute("COMMIT")
            return value
        } catch {
            rollback()
            throw error
        }
    }

    /// Ends a transaction without effect. Where even that fails the connection is closed, which has the same effect.
    public func rollback() {
        do { try execute("ROLLBACK") } catch { close() }
    }

    /// `COPY table (columns) FROM STDIN (FORMAT binary)` of the rows in the buffer; returns how many the server took.
    @discardableResult public func copyIn(
        table: String, columns: [String], rows: PostgresCopyBuffer
    ) throws(PostgresError) -> Int {
        let names = columns.map(PostgresQuoting.identifier).joined(separator: ",")
        return try copyIn("COPY \(PostgresQuoting.identifier(table)) (\(names)) FROM STDIN (FORMAT binary)", rows: rows)
    }

    /// The same for a statement ready made: it must be a binary COPY FROM STDIN.
    @discardableResult public func copyIn(_ sql: String, rows: PostgresCopyBuffer) throws(PostgresError) -> Int {
        let connection = try unsafe open()
        guard let start = unsafe PQexec(connection, sql) else { throw lost() }
        guard unsafe PQresultStatus(start) == PGRES_COPY_IN else {
            _ = try unsafe check(start)
            throw .unexpectedResult("no COPY FROM STDIN: \(sql)")
        }
        unsafe PQclear(start)
        let sent = unsafe rows.withFinishedBytes { bytes in
            unsafe PQputCopyData(connection, bytes.baseAddress, Int32(bytes.count)) == 1
                && PQputCopyEnd(connection, nil) == 1
        }
        // A refused row breaks the stream off; the reason is in the result, so that is read in either case.
        var affected = 0
        var failure: PostgresError? = sent ? nil : .connectionLost(reason: unsafe Self.message(connection))
        while let result = unsafe PQgetResult(connection) {
            do throws(PostgresError) { affected = try unsafe check(result).affected } catch { failure = error }
        }
        if let failure { throw failure }
        return affected
    }

    /// Runs `COPY (…) TO STDOUT (FORMAT binary)` and gives the body row after row. When the body throws, the rest is discarded.
    public func copyOut(_ query: String, _ body: (PostgresCopyRow) throws -> Void) throws {
        let connection = try unsafe open()
        guard let start = unsafe PQexec(connection, "COPY (\(query)) TO STDOUT (FORMAT binary)") else { throw lost() }
        guard unsafe PQresultStatus(start) == PGRES_COPY_OUT else {
            _ = try unsafe check(start)
            throw PostgresError.unexpectedResult("no COPY TO STDOUT: \(query)")
        }
        unsafe PQclear(start)
        let row = PostgresCopyRow()
        var failure: (any Error)?
        var isFirst = true
        while true {
            var data: UnsafeMutablePointer<CChar>?
            let length = unsafe PQgetCopyData(connection, &data, 0)
            guard length > 0, let data = unsafe data else { break }
            defer { unsafe PQfreemem(data) }
            guard failure == nil else { continue }
            do {
                let bytes = unsafe UnsafeRawBufferPointer(start: data, count: Int(length))
                if try unsafe row.read(bytes, skippingHeader: isFirst) { try body(row) }
            } catch {
                failure = error
                unsafe Self.cancel(connection)
            }
            isFirst = false
        }
        while let result = unsafe PQgetResult(connection) {
            do { _ = try unsafe check(result) } catch { failure = failure ?? error }
        }
        if let failure { throw failure }
    }

    private func open() throws(PostgresError) -> OpaquePointer {
        guard let connection = unsafe connection else { throw .connectionLost(reason: "it was closed") }
        return unsafe connection
    }

    private func lost() -> PostgresError {
        guard let connection = unsafe connection else { return .connectionLost(reason: "it was closed") }
        let reason = unsafe Self.message(connection)
        close()
        return .connectionLost(reason: reason)
    }

    private func check(_ result: OpaquePointer?) throws(PostgresError) -> PostgresResult {
        guard let result = unsafe result else { throw lost() }
        switch unsafe PQresultStatus(result) {
        case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_EMPTY_QUERY: return unsafe PostgresResult(owning: result)
        default: break
        }
        defer { unsafe PQclear(result) }
        let state = unsafe PQresultErrorField(result, Int32(UInt8(ascii: "C"))).map { unsafe String(cString: $0) }
        let message = unsafe PQresultErrorField(result, Int32(UInt8(ascii: "M"))).map { unsafe String(cString: $0) }
        let whole = unsafe Self.trimmed(String(cString: PQresultErrorMessage(result)))
        if unsafe PQstatus(connection) != CONNECTION_OK {
            close()
            throw .connectionLost(reason: message ?? whole)
        }
        guard let state else { throw .unexpectedResult(whole) }
        throw .server(sqlState: state, message: message ?? whole)
    }

    private static func cancel(_ connection: OpaquePointer) {
        guard let cancel = unsafe PQgetCancel(connection) else { return }
        var reason: [CChar] = Array(repeating: 0, count: 256)
        unsafe PQcancel(cancel, &reason, Int32(reason.count))
        unsafe PQfreeCancel(cancel)
    }

    private static func message(_ connection: OpaquePointer) -> String {
        let text = unsafe trimmed(String(cString: PQerrorMessage(connection)))
        return text.isEmpty ? "no reason given" : text
    }

    private static func trimmed(_ text: String) -> String {
        text.split(separator: "\n").map { $0.drop { $0 == " " || $0 == "\t" } }.joined(separator: "; ")
    }
}

/// Zero-terminated copies of strings for one C call; nil stays a null pointer.
@safe private final class CStrings {
    let pointers: [UnsafePointer<CChar>?]

    init(_ texts: [String?]) {
        unsafe pointers = texts.map { text in unsafe text.map { unsafe UnsafePointer(strdup($0)) } }
    }

    deinit {
        unsafe pointers.forEach { unsafe free(UnsafeMutablePointer(mutating: $0)) }
    }
}
