import CLibPQ
import Glibc

/// One blocking connection to Postgres. Not `Sendable`: libpq allows one thread at a time. After `connectionLost` it is
/// finished; its owner makes another, and whatever transaction was open has not happened.
///
/// libpq itself waits forever: a packet that is lost for good, or a proxy that acknowledges and passes nothing, would hold the
/// thread. So the socket never blocks, and `wait` is the one place that waits: for the next byte, at most as long as
/// `PostgresLimits` says. Both ends also let the kernel watch: keepalives, and `tcp_user_timeout` for what was sent already.
@safe public final class PostgresConnection {
    private var connection: OpaquePointer?
    private let limits: PostgresLimits

    /// Connects. The URL is libpq's: `postgresql://user:password@host:port/database`.
    public init(url: String, applicationName: String = "needletail", limits: PostgresLimits = .init())
        throws(PostgresError)
    {
        self.limits = limits
        let parameters: [(String, String?)] = [
            ("dbname", url), ("fallback_application_name", applicationName),
            ("connect_timeout", String(limits.connectSeconds)), ("client_encoding", "UTF8"),
            ("keepalives_idle", "10"), ("keepalives_interval", "3"), ("keepalives_count", "3"),
            ("tcp_user_timeout", "10000"),
        ]
        let names = CStrings(parameters.map { $0.0 } + [nil])
        let values = CStrings(parameters.map { $0.1 } + [nil])
        let connection = unsafe withExtendedLifetime((names, values)) {
            unsafe PQconnectdbParams(names.pointers, values.pointers, 1)
        }
        guard let connection = unsafe connection else { throw .connect(reason: "out of memory") }
        guard unsafe PQstatus(connection) == CONNECTION_OK, unsafe PQsetnonblocking(connection, 1) == 0 else {
            let reason = unsafe Self.message(connection)
            unsafe PQfinish(connection)
            throw .connect(reason: reason)
        }
        unsafe self.connection = connection
        _ = unsafe PQsetNoticeProcessor(connection, { _, _ in }, nil)
        // Times and doubles of text results must not depend on how the server is configured. The others make it let go of a client
        // that vanished; a server that is too old for one of them does without.
        try execute(
            """
            SET timezone = 'UTC'; SET extra_float_digits = 1; SET standard_conforming_strings = on; \
            SELECT set_config(name, value, false) FROM pg_settings JOIN (VALUES ('tcp_keepalives_idle', '4'), \
            ('tcp_keepalives_interval', '2'), ('tcp_keepalives_count', '3'), ('tcp_user_timeout', '10000'), \
            ('client_connection_check_interval', '5000'), \
            ('idle_in_transaction_session_timeout', '\(limits.idleTransactionMillis)')) s (name, value) USING (name)
            """)
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
        try unsafe check(run(sql))
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
        let isSent = withExtendedLifetime(values) {
            unsafe PQsendQueryParams(connection, sql, Int32(texts.count), nil, values.pointers, nil, nil, 0) == 1
        }
        guard isSent else { throw lost() }
        return try unsafe check(lastResult(connection))
    }

    /// Runs the body between BEGIN and COMMIT; rolls back when it throws.
    public func transaction<Value>(_ body: () throws -> Value) throws -> Value {
        try transaction(beginning: "BEGIN", body)
    }

    /// Runs the body in a transaction that only reads, all of it the database as it is at the first statement; rolls back when it
    /// throws.
    public func snapshot<Value>(_ body: () throws -> Value) throws -> Value {
        try transaction(beginning: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", body)
    }

    private func transaction<Value>(beginning: String, _ body: () throws -> Value) throws -> Value {
        try execute(beginning)
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
        if let bytes = rows.oversizedBytes {
            throw .server(sqlState: "54000", message: "a value of \(bytes) bytes is larger than Postgres takes")
        }
        let start = try unsafe run(sql)
        guard unsafe PQresultStatus(start) == PGRES_COPY_IN else {
            _ = try unsafe check(start)
            throw .unexpectedResult("no COPY FROM STDIN: \(sql)")
        }
        unsafe PQclear(start)
        let connection = try unsafe open()
        let isSent = try unsafe rows.withFinishedBytes { (bytes) throws(PostgresError) in
            try unsafe send(bytes, connection)
        }
        // A refused row breaks the stream off; the reason is in the result, so that is read in either case.
        let result = try unsafe check(lastResult(connection))
        guard isSent else { throw .unexpectedResult("COPY ended early: \(sql)") }
        return result.affected
    }

    /// Sends the data of a COPY in pieces: libpq counts a piece in 32 bits, and while one is on its way there is progress. False
    /// when the server broke the stream off.
    private func send(_ bytes: UnsafeBufferPointer<CChar>, _ connection: OpaquePointer) throws(PostgresError) -> Bool {
        let piece = 1 << 20
        var sent = 0
        while sent < bytes.count {
            let count = min(piece, bytes.count - sent)
            switch unsafe PQputCopyData(connection, bytes.baseAddress?.advanced(by: sent), Int32(count)) {
            case 1: sent += count
            case 0: break  // Its buffers are full: the same piece again, after some of it went out.
            default: return false
            }
            try unsafe flush(connection)
        }
        while true {
            switch unsafe PQputCopyEnd(connection, nil) {
            case 1: return true
            case 0: try unsafe flush(connection)
            default: return false
            }
        }
    }

    /// Runs `COPY (…) TO STDOUT (FORMAT binary)` and gives the body row after row. When the body throws, the rest is discarded.
    public func copyOut(_ query: String, _ body: (PostgresCopyRow) throws -> Void) throws {
        let start = try unsafe run("COPY (\(query)) TO STDOUT (FORMAT binary)", silenceMillis: limits.scanSilenceMillis)
        guard unsafe PQresultStatus(start) == PGRES_COPY_OUT else {
            _ = try unsafe check(start)
            throw PostgresError.unexpectedResult("no COPY TO STDOUT: \(query)")
        }
        unsafe PQclear(start)
        let connection = try unsafe open()
        let row = PostgresCopyRow()
        var failure: (any Error)?
        var isFirst = true
        while true {
            var data: UnsafeMutablePointer<CChar>?
            let length = unsafe PQgetCopyData(connection, &data, 1)
            if length == 0 {
                try unsafe wait(connection, silenceMillis: limits.scanSilenceMillis)
                guard unsafe PQconsumeInput(connection) == 1 else { throw lost() }
                continue
            }
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
        do { _ = try unsafe check(lastResult(connection)) } catch { failure = failure ?? error }
        if let failure { throw failure }
    }

    // MARK: Waiting

    /// Sends statements and gives what came of the last one; the caller clears it.
    private func run(_ sql: String, silenceMillis: Int? = nil) throws(PostgresError) -> OpaquePointer? {
        let connection = try unsafe open()
        guard unsafe PQsendQuery(connection, sql) == 1 else { throw lost() }
        return try unsafe lastResult(connection, silenceMillis: silenceMillis)
    }

    /// The last result of what was sent; one that opens a COPY ends the wait. The caller clears it.
    private func lastResult(_ connection: OpaquePointer, silenceMillis: Int? = nil) throws(PostgresError)
        -> OpaquePointer?
    {
        try unsafe flush(connection)
        var last: OpaquePointer?
        while true {
            while unsafe PQisBusy(connection) == 1 {
                do throws(PostgresError) {
                    try unsafe wait(connection, silenceMillis: silenceMillis ?? limits.silenceMillis)
                } catch {
                    unsafe PQclear(last)
                    throw error
                }
                // What is wrong with the connection is told by the next result.
                if unsafe PQconsumeInput(connection) == 0 { break }
            }
            guard let result = unsafe PQgetResult(connection) else { return unsafe last }
            unsafe PQclear(last)
            unsafe last = result
            switch unsafe PQresultStatus(result) {
            case PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH: return unsafe last
            default: break
            }
        }
    }

    /// Sends what is still to be sent.
    private func flush(_ connection: OpaquePointer) throws(PostgresError) {
        while true {
            switch unsafe PQflush(connection) {
            case 0: return
            case 1:
                try unsafe wait(connection, silenceMillis: limits.silenceMillis, isSending: true)
                // A server that has something to say first would wait for us forever.
                guard unsafe PQconsumeInput(connection) == 1 else { return }
            default: return  // The reason comes with the result.
            }
        }
    }

    /// Waits until the socket can be read, or written when something is to be sent.
    private func wait(_ connection: OpaquePointer, silenceMillis: Int, isSending: Bool = false) throws(PostgresError) {
        var watched = pollfd(
            fd: unsafe PQsocket(connection), events: Int16(POLLIN | (isSending ? POLLOUT : 0)), revents: 0)
        let end = Self.monotonicMillis() + silenceMillis
        while true {
            let left = end - Self.monotonicMillis()
            guard left > 0 else {
                close()
                throw .connectionLost(reason: "no answer for \(silenceMillis) ms")
            }
            let count = unsafe poll(&watched, 1, Int32(clamping: left))
            if count > 0 { return }
            guard count == 0 || errno == EINTR else { throw lost() }
        }
    }

    private static func monotonicMillis() -> Int {
        var now = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &now)
        return now.tv_sec * 1_000 + now.tv_nsec / 1_000_000
    }

    // MARK: Errors

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
