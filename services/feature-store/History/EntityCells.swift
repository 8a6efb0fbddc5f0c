import ServiceRuntime
import TransactionData

/// The cells of one record of a CSV file, or other pieces of bytes that belong together.
struct EntityCells {
    private(set) var bytes: [UInt8] = []
    private var ends: [Int] = []

    /// No cells.
    init() {}

    init(_ cells: [[UInt8]]) {
        for cell in cells {
            bytes += cell
            ends.append(bytes.count)
        }
    }

    var count: Int { ends.count }

    /// The bytes of a cell.
    subscript(_ index: Int) -> ArraySlice<UInt8> { bytes[(index == 0 ? 0 : ends[index - 1])..<ends[index]] }

    /// Takes the present record of a reader over.
    mutating func take(_ reader: CSVReader) {
        bytes.removeAll(keepingCapacity: true)
        ends.removeAll(keepingCapacity: true)
        for index in 0..<reader.cellCount {
            reader.withCell(index) { cell in cell.withUnsafeBufferPointer { bytes.append(contentsOf: $0) } }
            ends.append(bytes.count)
        }
    }

    /// What a file keeps: the length of what follows, where each cell ends, the cells.
    fileprivate var stored: [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(4 + 4 * ends.count + bytes.count)
        Self.append(4 * ends.count + bytes.count, to: &result)
        for end in ends { Self.append(end, to: &result) }
        return result + bytes
    }

    /// Takes over what `stored` gave behind the length, of so many cells.
    fileprivate mutating func load(_ stored: ArraySlice<UInt8>, count: Int) {
        ends.removeAll(keepingCapacity: true)
        for index in 0..<count { ends.append(Self.number(stored.dropFirst(4 * index))) }
        bytes.removeAll(keepingCapacity: true)
        bytes.append(contentsOf: stored.dropFirst(4 * count))
    }

    /// The number in the first four bytes.
    fileprivate static func number(_ bytes: ArraySlice<UInt8>) -> Int {
        bytes.prefix(4).reduce(0) { $0 << 8 | Int($1) }
    }

    /// Records are bounded (`CSVReader.recordLimit`, a Kafka record), so lengths fit into four bytes.
    private static func append(_ number: Int, to bytes: inout [UInt8]) {
        for shift in [24, 16, 8, 0] { bytes.append(UInt8(truncatingIfNeeded: number >> shift)) }
    }
}

/// Rows of cells on disk, all of the same number of them: read in their order, or one by its number.
final class CellRows {
    private let cellCount: Int
    private let file: ScratchFile
    /// Where each row begins, where they are read by number.
    private let places: ScratchFile?

    /// How many rows there are.
    private(set) var count = 0

    /// No rows. `isIndexed`: they are read by their numbers, too.
    init(cellCount: Int, isIndexed: Bool) throws(CommandError) {
        self.cellCount = cellCount
        file = try ScratchFile()
        places = isIndexed ? try ScratchFile() : nil
    }

    /// Adds a row.
    func append(_ cells: EntityCells) throws(CommandError) {
        precondition(cells.count == cellCount, "a row of other cells")
        if let places {
            let place = UInt64(file.count)
            try places.append((0..<8).map { UInt8(truncatingIfNeeded: place >> UInt64(56 - 8 * $0)) })
        }
        try file.append(cells.stored)
        count += 1
    }

    /// Ends the adding; what was added can be read.
    func finish() throws(CommandError) {
        try file.flush()
        try places?.flush()
    }

    /// Reads a row by its number.
    func read(_ row: Int64, into cells: inout EntityCells) throws(CommandError) {
        guard let places else { preconditionFailure("rows that are not indexed") }
        var place = [UInt8](repeating: 0, count: 8)
        try places.read(into: &place, at: 8 * row)
        let start = place.reduce(Int64(0)) { $0 << 8 | Int64($1) }
        var length = [UInt8](repeating: 0, count: 4)
        try file.read(into: &length, at: start)
        var bytes = [UInt8](repeating: 0, count: EntityCells.number(length[...]))
        try file.read(into: &bytes, at: start + 4)
        cells.load(bytes[...], count: cellCount)
    }

    /// Begins to read in order.
    func reader() -> ScratchReader { ScratchReader(file) }

    /// Reads the next row; it is there.
    func next(_ reader: inout ScratchReader, into cells: inout EntityCells) throws(CommandError) {
        let length = EntityCells.number(try reader.bytes(4))
        cells.load(try reader.bytes(length), count: cellCount)
    }
}
