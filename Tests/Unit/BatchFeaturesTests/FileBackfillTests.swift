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
        _ csv: String, _ columns: BackfillColumns, threads: Int, name: String = "out.csv"
    ) throws -> Result {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let input = folder.appendingPathComponent("in.csv").path
        try Data(csv.utf8).write(to: URL(fileURLWithPath: input))
        let output = folder.appendingPathComponent(name).path
        let lines = LogLines()
        let runtime = ServiceRuntime(log: Log(level: .info, format: .json, write: { lines.add($0) }))
        let summary = try FileBackfill(columns, input: input, output: output, threads: threads, runtime: runtime).run()
        return Result(bytes: try ByteSource.open(output).readAll(), summary: summary, log: lines.all)
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
