internal import FeatureEngine

/// How many unpacked bytes the pages in hand of all columns may take, so that a small file does not fill memory.
final class PageBudget {
    var left = 1 << 30
}

/// Goes through the pages of one column of one row group. Holds one page and the dictionary.
struct ColumnCursor {
    let leaf: SchemaLeaf
    private let file: ParquetFile
    private let codec: PageCodec
    private let budget: PageBudget
    private var offset: Int
    private let end: Int
    private var rowsLeft: Int64  // of pages that were not begun
    private var dictionary: ParquetValues?
    private var dictionarySize = 0
    private var page: PageDecoder?

    /// A header is that long at most, its bounds included.
    private static let longestHeader = 1 << 20
    /// Unpacked bytes of one page at most.
    private static let largestPage = 1 << 28

    /// Begins a chunk that lies before `limit`, where the footer begins.
    init(
        _ chunk: ColumnChunk, _ leaf: SchemaLeaf, rows: Int64, in file: ParquetFile, before limit: Int,
        budget: PageBudget
    ) throws(PageError) {
        guard !chunk.isElsewhere else { throw .unsupported("it lies in another file or is encrypted") }
        guard chunk.physical == leaf.physical.rawValue else { throw .damaged("its type is not that of the schema") }
        guard chunk.valueCount == rows else {
            throw .damaged("it has \(chunk.valueCount) values, and the row group \(rows) rows")
        }
        var start = chunk.dataPageOffset
        if let dictionary = chunk.dictionaryPageOffset, dictionary > 0 { start = min(start, dictionary) }
        let (end, isHuge) = start.addingReportingOverflow(chunk.packedSize)
        guard start >= 4, chunk.packedSize >= 0, !isHuge, end <= limit else {
            throw .damaged("its pages lie outside the file")
        }
        (self.leaf, self.file, self.budget, rowsLeft) = (leaf, file, budget, rows)
        codec = try PageCodec(code: chunk.codec)
        (offset, self.end) = (Int(start), Int(end))
    }

    /// Gives the pages in hand back to the budget.
    func release() { budget.left += dictionarySize + (page?.byteCount ?? 0) }

    /// Where it is, for messages.
    var place: String { "column \(leaf.name), before byte \(offset)" }

    /// Appends the next `count` rows, which the row group has.
    mutating func read(_ count: Int, into values: inout ParquetValues) throws(ParquetError) {
        var wanted = count
        while wanted > 0 {
            if page.map({ $0.rowsLeft == 0 }) ?? true { try nextPage() }
            let taken = min(wanted, page?.rowsLeft ?? 0)
            do throws(PageError) { try page?.read(taken, dictionary, into: &values) } catch {
                throw error.at(place, of: file.name)
            }
            wanted -= taken
        }
    }

    /// Goes on to a data page that has rows.
    private mutating func nextPage() throws(ParquetError) {
        budget.left += page?.byteCount ?? 0
        page = nil
        while page == nil {
            do throws(PageError) {
                guard offset < end else { throw .damaged("its pages have fewer rows than its row group") }
            } catch {
                throw error.at(place, of: file.name)
            }
            let (header, length) = try header()
            let start = offset + length
            let packed = Int(header.packedSize)
            do throws(PageError) {
                guard packed <= end - start else { throw .damaged("a page goes past the end of its column") }
                guard header.size <= Self.largestPage else {
                    throw .unsupported("a page of \(header.size) bytes, and 256 MiB are the most")
                }
                guard budget.left >= Int(header.size) else {
                    throw .unsupported("the pages of its columns take more than 1 GiB at once")
                }
            } catch {
                throw error.at(place, of: file.name)
            }
            let bytes = try file.read(start..<start + packed)
            do throws(PageError) { try take(header, bytes) } catch { throw error.at(place, of: file.name) }
            offset = start + packed
        }
    }

    /// The header at the offset. Nothing says how long it is, so more is read until it is whole.
    private func header() throws(ParquetError) -> (PageHeader, length: Int) {
        var size = 256
        while true {
            let bytes = try file.read(offset..<min(end, offset + size))
            do throws(PageError) {
                if let found = try PageHeader.read(bytes[...]) { return found }
                guard bytes.count == size, size < Self.longestHeader else {
                    throw .damaged("a page's header has no end")
                }
            } catch {
                throw error.at(place, of: file.name)
            }
            size *= 8
        }
    }

    private mutating func take(_ header: PageHeader, _ bytes: [UInt8]) throws(PageError) {
        if let checksum = header.checksum {
            var found = CRC32()
            found.combine(bytes.span)
            guard found.value == checksum else { throw .damaged("a page does not have its checksum") }
        }
        let size = Int(header.size)
        switch header.kind {
        case .data(let rows, let encoding, let levels):
            guard levels == PageEncoding.runLength || !leaf.isOptional else {
                throw .unsupported("its levels are packed the old way, BIT_PACKED")
            }
            let unpacked = try codec.unpack(bytes[...], size: size)
            try begin(unpacked, rows: rows, encoding, levelBytes: nil)
        case .dataV2(let rows, _, let encoding, let levelBytes, let repetitionBytes, let isPacked):
            let levels = Int(levelBytes)
            guard repetitionBytes == 0, levels <= bytes.count, levels <= size else {
                throw .damaged("the levels are longer than the page")
            }
            // The levels of version 2 are never packed.
            let packed = bytes[levels...]
            let values =
                isPacked && !packed.isEmpty
                ? try codec.unpack(packed, size: size - levels)
                : try PageCodec.uncompressed.unpack(packed, size: size - levels)
            try begin(bytes[..<levels] + values, rows: rows, encoding, levelBytes: levels)
        case .dictionary(let count, let encoding):
            guard dictionary == nil else { throw .damaged("it has two dictionaries") }
            guard encoding == PageEncoding.plain || encoding == PageEncoding.plainDictionary else {
                throw .unsupported("its dictionary has the encoding \(encoding)")
            }
            guard leaf.physical != .boolean else { throw .damaged("booleans have no dictionary") }
            let unpacked = try codec.unpack(bytes[...], size: size)
            dictionary = try Self.dictionary(unpacked, Int(count), leaf)
            dictionarySize = size
            budget.left -= size
        case .other: break  // An index, which is not needed.
        }
    }

    private mutating func begin(
        _ bytes: [UInt8], rows: Int32, _ encoding: Int32, levelBytes: Int?
    ) throws(PageError) {
        guard Int64(rows) <= rowsLeft else { throw .damaged("its pages have more rows than its row group") }
        guard rows > 0 else { return }
        page = try PageDecoder(bytes, rows: Int(rows), leaf: leaf, encoding: encoding, levelBytes: levelBytes)
        budget.left -= bytes.count
        rowsLeft -= Int64(rows)
    }

    private static func dictionary(
        _ bytes: [UInt8], _ count: Int, _ leaf: SchemaLeaf
    ) throws(PageError) -> ParquetValues {
        var values = ParquetValues(try leaf.type.get())
        var decoder = PlainDecoder(0..<bytes.count, leaf)
        if values.type.isText {
            try decoder.readTexts(count, [], of: bytes, into: &values)
        } else {
            var numbers: [Int64] = []
            try decoder.readNumbers(count, of: bytes, into: &numbers)
            values.append(numbers, [], rows: count)
        }
        return values
    }
}
