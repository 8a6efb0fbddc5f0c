internal import FeatureEngine
internal import Foundation
internal import JSON

/// Rows in a file, so that fitting can be run again without reading the events again.
///
/// One line of JSON that says what they are, then by column, little-endian: event times (Int64), ids (UInt64), labels (UInt8), values
/// (Float32, row after row; a category is the number of its value in the first line).
extension TrainingSet {
    private static let format = "needletail-rows-1"
    /// Rows and columns a file may say it has; so few that no product of them overflows.
    private static let mostRows = 1 << 31, mostColumns = 1 << 16

    /// Writes the file whole or not at all. Missing folders are made.
    public func write(to path: String) throws(ModelError) {
        let categories = occurring.map { names in names.map { .array($0.map { .string($0) }) } ?? JSONTree.null }
        let header: JSONTree = [
            "format": .string(Self.format), "service": .string(serviceName), "definition_hash": .string(definitionHash),
            "rows": .number(count), "fingerprint": .string(fingerprint()),
            "features": .array(
                zip(featureNames, categories).map { ["name": .string($0), "categories": $1] }),
            "request_only": .array(requestOnly.map { .number($0) }),
        ]
        var data = Data(header.bytes() + [0x0A])
        data.reserveCapacity(data.count + count * (17 + 4 * featureNames.count))
        timesMillis.withUnsafeBytes { data.append(contentsOf: $0) }
        ids.withUnsafeBytes { data.append(contentsOf: $0) }
        data.append(contentsOf: labels.map { UInt8($0) })
        values.withUnsafeBytes { data.append(contentsOf: $0) }
        do {
            let file = URL(fileURLWithPath: path)
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try data.write(to: file, options: .atomic)
        } catch {
            throw .unwritable(path, error.localizedDescription)
        }
    }

    /// Reads what `write` wrote; anything else is refused with the reason.
    public init(file path: String) throws(ModelError) {
        guard let data = FileManager.default.contents(atPath: path) else { throw .notFound(path) }
        try self.init(bytes: [UInt8](data), file: path)
    }

    /// Reads the bytes of such a file.
    package init(bytes: [UInt8], file path: String) throws(ModelError) {
        guard let end = bytes.firstIndex(of: 0x0A), let header = try? JSONTree.parse(Array(bytes[..<end])),
            header["format"]?.string == Self.format
        else { throw .malformed(path, "it has no rows of `train prepare`") }
        guard let rows = header["rows"]?.int, (0...Self.mostRows).contains(rows),
            let features = header["features"]?.array, (1...Self.mostColumns).contains(features.count),
            bytes.count - end - 1 == rows * (17 + 4 * features.count)
        else { throw .malformed(path, "it is cut off, or holds more than its first line says") }
        let names = features.compactMap { $0["name"]?.string }
        let categories = features.map { $0["categories"]?.array?.compactMap(\.string) }
        let requestOnly = (header["request_only"]?.array ?? []).compactMap(\.int)
        guard names.count == features.count, requestOnly.allSatisfy(names.indices.contains) else {
            throw .malformed(path, "its first line names no features")
        }
        self.init(
            serviceName: header["service"]?.string ?? "", definitionHash: header["definition_hash"]?.string ?? "",
            featureNames: names, kinds: categories.map { $0 == nil ? .number : .category }, requestOnly: requestOnly)
        try fill(rows, categories, bytes[(end + 1)...], path)
    }

    private mutating func fill(
        _ rows: Int, _ categories: [[String]?], _ bytes: ArraySlice<UInt8>, _ path: String
    ) throws(ModelError) {
        let columns = featureNames.count
        var place = bytes.startIndex
        func read<Value: BitwiseCopyable>(_ count: Int, _ zero: Value) -> [Value] {
            let size = MemoryLayout<Value>.size
            let values = bytes.withUnsafeBytes { raw in
                (0..<count).map {
                    raw.loadUnaligned(fromByteOffset: place - bytes.startIndex + $0 * size, as: Value.self)
                }
            }
            place += count * size
            return values
        }
        let (times, ids) = (read(rows, Int64(0)), read(rows, UInt64(0)))
        let (labels, values) = (read(rows, UInt8(0)), read(rows * columns, Float(0)))
        let plausible: Range<Int64> = -62_135_596_800_000..<253_402_300_800_000
        guard labels.allSatisfy({ $0 <= 1 }), times.allSatisfy(plausible.contains) else {
            throw .malformed(path, "a label is neither 0 nor 1, or a time is in no calendar")
        }
        for (column, names) in categories.enumerated() {
            for row in 0..<rows {
                let value = values[row * columns + column]
                guard let names else {
                    guard !value.isInfinite else { throw .malformed(path, "a value is infinite") }
                    continue
                }
                guard value.isNaN || (value >= 0 && value < Float(names.count) && value == value.rounded()) else {
                    throw .malformed(path, "a category is none of those in the first line")
                }
            }
        }
        take(times: times, ids: ids, labels: labels.map(Float.init), values: values, categories: categories)
    }
}
