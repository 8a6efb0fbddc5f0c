import FeatureEngine
import Foundation
import TestSupport
import Testing

@Suite(.enabled(if: PipelineHarness.isPossible, Comment(rawValue: PipelineHarness.absence)), .serialized)
struct StreamTests {
    /// A stream with everything that may go wrong in it: repeats near and far, late events, malformed records, foreign
    /// partitions, events from the future.
    private func records(
        _ harness: PipelineHarness, rows: Int, seed: UInt64
    ) throws -> [(key: [UInt8]?, value: [UInt8]?, partition: Int32?)] {
        var random = SeededRandom(seed: seed)
        var rows = try harness.generatedRows(rows, seed: seed, cards: 400)
        for index in rows.indices where Int.random(in: 0..<50, using: &random) == 0 {
            rows.swapAt(index, max(0, index - Int.random(in: 0..<800, using: &random)))
        }
        var records: [(key: [UInt8]?, value: [UInt8]?, partition: Int32?)] = []
        for row in rows {
            let record = harness.record(row)
            records.append(record)
            let text = String(decoding: record.value ?? [], as: UTF8.self)
            func altered(_ field: String, _ value: String) -> [UInt8] {
                Array(text.replacing("\"\(row.string(row.schema.index(of: field) ?? 0) ?? "")\"", with: value).utf8)
            }
            switch Int.random(in: 0..<200, using: &random) {
            case 0, 1: records.append(record)
            case 2: if let earlier = records.randomElement(using: &random) { records.append(earlier) }
            case 3: records.append((record.key, altered("merchant", "\"a\\u0000b\""), nil))
            case 4: records.append((record.key, altered("merchant", "\"\u{1}\""), nil))
            case 5: records.append((record.key, altered("trans_num", "\"x\\u0000\""), nil))
            case 6: records.append((record.key, Array(text.utf8.dropLast(3)), nil))
            case 7: records.append((record.key, [0xFF, 0x00, 0xC3, 0x28], nil))
            case 8: records.append((record.key, nil, nil))
            case 9: records.append((nil, altered("trans_date_trans_time", "\"2100-01-01 00:00:00\""), nil))
            default: break
            }
        }
        // The key's partition is one of four, so three of these lie in a foreign one.
        for partition in Int32(0)..<4 {
            let text = String(decoding: records[0].value ?? [], as: UTF8.self)
            let id = rows[0].eventID
            let known = Array(text.replacing(id, with: "\(id)-\(partition)").utf8)
            records.append((records[0].key, known, partition))
        }
        return records
    }

    @Test(.timeLimit(.minutes(5)))
    func `a stream of 20,000 events is in both stores once, bit for bit`() throws {
        let harness = try PipelineHarness("stream")
        try harness.send(records(harness, rows: 20_000, seed: 7))
        let run = try harness.transformToEnd()
        #expect(run.exitCode == 0, "\(run.output)")
        let oracle = try LogOracle(harness)
        #expect(oracle.accepted.count == 20_000 + 1)
        #expect(oracle.duplicates > 100)
        #expect(oracle.refused.count > 300)
        try oracle.check(harness)
        // Nothing is left to do, and doing it again changes nothing.
        let again = try harness.transformToEnd()
        #expect(again.exitCode == 0, "\(again.output)")
        try oracle.check(harness)
    }
}
