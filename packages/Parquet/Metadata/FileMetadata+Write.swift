extension FileMetadata {
    /// The footer's bytes, without its length and magic.
    func encoded() -> [UInt8] {
        var writer = CompactWriter()
        writer.structure { writer in
            writer.field(1, Int32(2))  // the format's version, as all writers say it
            writer.list(2, schema) { $0.write(to: &$1) }
            writer.field(3, rowCount)
            writer.list(4, rowGroups) { $0.write(to: &$1) }
            writer.field(6, createdBy.utf8)
            // Every column is ordered as its type says, which makes the bounds mean something.
            let leaves = schema.filter { $0.physical != nil }
            writer.list(7, leaves) { _, writer in writer.structure(1) }
        }
        return writer.bytes
    }
}

extension SchemaElement {
    /// The node of a column.
    init(_ column: ParquetColumn) {
        name = column.name
        physical = column.type.physical.rawValue
        repetition = column.isOptional ? Self.optional : Self.required
        switch column.type {
        case .boolean, .int32, .int64, .float, .double, .bytes: break
        case .string: (converted, logical) = (0, .string)
        case .date: (converted, logical) = (6, .date)
        case .decimal(let precision, let scale):
            (self.precision, self.scale) = (Int32(precision), Int32(scale))
            (converted, logical) = (5, .decimal(precision: self.precision, scale: self.scale))
        case .timestamp(let unit, let isUTC):
            // The older names mean instants and know no ns.
            switch unit {
            case .millis: (converted, logical) = (isUTC ? 9 : nil, .timestamp(unit: 1, isUTC: isUTC))
            case .micros: (converted, logical) = (isUTC ? 10 : nil, .timestamp(unit: 2, isUTC: isUTC))
            case .nanos: logical = .timestamp(unit: 3, isUTC: isUTC)
            }
        }
    }

    func write(to writer: inout CompactWriter) {
        if let physical {
            writer.field(1, physical)
            writer.field(3, repetition)
            writer.field(4, name.utf8)
        } else {
            writer.field(4, name.utf8)
            writer.field(5, childCount)
        }
        if let converted { writer.field(6, converted) }
        if case .decimal = logical {
            writer.field(7, scale)
            writer.field(8, precision)
        }
        if let logical { writer.structure(10) { logical.write(to: &$0) } }
    }
}

extension LogicalType {
    func write(to writer: inout CompactWriter) {
        switch self {
        case .string: writer.structure(1)
        case .decimal(let precision, let scale):
            writer.structure(5) {
                $0.field(1, scale)
                $0.field(2, precision)
            }
        case .date: writer.structure(6)
        case .timestamp(let unit, let isUTC):
            writer.structure(8) {
                $0.field(1, isUTC)
                $0.structure(2) { $0.structure(unit) }
            }
        case .integer(let bits, let isSigned):
            writer.structure(10) {
                $0.field(1, byte: UInt8(bitPattern: bits))
                $0.field(2, isSigned)
            }
        case .unknown: writer.structure(11)
        case .other(let number): writer.structure(number)
        }
    }
}

extension RowGroup {
    func write(to writer: inout CompactWriter) {
        writer.list(1, columns) { column, writer in
            writer.field(2, column.dictionaryPageOffset ?? column.dataPageOffset)
            writer.structure(3) { column.write(to: &$0) }
        }
        writer.field(2, byteSize)
        writer.field(3, rowCount)
        writer.field(5, columns.first.map { $0.dictionaryPageOffset ?? $0.dataPageOffset } ?? 0)
        writer.field(6, packedSize)
    }
}

extension ColumnChunk {
    func write(to writer: inout CompactWriter) {
        writer.field(1, physical)
        writer.list(2, encodings)
        writer.list(3, texts: path)
        writer.field(4, codec)
        writer.field(5, valueCount)
        writer.field(6, size)
        writer.field(7, packedSize)
        writer.field(9, dataPageOffset)
        if let dictionaryPageOffset { writer.field(11, dictionaryPageOffset) }
        writer.structure(12) { statistics.write(to: &$0) }
    }
}

extension PageStatistics {
    func write(to writer: inout CompactWriter) {
        if let missingCount { writer.field(3, missingCount) }
        if let maximum { writer.field(5, maximum) }
        if let minimum { writer.field(6, minimum) }
    }
}

extension PageHeader {
    /// The header's bytes.
    func encoded() -> [UInt8] {
        var writer = CompactWriter()
        writer.structure { writer in
            writer.field(1, number)
            writer.field(2, size)
            writer.field(3, packedSize)
            if let checksum { writer.field(4, Int32(bitPattern: checksum)) }
            switch kind {
            case .data(let valueCount, let encoding, let levels):
                writer.structure(5) {
                    $0.field(1, valueCount)
                    $0.field(2, encoding)
                    $0.field(3, levels)
                    $0.field(4, PageEncoding.runLength)
                }
            case .dictionary(let valueCount, let encoding):
                writer.structure(7) {
                    $0.field(1, valueCount)
                    $0.field(2, encoding)
                }
            case .dataV2, .other: preconditionFailure("only read")
            }
        }
        return writer.bytes
    }

    private var number: Int32 {
        switch kind {
        case .data: 0
        case .dictionary: 2
        case .dataV2: 3
        case .other(let number): number
        }
    }
}
