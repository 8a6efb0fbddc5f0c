import Compression
import FeatureEngine
import FeatureStore
import JSON
import ServiceRuntime
import TransactionData

/// How the rows are written.
enum HistoricalFormat: String, SettingChoice {
    case csv, jsonl

    /// What is wrong with the name of a file of this format; nil for a good one.
    func problem(ofOutputName path: String) -> String? {
        guard self == .jsonl else { return CompressionFormat.problem(ofOutputName: path) }
        var name = path.lowercased()
        for packing in [".gz", ".zst"] where name.hasSuffix(packing) { name.removeLast(packing.count) }
        guard path != "-", ![".jsonl", ".ndjson"].contains(where: { name.hasSuffix($0) }) else { return nil }
        return "\(path): lines of JSON are written: name it .jsonl, .jsonl.gz or .jsonl.zst"
    }
}

/// Writes rows: what the file had, then the features, then the label.
struct HistoricalLine {
    private let header: [String]
    private let service: FeatureService
    private let label: String?
    private let format: HistoricalFormat

    /// Throws where a column of the file has the name of one that is added.
    init(
        _ header: [String], _ service: FeatureService, label: String?, format: HistoricalFormat
    ) throws(CommandError) {
        (self.header, self.service, self.label, self.format) = (header, service, label, format)
        let added = Set((service.featureNames + [label].compactMap(\.self)).map { ByteString($0) })
        if let name = header.first(where: { added.contains(ByteString($0)) }) {
            throw CommandError(.dataError, "the file has a column \(name), which would be added: leave it out.")
        }
    }

    /// What stands before the rows.
    var head: [UInt8] {
        guard format == .csv else { return [] }
        var line: [UInt8] = []
        for (index, name) in (header + service.featureNames + [label].compactMap(\.self)).enumerated() {
            if index > 0 { line.append(0x2C) }
            CSVText.append(Array(name.utf8)[...], to: &line)
        }
        return line + [0x0A]
    }

    /// Appends a row; without a label that has arrived, nil.
    func append(_ cells: EntityCells, _ vector: FeatureVector, isFraud: Bool?, to line: inout [UInt8]) {
        switch format {
        case .csv: appendCSV(cells, vector, isFraud, &line)
        case .jsonl: appendJSON(cells, vector, isFraud, &line)
        }
        line.append(0x0A)
    }

    private func appendCSV(_ cells: EntityCells, _ vector: FeatureVector, _ isFraud: Bool?, _ line: inout [UInt8]) {
        for index in 0..<cells.count {
            if index > 0 { line.append(0x2C) }
            CSVText.append(cells[index], to: &line)
        }
        for (slot, kind) in service.kinds.enumerated() {
            line.append(0x2C)
            if kind == .number {
                CSVText.append(vector.numbers[slot], to: &line)
            } else {
                CSVText.append(category: vector.texts[slot], to: &line)
            }
        }
        guard label != nil else { return }
        line.append(0x2C)
        if let isFraud { line.append(isFraud ? 0x31 : 0x30) }
    }

    private func appendJSON(_ cells: EntityCells, _ vector: FeatureVector, _ isFraud: Bool?, _ line: inout [UInt8]) {
        var json = JSONWriter()
        json.beginObject()
        for (index, name) in header.enumerated() {
            json.key(name)
            json.value(String(decoding: cells[index], as: UTF8.self))
        }
        for (slot, name) in service.featureNames.enumerated() {
            json.key(name)
            if service.kinds[slot] == .category {
                json.value(vector.texts[slot])
            } else {
                json.value(vector.numbers[slot])
            }
        }
        if let label {
            json.key(label)
            if let isFraud { json.value(isFraud ? 1 : 0) } else { json.null() }
        }
        json.endObject()
        line += json.bytes
    }
}
