/// A column as a file describes it.
struct SchemaLeaf {
    /// Its name; of a nested one its path with points.
    let name: String
    let physical: PhysicalType
    let typeLength: Int
    let isOptional: Bool
    /// What its values are, or why they are not read.
    let type: Result<ParquetType, PageError>
    /// Whether 32 bits are a number without a sign, which only the 64-bit type holds.
    var isUnsigned: Bool { physical == .int32 && (try? type.get()) == .int64 }

    private static let depthLimit = 100

    /// The leaves of a schema, in the order of the row groups' columns.
    static func leaves(of schema: [SchemaElement]) throws(PageError) -> [SchemaLeaf] {
        guard let root = schema.first, root.physical == nil else { throw .damaged("it has no schema") }
        var leaves: [SchemaLeaf] = []
        var open: [(name: String, childrenLeft: Int32)] = [("", root.childCount)]
        for element in schema.dropFirst() {
            while let last = open.last, last.childrenLeft <= 0 { open.removeLast() }
            guard !open.isEmpty else { throw .damaged("its schema has more columns than it says") }
            open[open.count - 1].childrenLeft -= 1
            if element.childCount > 0, element.physical == nil {
                open.append((element.name, element.childCount))
                guard open.count <= depthLimit else { throw .unsupported("its schema is nested too deep") }
            } else {
                leaves.append(try SchemaLeaf(element, path: open.dropFirst().map(\.name)))
            }
        }
        guard open.allSatisfy({ $0.childrenLeft <= 0 }) else {
            throw .damaged("its schema has fewer columns than it says")
        }
        return leaves
    }

    private init(_ element: SchemaElement, path: [String]) throws(PageError) {
        guard let physical = element.physical.flatMap({ PhysicalType(rawValue: $0) }) else {
            throw .damaged("the column \(element.name) has no known type")
        }
        name = (path + [element.name]).joined(separator: ".")
        (self.physical, typeLength) = (physical, Int(element.typeLength))
        isOptional = element.repetition == SchemaElement.optional
        let isFlat = path.isEmpty && (0...1).contains(element.repetition)
        type = Result { () throws(PageError) in
            guard isFlat else { throw .unsupported("it is nested or a list, and only flat columns are read") }
            return try Self.type(of: element, physical)
        }
    }

    private static func type(of element: SchemaElement, _ physical: PhysicalType) throws(PageError) -> ParquetType {
        switch (physical, element.logical, element.converted) {
        case (.boolean, _, _): return .boolean
        case (.int96, _, _):
            throw .unsupported("it has INT96 times, which Parquet gave up: write it with TIMESTAMP, which is INT64")
        case (.float, _, _): return .float
        case (.double, _, _): return .double
        case (_, .decimal(let precision, let scale), _): return try decimal(precision, scale, element, physical)
        case (_, nil, 5): return try decimal(element.precision, element.scale, element, physical)
        case (.int32, .date, _), (.int32, nil, 6): return .date
        case (.int32, .integer(32, isSigned: false), _), (.int32, nil, 13): return .int64
        case (.int32, nil, nil), (.int32, .integer, _), (.int32, .unknown, _), (.int32, nil, 11), (.int32, nil, 12),
            (.int32, nil, 15), (.int32, nil, 16), (.int32, nil, 17):
            return .int32
        case (.int64, .timestamp(let unit, let isUTC), _):
            let units: [Int16: ParquetType.TimeUnit] = [1: .millis, 2: .micros, 3: .nanos]
            guard let unit = units[unit] else { throw .unsupported("its times have an unknown unit") }
            return .timestamp(unit, isUTC: isUTC)
        case (.int64, nil, 9): return .timestamp(.millis, isUTC: true)
        case (.int64, nil, 10): return .timestamp(.micros, isUTC: true)
        case (.int64, .integer(_, isSigned: true), _), (.int64, nil, nil), (.int64, nil, 18), (.int64, .unknown, _):
            return .int64
        case (.byteArray, .string, _), (.byteArray, nil, 0), (.byteArray, nil, 4), (.byteArray, nil, 19),
            (.byteArray, .other(4), _), (.byteArray, .other(12), _):  // text, and ENUM and JSON, which are text
            return .string
        case (.byteArray, nil, nil), (.byteArray, .unknown, _): return .bytes
        default: throw .unsupported("its type is none of those that are read")
        }
    }

    private static func decimal(
        _ precision: Int32, _ scale: Int32, _ element: SchemaElement, _ physical: PhysicalType
    ) throws(PageError) -> ParquetType {
        guard (1...1_000).contains(precision), (0...precision).contains(scale) else {
            throw .damaged("a decimal of \(precision) digits, \(scale) of them behind the point")
        }
        guard precision <= 18 else { throw .unsupported("it has decimals of \(precision) digits, and 18 are the most") }
        switch physical {
        case .int32, .int64: break
        case .fixedLengthByteArray where (1...16).contains(element.typeLength): break
        default: throw .unsupported("its decimals lie as texts or as more than 16 bytes")
        }
        return .decimal(precision: Int(precision), scale: Int(scale))
    }
}
