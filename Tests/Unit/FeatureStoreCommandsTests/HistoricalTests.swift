import FeatureEngine
import FeatureStore
import Foundation
import ServiceRuntime
import TestSupport
import Testing

@testable import FeatureStoreCommands

@Suite struct HistoricalTests {
    private static let repository = Result { try FeatureCommandTests.repository() }
    private let repository: FeatureRepository
    private let service: FeatureService

    init() throws {
        repository = try Self.repository.get()
        service = repository.services[0]
    }

    private func columns(
        _ header: [String], allowsMissing: Bool = false, needsEventID: Bool = false
    ) throws(CommandError) -> EntityColumns {
        try EntityColumns(
            header, of: "f", for: service, HistoricalFields(service, repository), allowsMissing: allowsMissing,
            needsEventID: needsEventID)
    }

    private func names(_ fields: [Int]) -> [String] { fields.map { service.source.fields[$0].name } }

    private func cells(_ texts: [String]) -> EntityCells { EntityCells(texts.map { Array($0.utf8) }) }

    @Test func `rows of cells come back from disk, in order and by number`() throws {
        let rows = try CellRows(cellCount: 3, isIndexed: true)
        var random = SeededRandom(seed: 4)
        let written = (0..<2_000).map { number in
            ["", "\(number)", String(repeating: "z", count: Int.random(in: 0...900, using: &random))]
        }
        for row in written { try rows.append(cells(row)) }
        try rows.finish()
        var reader = rows.reader()
        var read = EntityCells()
        func texts() -> [String] { (0..<read.count).map { String(decoding: read[$0], as: UTF8.self) } }
        for row in written {
            try rows.next(&reader, into: &read)
            #expect(texts() == row)
        }
        for number in written.indices.shuffled(using: &random) {
            try rows.read(Int64(number), into: &read)
            #expect(texts() == written[number])
        }
    }

    @Test func `a service says what it takes of a row, through features of features`() {
        let fields = HistoricalFields(service, repository)
        #expect(names(fields.keys) == ["CUSTOMER_ID"])
        #expect(names(fields.current) == ["TERMINAL_ID", "TX_AMOUNT", "chip"])
        #expect(names(fields.request) == ["TERMINAL_ID", "TX_AMOUNT"])
    }

    @Test func `what a file lacks is said in one sentence`() {
        #expect(throws: CommandError.self) { try columns(["CUSTOMER_ID", "TERMINAL_ID", "TX_AMOUNT", "chip"]) }
        let missing = #expect(throws: CommandError.self) { try columns(["event_timestamp", "TX_AMOUNT"]) }
        #expect(missing?.message.contains("lacks CUSTOMER_ID, TERMINAL_ID, chip") == true)
        let twice = #expect(throws: CommandError.self) { try columns(["a", "event_timestamp", "a"]) }
        #expect(twice?.message.contains("has the column a twice") == true)
        let all = ["CUSTOMER_ID", "TX_TIME_SECONDS", "TERMINAL_ID", "TX_AMOUNT", "chip"]
        let idless = #expect(throws: CommandError.self) { try columns(all, needsEventID: true) }
        #expect(idless?.message.contains("lacks TRANSACTION_ID") == true)
        #expect(throws: Never.self) { try columns(all) }
    }

    @Test func `a column of the file that would be added is refused`() throws {
        let header = ["CUSTOMER_ID", "event_timestamp", "TX_FRAUD"]
        #expect(throws: Never.self) { try HistoricalLine(header, service, label: nil, format: .csv) }
        let label = #expect(throws: CommandError.self) {
            try HistoricalLine(header, service, label: "TX_FRAUD", format: .csv)
        }
        #expect(label?.exitCode == .dataError && label?.message.contains("TX_FRAUD") == true)
        #expect(throws: CommandError.self) {
            try HistoricalLine(header + [service.featureNames[0]], service, label: nil, format: .jsonl)
        }
    }

    @Test func `a file's name says what is in it`() {
        for name in ["-", "a.jsonl", "a.JSONL.gz", "b/a.ndjson.zst"] {
            #expect(HistoricalFormat.jsonl.problem(ofOutputName: name) == nil)
        }
        for name in ["a.csv", "a.csv.zst", "a.parquet"] {
            #expect(HistoricalFormat.jsonl.problem(ofOutputName: name)?.contains(".jsonl.gz") == true)
        }
        #expect(HistoricalFormat.csv.problem(ofOutputName: "a.csv.zst") == nil)
        #expect(HistoricalFormat.csv.problem(ofOutputName: "a.jsonl") != nil)
    }

    @Test func `a moment is read at its millisecond, in the form of its column`() throws {
        let names = ["TERMINAL_ID", "CUSTOMER_ID", "event_timestamp", "TX_AMOUNT", "chip", "TX_TIME_SECONDS"]
        let all = try columns(names)
        var row = SourceRow(all.schema)
        try all.fill(&row, from: cells(["t", "0042", "2019-03-31T02:30:00.123+02:00", "1.5", "", "7"]))
        #expect(row.eventTimeMillis == 1_553_992_200_123)
        #expect(all.keys(of: row) == ["42"])
        #expect(row.bits(4) == 1_500 && !row.isPresent(5))
        let own = try columns(names.filter { $0 != "event_timestamp" })
        try own.fill(&row, from: cells(["t", "42", "1.5", "1", "1553992200"]))
        #expect(row.eventTimeMillis == 1_553_992_200_000)
        for time in ["", "1e9", "4102444800", "-1", "2019-01-01T00:00:00Z"] {
            #expect(throws: FieldError.self) { try own.fill(&row, from: cells(["t", "42", "1.5", "1", time])) }
        }
    }

    @Test func `vectors come back from disk with every bit, whatever the order they were written in`() throws {
        let records = try FeatureRecords(repository.views)
        let view = try #require(repository.views.first)
        var random = SeededRandom(seed: 5)
        var vectors: [FeatureVector] = []
        for _ in 0..<3_000 {
            var vector = FeatureVector(count: view.features.count)
            for (slot, kind) in view.kinds.enumerated() {
                if kind == .category {
                    vector.texts[slot] =
                        [nil, "", "é", String(repeating: "x", count: 700)].randomElement(using: &random) ?? nil
                } else {
                    vector.numbers[slot] = Double(bitPattern: random.next())
                }
            }
            vectors.append(vector)
        }
        for row in vectors.indices.shuffled(using: &random) {
            try records.write(vectors[row], row: Int64(row), view: 0)
            if row % 3 > 0 { try records.write(mark: UInt64(row % 3), row: Int64(row)) }
        }
        var reader = try records.reader()
        var read = [FeatureVector(count: view.features.count)]
        for row in vectors.indices {
            #expect(try records.read(&reader, into: &read) == UInt64(row % 3))
            #expect(read[0].isIdentical(to: vectors[row]))
        }
    }
}
