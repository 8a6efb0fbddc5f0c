extension FileMetadata {
    init(_ bytes: ArraySlice<UInt8>) throws(PageError) {
        var reader = CompactReader(bytes)
        var result = FileMetadata()
        var isEncrypted = false
        try reader.structure { (field, reader) throws(PageError) in
            switch field.id {
            case 2:
                try reader.list(field, of: .structure) { (reader) throws(PageError) in
                    result.schema.append(try SchemaElement(&reader))
                }
            case 3: result.rowCount = try reader.int64(field)
            case 4:
                try reader.list(field, of: .structure) { (reader) throws(PageError) in
                    result.rowGroups.append(try RowGroup(&reader))
                }
            case 6: result.createdBy = try reader.text(field)
            case 8:
                isEncrypted = true
                try reader.skip(field)
            default: try reader.skip(field)
            }
        }
        guard !isEncrypted else { throw .unsupported("the file is encrypted") }
        self = result
    }
}

extension SchemaElement {
    fileprivate init(_ reader: inout CompactReader) throws(PageError) {
        var result = SchemaElement()
        try reader.structure { (field, reader) throws(PageError) in
            switch field.id {
            case 1: result.physical = try reader.int32(field)
            case 2: result.typeLength = try reader.int32(field)
            case 3: result.repetition = try reader.int32(field)
            case 4: result.name = try reader.text(field)
            case 5: result.childCount = try reader.int32(field)
            case 6: result.converted = try reader.int32(field)
            case 7: result.scale = try reader.int32(field)
            case 8: result.precision = try reader.int32(field)
            case 10: result.logical = try LogicalType(field, &reader)
            default: try reader.skip(field)
            }
        }
        self = result
    }
}

extension LogicalType {
    fileprivate init(_ field: CompactReader.Field, _ reader: inout CompactReader) throws(PageError) {
        var result = LogicalType.other(0)
        try reader.structure(field) { (field, reader) throws(PageError) in
            switch field.id {
            case 1:
                result = .string
                try reader.skip(field)
            case 5: result = try Self.decimal(field, &reader)
            case 6:
                result = .date
                try reader.skip(field)
            case 8: result = try Self.timestamp(field, &reader)
            case 10: result = try Self.integer(field, &reader)
            case 11:
                result = .unknown
                try reader.skip(field)
            default:
                result = .other(field.id)
                try reader.skip(field)
            }
        }
        self = result
    }

    private static func decimal(_ field: CompactReader.Field, _ reader: inout CompactReader) throws(PageError) -> Self {
        var (scale, precision): (Int32, Int32) = (0, 0)
        try reader.structure(field) { (field, reader) throws(PageError) in
            switch field.id {
            case 1: scale = try reader.int32(field)
            case 2: precision = try reader.int32(field)
            default: try reader.skip(field)
            }
        }
        return .decimal(precision: precision, scale: scale)
    }

    private static func timestamp(_ field: CompactReader.Field, _ reader: inout CompactReader) throws(PageError) -> Self
    {
        var (unit, isUTC): (Int16, Bool) = (0, false)
        try reader.structure(field) { (field, reader) throws(PageError) in
            switch field.id {
            case 1: isUTC = try reader.boolean(field)
            case 2:
                try reader.structure(field) { (field, reader) throws(PageError) in
                    unit = field.id
                    try reader.skip(field)
                }
            default: try reader.skip(field)
            }
        }
        return .timestamp(unit: unit, isUTC: isUTC)
    }

    private static func integer(_ field: CompactReader.Field, _ reader: inout CompactReader) throws(PageError) -> Self {
        var (bits, isSigned): (Int8, Bool) = (0, false)
        try reader.structure(field) { (field, reader) throws(PageError) in
            switch field.id {
            case 1: bits = try reader.int8(field)
            case 2: isSigned = try reader.boolean(field)
            default: try reader.skip(field)
            }
        }
        return .integer(bits: bits, isSigned: isSigned)
    }
}

extension RowGroup {
    fileprivate init(_ reader: inout CompactReader) throws(PageError) {
        var result = RowGroup()
        try reader.structure { (field, reader) throws(PageError) in
            switch field.id {
            case 1:
                try reader.list(field, of: .structure) { (reader) throws(PageError) in
                    result.columns.append(try ColumnChunk(&reader))
                }
            case 2: result.byteSize = try reader.int64(field)
            case 3: result.rowCount = try reader.int64(field)
            case 6: result.packedSize = try reader.int64(field)
            default: try reader.skip(field)
            }
        }
        self = result
    }
}

extension ColumnChunk {
    fileprivate init(_ reader: inout CompactReader) throws(PageError) {
        var result = ColumnChunk()
        var hasMetadata = false
        try reader.structure { (field, reader) throws(PageError) in
            switch field.id {
            case 1, 8, 9:
                result.isElsewhere = true
                try reader.skip(field)
            case 3:
                hasMetadata = true
                try reader.structure(field) { (field, reader) throws(PageError) in try result.read(field, &reader) }
            default: try reader.skip(field)
            }
        }
        guard hasMetadata || result.isElsewhere else { throw .damaged("a column of a row group lacks its description") }
        self = result
    }

    private mutating func read(_ field: CompactReader.Field, _ reader: inout CompactReader) throws(PageError) {
        switch field.id {
        case 1: physical = try reader.int32(field)
        case 4: codec = try reader.int32(field)
        case 5: valueCount = try reader.int64(field)
        case 6: size = try reader.int64(field)
        case 7: packedSize = try reader.int64(field)
        case 9: dataPageOffset = try reader.int64(field)
        case 11: dictionaryPageOffset = try reader.int64(field)
        case 2:
            var found: [Int32] = []
            try reader.list(field, of: .int32) { (reader) throws(PageError) in found.append(try reader.int32()) }
            encodings = found
        case 3:
            var found: [String] = []
            try reader.list(field, of: .binary) { (reader) throws(PageError) in
                found.append(String(decoding: try reader.binary(), as: UTF8.self))
            }
            path = found
        case 12: statistics = try PageStatistics(field, &reader)
        default: try reader.skip(field)
        }
    }
}

extension PageStatistics {
    fileprivate init(_ field: CompactReader.Field, _ reader: inout CompactReader) throws(PageError) {
        var result = PageStatistics()
        try reader.structure(field) { (field, reader) throws(PageError) in
            switch field.id {
            case 3: result.missingCount = try reader.int64(field)
            case 5: result.maximum = Array(try reader.binary(field))
            case 6: result.minimum = Array(try reader.binary(field))
            default: try reader.skip(field)
            }
        }
        self = result
    }
}

extension PageHeader {
    /// Reads a header and what it takes of the bytes; nil when they end inside it.
    static func read(_ bytes: ArraySlice<UInt8>) throws(PageError) -> (header: PageHeader, length: Int)? {
        var reader = CompactReader(bytes)
        do throws(PageError) {
            return (try PageHeader(&reader), reader.cursor - bytes.startIndex)
        } catch {
            if reader.hasRunOut { return nil }
            throw error
        }
    }

    private init(_ reader: inout CompactReader) throws(PageError) {
        var (number, size, packedSize): (Int32?, Int32?, Int32?)
        var checksum: UInt32?
        var parts: [Int16: PageFields] = [:]
        try reader.structure { (field, reader) throws(PageError) in
            switch field.id {
            case 1: number = try reader.int32(field)
            case 2: size = try reader.int32(field)
            case 3: packedSize = try reader.int32(field)
            case 4: checksum = UInt32(bitPattern: try reader.int32(field))
            case 5, 7, 8: parts[field.id] = try PageFields(field, &reader)
            default: try reader.skip(field)
            }
        }
        guard let number, let size, let packedSize, size >= 0, packedSize >= 0 else {
            throw .damaged("a page's header lacks its kind or a size")
        }
        (self.size, self.packedSize, self.checksum) = (size, packedSize, checksum)
        switch (number, parts[5], parts[7], parts[8]) {
        case (0, let part?, _, _):
            kind = .data(valueCount: try part.count(1), encoding: try part.count(2), levels: try part.count(3))
        case (2, _, let part?, _):
            kind = .dictionary(valueCount: try part.count(1), encoding: try part.count(2))
        case (3, _, _, let part?):
            kind = .dataV2(
                valueCount: try part.count(1), missingCount: try part.count(2), encoding: try part.count(4),
                levelBytes: try part.count(5), repetitionBytes: try part.count(6), isPacked: part.isPacked)
        case (0, _, _, _), (2, _, _, _), (3, _, _, _): throw .damaged("a page's header lacks its second half")
        default: kind = .other(number)
        }
    }
}

/// The numbers of a page's second header by their fields, and its one flag.
private struct PageFields {
    private var numbers: [Int16: Int32] = [:]
    private(set) var isPacked = true

    init(_ field: CompactReader.Field, _ reader: inout CompactReader) throws(PageError) {
        var (numbers, isPacked): ([Int16: Int32], Bool) = ([:], true)
        try reader.structure(field) { (field, reader) throws(PageError) in
            switch (field.id, field.kind) {
            case (7, .trueValue), (7, .falseValue): isPacked = try reader.boolean(field)
            case (_, .int32): numbers[field.id] = try reader.int32(field)
            default: try reader.skip(field)
            }
        }
        (self.numbers, self.isPacked) = (numbers, isPacked)
    }

    /// A count or a small code, which must be there.
    func count(_ id: Int16) throws(PageError) -> Int32 {
        guard let value = numbers[id], value >= 0 else { throw .damaged("a page's header lacks field \(id)") }
        return value
    }
}
