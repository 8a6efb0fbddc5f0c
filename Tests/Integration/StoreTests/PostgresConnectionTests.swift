import FeatureEngine
import PostgresClient
import TestSupport
import Testing

@Suite struct PostgresConnectionTests {
    func connect() throws -> PostgresConnection { try PostgresConnection(url: TestServers.postgres().url) }

    @Test func `parameters and results keep their values`() throws {
        let postgres = try connect()
        let result = try postgres.query(
            "SELECT $1::text, $2::bigint, $3::float8, $4::boolean, $5::bytea, $6::text, $7::text[]",
            [
                "ö'\\\"", .integer(.min), .double(0.1 + 0.2), .boolean(true), .bytes([0, 255]), .null,
                .array(["a\"b", "c,d\\"]),
            ])
        #expect(result.text(0, 0) == "ö'\\\"")
        #expect(result.integer(0, 1) == .min)
        #expect(result.double(0, 2) == 0.1 + 0.2)
        #expect(result.boolean(0, 3) == true)
        #expect(result.text(0, 4) == "\\x00ff")
        #expect(result.text(0, 5) == nil)
        #expect(result.text(0, 6) == #"{"a\"b","c,d\\"}"#)
        #expect(throws: PostgresError.server(sqlState: "22021", message: "a parameter contains a NUL character")) {
            try postgres.query("SELECT $1::text", ["a\u{0}b"])
        }
    }

    @Test func `a binary COPY gives back what was put in`() throws {
        let postgres = try connect()
        try postgres.execute(
            "CREATE TEMP TABLE c (t text, b bytea, i int, l bigint, d float8, r real, f boolean, n2 numeric, n5 numeric, n0 numeric, w timestamptz, j jsonb)"
        )
        let amounts: [Int64] = [
            0, 1, -1, 99, 100, 10_000, 123_456_789, -1_000_000_000_000_000, 1_000_000_000_000_000, 500_000,
        ]
        let rows = PostgresCopyBuffer(capacity: 64)
        for (index, amount) in amounts.enumerated() {
            rows.beginRow(columns: 12)
            rows.add("é\(index)")
            rows.add(bytes: [0, 0xC3, 0x28, UInt8(index)])
            rows.add(Int32(index - 5))
            rows.add(Int64.max - Int64(index))
            rows.add(Double(index) / 3)
            rows.add(Float(index) / 3)
            rows.add(index % 2 == 0)
            rows.add(minorUnits: amount, places: 2)
            rows.add(minorUnits: amount, places: 5)
            rows.add(minorUnits: amount, places: 0)
            rows.add(millis: 1_546_300_818_123 + amount % 1_000)
            if index == 3 { rows.addNull() } else { rows.add(jsonb: Array("{\"a\": [1, null]}".utf8)[...]) }
        }
        let columns = ["t", "b", "i", "l", "d", "r", "f", "n2", "n5", "n0", "w", "j"]
        #expect(try postgres.copyIn(table: "c", columns: columns, rows: rows) == amounts.count)
        var index = 0
        try postgres.copyOut("SELECT t, b, i, l, d, r, f, n2, n5, n0, w FROM c ORDER BY i") { row in
            #expect(row.text(0) == "é\(index)")
            #expect(Array(row.bytes(1)) == [0, 0xC3, 0x28, UInt8(index)])
            #expect(row.integer(2) == Int64(index - 5))
            #expect(row.integer(3) == Int64.max - Int64(index))
            #expect(row.double(4) == Double(index) / 3)
            #expect(row.double(5) == Double(Float(index) / 3))
            #expect(row.boolean(6) == (index % 2 == 0))
            #expect(row.minorUnits(7, places: 2) == amounts[index])
            #expect(row.minorUnits(8, places: 5) == amounts[index])
            #expect(row.minorUnits(9, places: 0) == amounts[index])
            #expect(row.millis(10) == 1_546_300_818_123 + amounts[index] % 1_000)
            index += 1
        }
        #expect(index == amounts.count)
        // The server's own reading of the same numbers.
        let texts = try postgres.execute("SELECT n2::text, n5::text, n0::text FROM c ORDER BY i")
        #expect(texts.text(6, 0) == "1234567.89")
        #expect(texts.text(6, 1) == "1234.56789")
        #expect(texts.text(7, 2) == "-1000000000000000")
        #expect(texts.text(0, 0) == "0.00")
        #expect(try postgres.execute("SELECT count(*) FROM c WHERE j IS NULL").integer(0, 0) == 1)
    }

    @Test func `a decimal of any places is stored as its text says`() throws {
        let postgres = try connect()
        try postgres.execute("CREATE TEMP TABLE decimals (i int, n numeric)")
        var amounts: [Int64] = [0, 1, -1, 9, 99, 100, 9_999, 10_000, 10_001, .max, .min + 1, 123_400_000_000]
        var random = SplitMix64(11)
        for _ in 0..<500 { amounts.append(Int64(bitPattern: random.next()) >> Int64(random.next() % 64)) }
        let rows = PostgresCopyBuffer()
        var texts: [String] = []
        for places in 0...9 {
            for amount in amounts {
                rows.beginRow(columns: 2)
                rows.add(Int32(texts.count))
                rows.add(minorUnits: amount, places: places)
                texts.append(Decimals.text(minorUnits: amount, places: places))
            }
        }
        try postgres.copyIn(table: "decimals", columns: ["i", "n"], rows: rows)
        let stored = try postgres.execute("SELECT n::text FROM decimals ORDER BY i")
        #expect((0..<stored.count).map { stored.text($0, 0) ?? "" } == texts)
    }

    @Test func `a snapshot sees one moment, writes nothing and ends whatever happens in it`() throws {
        let url = try TestServers.postgres().makeDatabase("snapshot")
        let (reader, writer) = (try PostgresConnection(url: url), try PostgresConnection(url: url))
        try writer.execute("CREATE TABLE s (i int); INSERT INTO s SELECT generate_series(1, 5)")
        func copied() throws -> Int {
            var rows = 0
            try reader.copyOut("SELECT i FROM s") { _ in rows += 1 }
            return rows
        }
        let seen = try reader.snapshot {
            let before = try reader.execute("SELECT count(*) FROM s").integer(0, 0)
            try writer.execute("DELETE FROM s WHERE i > 2")
            return (before, try copied())
        }
        #expect(seen.0 == 5 && seen.1 == 5)
        #expect(try copied() == 2)
        struct Enough: Error {}
        #expect(throws: Enough.self) {
            try reader.snapshot { try reader.copyOut("SELECT i FROM s") { _ in throw Enough() } }
        }
        #expect(throws: PostgresError.self) { try reader.snapshot { _ = try reader.execute("DELETE FROM s") } }
        // No transaction is left open: what is written now is there for others.
        try reader.execute("INSERT INTO s VALUES (9)")
        #expect(try writer.execute("SELECT count(*) FROM s").integer(0, 0) == 3)
    }

    @Test func `a refused COPY leaves the connection usable and the table as it was`() throws {
        let postgres = try connect()
        try postgres.execute("CREATE TEMP TABLE u (id text PRIMARY KEY)")
        let rows = PostgresCopyBuffer()
        for id in ["a", "b", "a"] {
            rows.beginRow(columns: 1)
            rows.add(id)
        }
        #expect {
            try postgres.transaction { try postgres.copyIn(table: "u", columns: ["id"], rows: rows) }
        } throws: { error in
            (error as? PostgresError)?.isUniqueViolation == true
        }
        rows.removeAll()
        rows.beginRow(columns: 1)
        rows.add("a\u{0}b")
        #expect {
            try postgres.copyIn(table: "u", columns: ["id"], rows: rows)
        } throws: { error in
            (error as? PostgresError)?.sqlState == "22021"
        }
        struct Enough: Error {}
        #expect(throws: Enough.self) {
            try postgres.copyOut("SELECT generate_series(1, 1000000)") { _ in throw Enough() }
        }
        #expect(try postgres.execute("SELECT count(*) FROM u").integer(0, 0) == 0)
    }

    @Test func `a terminated session is a lost connection, and a new one works`() throws {
        let postgres = try connect()
        let pid = try postgres.execute("SELECT pg_backend_pid()").integer(0, 0) ?? 0
        try connect().query("SELECT pg_terminate_backend($1::int)", [.integer(pid)])
        #expect {
            for _ in 0..<100 { try postgres.execute("SELECT 1") }
        } throws: { error in
            if case PostgresError.connectionLost = error { true } else { false }
        }
        #expect(!postgres.isOpen)
        #expect(try connect().execute("SELECT 1").integer(0, 0) == 1)
    }

    /// Bytes that mean something to Postgres, with marks behind them that make Swift see other characters.
    static let texts = ["\\", "\"", "'", "{", "}", ",", "NULL", " ", "\n", "é", "x"].flatMap { text in
        ["", "\u{301}", "\u{20DD}", "\u{200D}"].flatMap { mark in ["\(text)\(mark)", "a\(text)\(mark)\(text)"] }
    }

    @Test func `texts are quoted by their bytes`() throws {
        let postgres = try connect()
        for text in Self.texts {
            let bytes = Array(text.utf8)
            #expect(
                try postgres.execute("SELECT \(PostgresQuoting.literal(text))").text(0, 0).map { Array($0.utf8) }
                    == bytes)
            let name = try postgres.execute("SELECT 1 AS \(PostgresQuoting.identifier(text))").name(0)
            #expect(Array(name.utf8) == bytes)
        }
        let result = try postgres.query("SELECT unnest($1::text[])", [.array(Self.texts)])
        #expect((0..<result.count).map { Array((result.text($0, 0) ?? "").utf8) } == Self.texts.map { Array($0.utf8) })
    }

    @Test(arguments: [
        Int64.min, Int64.min + 5, -210_866_803_200_001, -1, 0, 9_224_318_015_999_999, 9_224_318_016_000_000,
        9_224_318_084_800_000, .max - 1, .max,
    ])
    func `any time can be stored, at the nearest that Postgres holds`(millis: Int64) throws {
        let postgres = try connect()
        try postgres.execute("CREATE TEMP TABLE w (at timestamptz NOT NULL)")
        let rows = PostgresCopyBuffer()
        rows.beginRow(columns: 1)
        rows.add(millis: millis)
        try postgres.copyIn(table: "w", columns: ["at"], rows: rows)
        var stored: [Int64] = []
        try postgres.copyOut("SELECT at FROM w") { stored.append($0.millis(0)) }
        #expect(stored == [PostgresTime.clamped(millis)])
        #expect(try postgres.execute("SELECT isfinite(at) FROM w").boolean(0, 0) == true)
    }

    @Test func `a COPY of many pieces arrives whole`() throws {
        let postgres = try connect()
        try postgres.execute("CREATE TEMP TABLE p (i int, b bytea)")
        let rows = PostgresCopyBuffer()
        for index in 0..<5 {
            rows.beginRow(columns: 2)
            rows.add(Int32(index))
            rows.add(bytes: Array(repeating: UInt8(index), count: 1_500_000 + index))
        }
        #expect(try postgres.copyIn(table: "p", columns: ["i", "b"], rows: rows) == 5)
        var sizes: [Int] = []
        try postgres.copyOut("SELECT i, b FROM p ORDER BY i") { row in
            #expect(row.bytes(1).allSatisfy { Int64($0) == row.integer(0) })
            sizes.append(row.bytes(1).count)
        }
        #expect(sizes == [1_500_000, 1_500_001, 1_500_002, 1_500_003, 1_500_004])
    }

    @Test(arguments: [
        ("22008", false), ("22021", false), ("22P02", false), ("23505", false), ("23514", false), ("54000", false),
        ("21000", false), ("P0001", false), ("08006", true), ("25006", true), ("40001", true), ("40P01", true),
        ("42P01", true), ("53100", true), ("53300", true), ("55P03", true), ("57014", true), ("57P01", true),
        ("58030", true), ("XX000", true), ("28P01", true), ("3D000", true),
    ])
    func `a state says whether the server or a record is to blame`(state: String, isServer: Bool) {
        #expect(PostgresError.server(sqlState: state, message: "").isServerInNeed == isServer)
        #expect(PostgresError.connectionLost(reason: "").isServerInNeed)
        #expect(PostgresError.connect(reason: "").isServerInNeed)
        #expect(PostgresError.unexpectedResult("").isServerInNeed)
    }

    @Test(arguments: [
        ("57P01", true), ("57P03", true), ("25006", true), ("08006", true), ("XX000", true), ("28P01", true),
        ("57014", false), ("55P03", false), ("42P01", false), ("23505", false), ("40001", false), ("53300", false),
    ])
    func `a state says whether a new session may cure it`(state: String, isCured: Bool) {
        #expect(PostgresError.server(sqlState: state, message: "").needsNewSession == isCured)
    }
}
