import Compression
import FeatureEngine
import FeatureStore
import Foundation
import Observability
import ServiceRuntime
import Synchronization
import TestSupport
import Testing

@testable import BatchFeatures

@Suite struct FileBackfillTests {
    static let repository: FeatureRepository? = {
        var url = URL(fileURLWithPath: #filePath)
        for _ in 0..<4 { url.deleteLastPathComponent() }
        return try? FeatureRepository.load(directory: url.appendingPathComponent("feature_repo").path, environment: [:])
    }()

    static let columns =
        "trans_num,trans_date_trans_time,cc_num,merchant,category,amt,lat,long,merch_lat,merch_long,dob"

    /// Rows of a few cards: late ones, ties, duplicates, line breaks inside quotes, and some that are no events.
    static func csv(rows: Int, seed: UInt64) -> String {
        var random = SeededRandom(seed: seed)
        var lines = [columns]
        var clock: Int64 = 1_546_300_800_000
        for row in 0..<rows {
            clock += Int64.random(in: 0...4_000_000, using: &random)
            let late: Int64 = row % 9 == 0 ? Int64.random(in: 0...400_000_000, using: &random) : 0
            let time = EventTimeFormat("yyyy-MM-dd HH:mm:ss")?.text(clock - late) ?? ""
            let id = row % 50 == 49 ? "t\(row - 7)" : "t\(row)"
            let amount = row % 61 == 60 ? "12.345" : "\(Int.random(in: 0...900, using: &random)).\(10 + row % 90)"
            let merchant = row % 5 == 0 ? "\"Müller, \"\"A\"\"\n& Co\"" : "shop \(row % 7)"
            let category = row % 13 == 0 ? "\"gas, transport\"" : "food"
            lines.append(
                "\(id),\(time),\(4_000_000_000_000_000_000 + row % 23),\(merchant),\(category),\(amount),40.5,-73.25,41.0,-74.\(row),1980-0\(1 + row % 9)-11"
            )
        }
        return lines.joined(separator: "\n") + "\n"
    }

    struct Result {
        var bytes: [UInt8]
        var summary: BackfillSummary
        var log: [String]
    }

    static func backfill(
        _ csv: String, _ columns: BackfillColumns, threads: Int, name: String = "out.csv",
        allowsMalformed: Bool = true, nowMillis: Int64 = 1_700_000_000_000
    ) throws -> Result {
        try backfill(Array(csv.utf8), columns, threads: threads, name: name, allowsMalformed, nowMillis: nowMillis)
    }

    static func backfill(
        _ file: [UInt8], _ columns: BackfillColumns, threads: Int, name: String = "out.csv",
        format: FeatureFormat = .csv, _ allowsMalformed: Bool = true, nowMillis: Int64 = 1_700_000_000_000
    ) throws -> Result {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let input = folder.appendingPathComponent("in.csv").path
        try Data(file).write(to: URL(fileURLWithPath: input))
        let output = folder.appendingPathComponent(name).path
        let lines = LogLines()
        let runtime = ServiceRuntime(log: Log(level: .info, format: .json, write: { lines.add($0) }))
        let summary = try FileBackfill(
            columns: columns, input: input, output: output, format: format, threads: threads, runtime: runtime,
            allowsMalformed: allowsMalformed, nowMillis: nowMillis
        ).run()
        let bytes =
            format == .csv
            ? try ByteSource.open(output).readAll() : [UInt8](try Data(contentsOf: URL(fileURLWithPath: output)))
        return Result(bytes: bytes, summary: summary, log: lines.all)
    }

    final class LogLines: Sendable {
        private let lines = Mutex<[String]>([])
        func add(_ line: String) { lines.withLock { $0.append(line) } }
        var all: [String] { lines.withLock { $0 } }
    }

    /// The same lines the obvious slow way.
    static func expected(_ csv: String, _ service: FeatureService) throws -> [UInt8] {
        var naive = NaiveFeatures(service.views[0])
        var row = SourceRow(service.source)
        var vector = service.makeVector()
        var line = FeatureLine(service.source, kinds: service.kinds)
        var bytes = FeatureLine.header(service.source, features: service.featureNames)
        // Quoted line breaks only occur in the merchant, which is put back for splitting.
        let records = csv.replacing("\n& Co", with: "\u{1}& Co").split(separator: "\n").dropFirst()
        for (position, record) in records.enumerated() {
            var cells: [String] = []
            var cell = ""
            var isQuoted = false
            for character in record.replacing("\"\"", with: "\u{2}") {
                if character == "\"" {
                    isQuoted.toggle()
                } else if character == ",", !isQuoted {
                    cells.append(cell)
                    cell = ""
                } else {
                    cell.append(character == "\u{1}" ? "\n" : character == "\u{2}" ? "\"" : character)
                }
            }
            cells.append(cell)
            row.reset()
            do {
                for (name, text) in zip(columns.split(separator: ","), cells) {
                    guard let field = service.source.index(of: String(name)) else { continue }
                    try row.set(field, text: Array(text.utf8).span)
                }
                try row.finish()
            } catch { continue }
            let features = naive.evaluate(entity: row.key, atMillis: row.eventTimeMillis)
            guard naive.insert(row, position: Int64(position)) else { continue }
            service.assemble(row: row, viewVectors: [features], into: &vector)
            line.append(row, vector, to: &bytes)
        }
        return bytes
    }

    @Test(arguments: [1, 2, 3])
    func `every row is what filtering the raw events gives, with any number of threads`(threads: Int) throws {
        let service = try #require(Self.repository?.service(named: "fraud_v1"))
        let csv = Self.csv(rows: 1_500, seed: 5)
        let result = try Self.backfill(csv, .service(service), threads: threads)
        let expected = try Self.expected(csv, service)
        #expect(result.bytes == expected)
        #expect(result.summary.rows + result.summary.duplicates + result.summary.malformed == 1_500)
        #expect(result.summary.malformed == 24)
        #expect(result.summary.duplicates > 20)
        let refused = result.log.filter { $0.contains("malformed row") }
        #expect(refused.count == 24)
        // Row 60 is the first malformed one; 13 rows before it hold a line break, and the header is line 1.
        #expect(refused.first?.contains("\"line\":74") == true)
        #expect(refused.first?.contains("amt: is not decimal(2): \\\"12.345\\\"") == true)
    }

    @Test func `more rows than a batch give the same bytes with one thread and with two, packed or not`() throws {
        let view = try #require(Self.repository?.view(named: "card_activity"))
        let csv = Self.csv(rows: 10_000, seed: 6)
        let one = try Self.backfill(csv, .view(view), threads: 1)
        let two = try Self.backfill(csv, .view(view), threads: 2, name: "out.csv.zst")
        #expect(one.bytes == two.bytes)
        #expect(one.summary == two.summary)
        let header = String(decoding: one.bytes.prefix { $0 != 0x0A }, as: UTF8.self)
        #expect(header.hasPrefix("trans_num,cc_num,event_timestamp,amt_count_1h,amt_count_24h,"))
    }

    @Test func `five rows give these bytes`() throws {
        let source = SourceSchema(
            name: "p", topic: "p",
            fields: [
                Field("id", .string), Field("at", .string), Field("card", .string), Field("shop", .string),
                Field("amount", .decimal(places: 2)),
            ],
            eventIDIndex: 0, eventTimeIndex: 1, eventTimeFormat: .iso8601, keyIndex: 2, label: nil)
        let view = StreamView(
            name: "v", entityName: "card", source: source, joinKeyIndex: 2,
            features: [
                WindowFeature(name: "n", function: .count, field: nil, windowMillis: 3_600_000),
                WindowFeature(name: "sum", function: .sum, field: 4, windowMillis: 3_600_000),
                WindowFeature(name: "mean", function: .mean, field: 4, windowMillis: 3_600_000),
                WindowFeature(name: "shop", function: .last, field: 3, windowMillis: nil),
                WindowFeature(name: "ago", function: .secondsSinceLast, field: nil, windowMillis: nil),
            ])
        let csv = #"""
            amount,id,card,at,shop
            1.10,a,"k,1",2019-01-01T00:00:00Z,"Bar ""A"""
            2,b,"k,1",2019-01-01T00:30:00.5Z,
            0.30,c,k2,2019-01-01T00:30:00Z,x
            -4.05,d,"k,1",2019-01-01T01:00:00Z,y
            9.99,e,"k,1",2019-01-01T00:59:59Z,z

            """#
        let expected = #"""
            id,card,event_timestamp,n,sum,mean,shop,ago
            a,"k,1",2019-01-01T00:00:00Z,0.0,0.0,,,
            b,"k,1",2019-01-01T00:30:00.500Z,1.0,1.1,1.1,"Bar ""A""",1800.5
            c,k2,2019-01-01T00:30:00Z,0.0,0.0,,,
            d,"k,1",2019-01-01T01:00:00Z,2.0,3.1,1.55,"",1799.5
            e,"k,1",2019-01-01T00:59:59Z,2.0,3.1,1.55,"",1798.5

            """#
        for threads in [1, 2] {
            let result = try Self.backfill(csv, .view(view), threads: threads)
            #expect(String(decoding: result.bytes, as: UTF8.self) == expected)
            #expect(result.summary == BackfillSummary(rows: 5, outOfOrder: 2))
        }
    }

    @Test func `rows that are no events end the run with their number, the output written`() throws {
        let view = try #require(Self.repository?.view(named: "card_activity"))
        let good = "\na,2019-01-01 00:00:18,42,shop,food,5.00,1.5,-2,3,4,"
        let csv = Self.columns + good + "\nb,2019-01-01 00:00:19,42,shop,food,5.001,1.5,-2,3,4,\n"
        let error = #expect(throws: CommandError.self) {
            try Self.backfill(csv, .view(view), threads: 1, allowsMalformed: false)
        }
        #expect(error?.exitCode == .dataError)
        #expect(error?.message.hasPrefix("1 of 2 rows of ") == true)
        #expect(error?.message.contains("--allow-malformed") == true)
        #expect(try Self.backfill(csv, .view(view), threads: 1).summary.malformed == 1)
        #expect(
            try Self.backfill(Self.columns + good + "\n", .view(view), threads: 1, allowsMalformed: false).summary.rows
                == 1)
    }

    @Test func `an event of the future is none, and a file out of order is told`() throws {
        let view = try #require(Self.repository?.view(named: "card_activity"))
        func line(_ id: String, _ time: String) -> String { "\n\(id),\(time),42,shop,food,5.00,1.5,-2,3,4," }
        let csv =
            Self.columns + line("a", "2019-01-02 00:00:00") + line("b", "2019-01-01 00:00:00")
            + line("c", "2019-01-02 00:05:01") + "\n"
        let now: Int64 = 1_546_387_200_000  // 2019-01-02 00:00:00
        let result = try Self.backfill(csv, .view(view), threads: 1, nowMillis: now)
        #expect(result.summary == BackfillSummary(rows: 2, malformed: 1, outOfOrder: 1))
        #expect(
            result.log.contains {
                $0.contains("lies in the future: 2019-01-02T00:05:01Z, and now is 2019-01-02T00:00:00Z")
            })
        #expect(result.log.contains { $0.contains("the file is not in time order") })
    }

    @Test func `an empty window is 0 and missing values are empty`() throws {
        let view = try #require(Self.repository?.view(named: "card_activity"))
        let csv = Self.columns + "\na,2019-01-01 00:00:18,42,shop,food,5.00,1.5,-2,3,4,\n"
        let result = try Self.backfill(csv, .view(view), threads: 1)
        let line = String(decoding: result.bytes, as: UTF8.self).split(separator: "\n").last
        #expect(
            line == "a,42,2019-01-01T00:00:18Z,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,,,,,,,,,,,,,0.0,,,,")
    }

    @Test func `a file of no events, without a column, or cut short is refused`() throws {
        let view = try #require(Self.repository?.view(named: "card_activity"))
        let bad = Self.columns + "\na,01/02/2019 10:00,42,shop,food,5.00,1.5,-2,3,4,\n"
        #expect(throws: CommandError.self) { try Self.backfill(bad, .view(view), threads: 1) }
        #expect(throws: CommandError.self) { try Self.backfill("cc_num,amt\n1,2\n", .view(view), threads: 1) }
        let cut = Self.columns + "\na,2019-01-01 00:00:18,42,\"shop,food,5.00,1.5,-2,3,4,\n"
        #expect(throws: CommandError(.dataError, "in.csv: quote opened on line 2 never closed.")) {
            do { _ = try Self.backfill(cut, .view(view), threads: 1) } catch let error as CommandError {
                throw CommandError(error.exitCode, error.message.replacing(/^.*\//, with: ""))
            }
        }
    }

    @Test(arguments: [
        (["--input", "a"], "give --output FILE"), (["--output", "a"], "give --input FILE"),
        (["--input", "a", "--to-store"], "--to-store needs --from-store"),
        (["--input", "a", "--from-store", "--output", "b"], "exclude each other"),
        (["--from-store", "--to-store", "--output", "b"], "exclude each other"),
        (
            ["--input", "a", "--output", "x.parquet", "--format", "csv"],
            "--output x.parquet: promises Parquet, but CSV is written"
        ),
        (["--input", "a", "--output", "x.csv", "--format", "parquet"], "--output: a Parquet file is named .parquet"),
        (["--from-store", "--output", "x.parquet.zst"], "promises Parquet, but CSV is written"),
        (["--from-store", "--output", "d/x.XLSX.gz"], "--output d/x.XLSX.gz: promises Excel"),
    ])
    func `flags that do not fit together are told`(words: [String], message: String) throws {
        let settings = try Settings(words, declared: BackfillCommand.settings)
        do {
            _ = try BackfillCommand.plan(settings)
            Issue.record("\(words) was taken")
        } catch {
            #expect(error.exitCode == .usage)
            #expect(error.message.contains(message))
        }
    }
}
