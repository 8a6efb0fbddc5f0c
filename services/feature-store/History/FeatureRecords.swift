import FeatureEngine
import FeatureStore
import ServiceRuntime

/// The vectors of every row, on disk: they are computed entity after entity and read in the order of the file.
///
/// A row is a fixed number of 8-byte slots: a number's bits; of a category the place of its text in a file of texts, from 1, or 0 for
/// a missing one; at the end a mark,
/// 0 where none was written.
final class FeatureRecords {
    private let views: [StreamView]
    private let starts: [Int]  // the first slot of each view
    private let slots: Int
    private let file: ScratchFile
    private let texts: ScratchFile

    /// No rows.
    init(_ views: [StreamView]) throws(CommandError) {
        self.views = views
        var starts: [Int] = []
        var slots = 0
        for view in views {
            starts.append(slots)
            slots += view.features.count
        }
        (self.starts, self.slots) = (starts, slots + 1)
        file = try ScratchFile()
        texts = try ScratchFile()
    }

    /// Writes one view's vector of a row.
    func write(_ vector: FeatureVector, row: Int64, view: Int) throws(CommandError) {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(8 * vector.count)
        for (slot, kind) in views[view].kinds.enumerated() {
            var bits = vector.numbers[slot].bitPattern
            if kind == .category { bits = try place(of: vector.texts[slot]) }
            Self.append(bits, to: &bytes)
        }
        try file.write(bytes, at: 8 * (row * Int64(slots) + Int64(starts[view])))
    }

    /// Writes the mark of a row.
    func write(mark: UInt64, row: Int64) throws(CommandError) {
        var bytes: [UInt8] = []
        Self.append(mark, to: &bytes)
        try file.write(bytes, at: 8 * (row * Int64(slots) + Int64(slots - 1)))
    }

    private func place(of text: String?) throws(CommandError) -> UInt64 {
        guard let text else { return 0 }
        let place = UInt64(texts.count) + 1
        var bytes: [UInt8] = []
        Self.append(UInt64(text.utf8.count), to: &bytes)
        try texts.append(bytes + Array(text.utf8))
        return place
    }

    // MARK: Reading

    /// Begins to read, from the first row on.
    func reader() throws(CommandError) -> ScratchReader {
        try texts.flush()
        return ScratchReader(file)
    }

    /// Fills the vectors of the next row, one a view; returns its mark.
    func read(_ reader: inout ScratchReader, into vectors: inout [FeatureVector]) throws(CommandError) -> UInt64 {
        let row = try reader.bytes(8 * slots)
        var next = row.startIndex
        func take() -> UInt64 {
            defer { next += 8 }
            return row[next..<next + 8].reduce(0) { $0 << 8 | UInt64($1) }
        }
        for (view, kinds) in views.map(\.kinds).enumerated() {
            for (slot, kind) in kinds.enumerated() {
                let bits = take()
                vectors[view].numbers[slot] = kind == .category ? .nan : Double(bitPattern: bits)
                vectors[view].texts[slot] = kind == .category ? try text(at: bits) : nil
            }
        }
        return take()
    }

    private func text(at place: UInt64) throws(CommandError) -> String? {
        guard place > 0 else { return nil }
        var length = [UInt8](repeating: 0, count: 8)
        try texts.read(into: &length, at: Int64(place) - 1)
        var text = [UInt8](repeating: 0, count: length.reduce(0) { $0 << 8 | Int($1) })
        try texts.read(into: &text, at: Int64(place) + 7)
        return String(decoding: text, as: UTF8.self)
    }

    private static func append(_ bits: UInt64, to bytes: inout [UInt8]) {
        for shift in stride(from: 56, through: 0, by: -8) {
            bytes.append(UInt8(truncatingIfNeeded: bits >> UInt64(shift)))
        }
    }
}
