/// Reads Thrift's compact protocol from bytes that nobody vouches for: every length is checked against what is left, nesting has a
/// limit, and fields that are not known are stepped over.
struct CompactReader {
    /// One field of a structure; its value comes next.
    struct Field {
        let id: Int16
        let kind: CompactWriter.Kind
    }

    private static let depthLimit = 32
    private let bytes: ArraySlice<UInt8>
    /// Index of the next byte.
    private(set) var cursor: Int
    /// Whether it failed for want of bytes: with more of them it might not have.
    private(set) var hasRunOut = false
    private var depth = 0
    /// Structures that lists may still hold. No useful one has fewer than eight bytes, so a file of empty ones does not fill memory.
    private var elementsLeft: Int

    init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        cursor = bytes.startIndex
        elementsLeft = bytes.count / 8 + 8
    }

    private var remaining: Int { bytes.endIndex - cursor }

    /// Goes over the fields of a structure. `body` reads the value of each, or steps over it.
    mutating func structure(
        _ body: (Field, inout CompactReader) throws(PageError) -> Void
    ) throws(PageError) {
        try enter()
        var id: Int16 = 0
        while true {
            let head = try byte()
            if head == 0 { break }
            guard let kind = CompactWriter.Kind(rawValue: head & 0x0F) else {
                throw .damaged("a field has the unknown type \(head & 0x0F)")
            }
            if head >> 4 == 0 {
                guard let long = Int16(exactly: try signed()) else {
                    throw .damaged("a field's number is out of range")
                }
                id = long
            } else {
                let (next, hasOverflown) = id.addingReportingOverflow(Int16(head >> 4))
                guard !hasOverflown else { throw .damaged("a field's number is out of range") }
                id = next
            }
            try body(Field(id: id, kind: kind), &self)
        }
        depth -= 1
    }

    /// Goes over the elements of a list of `kind`.
    mutating func list(
        _ field: Field, of kind: CompactWriter.Kind, _ body: (inout CompactReader) throws(PageError) -> Void
    ) throws(PageError) {
        try expect(field, .list)
        try enter()
        let (count, found) = try listHead()
        guard count == 0 || found == kind else { throw .damaged("field \(field.id) is a list of another type") }
        if kind == .structure {
            guard count <= elementsLeft else { throw .damaged("a list has more elements than its bytes can hold") }
            elementsLeft -= count
        }
        for _ in 0..<count { try body(&self) }
        depth -= 1
    }

    mutating func int32(_ field: Field) throws(PageError) -> Int32 {
        try expect(field, .int32)
        return try int32()
    }

    /// An integer without a head: an element of a list.
    mutating func int32() throws(PageError) -> Int32 {
        guard let value = Int32(exactly: try signed()) else { throw .damaged("a number does not fit its 32 bits") }
        return value
    }

    mutating func int64(_ field: Field) throws(PageError) -> Int64 {
        try expect(field, .int64)
        return try signed()
    }

    /// A small integer of one byte.
    mutating func int8(_ field: Field) throws(PageError) -> Int8 {
        try expect(field, .byte)
        return Int8(bitPattern: try byte())
    }

    /// A boolean: its field's type is its value.
    func boolean(_ field: Field) throws(PageError) -> Bool {
        if field.kind == .trueValue { return true }
        try expect(field, .falseValue)
        return false
    }

    mutating func binary(_ field: Field) throws(PageError) -> ArraySlice<UInt8> {
        try expect(field, .binary)
        return try binary()
    }

    /// Bytes without a head: an element of a list.
    mutating func binary() throws(PageError) -> ArraySlice<UInt8> {
        let count = try unsigned()
        guard count <= UInt64(remaining) else { throw runOut() }
        defer { cursor += Int(count) }
        return bytes[cursor..<cursor + Int(count)]
    }

    /// A text; bytes that are not UTF-8 are replaced.
    mutating func text(_ field: Field) throws(PageError) -> String {
        String(decoding: try binary(field), as: UTF8.self)
    }

    /// The structure in a field.
    mutating func structure(
        _ field: Field, _ body: (Field, inout CompactReader) throws(PageError) -> Void
    ) throws(PageError) {
        try expect(field, .structure)
        try structure(body)
    }

    /// Steps over the value of a field.
    mutating func skip(_ field: Field) throws(PageError) { try skip(field.kind, isElement: false) }

    private mutating func skip(_ kind: CompactWriter.Kind, isElement: Bool) throws(PageError) {
        switch kind {
        case .trueValue, .falseValue: if isElement { _ = try byte() }
        case .byte: _ = try byte()
        case .int16, .int32, .int64: _ = try unsigned()
        case .double:
            guard remaining >= 8 else { throw runOut() }
            cursor += 8
        case .binary: _ = try binary()
        case .list, .set:
            try enter()
            let (count, kind) = try listHead()
            for _ in 0..<count { try skip(kind, isElement: true) }
            depth -= 1
        case .map:
            try enter()
            let count = try unsigned()
            guard count <= UInt64(remaining) else { throw runOut() }
            if count > 0 {
                let kinds = try byte()
                guard let key = CompactWriter.Kind(rawValue: kinds >> 4),
                    let value = CompactWriter.Kind(rawValue: kinds & 0x0F)
                else { throw .damaged("a map has an unknown type") }
                for _ in 0..<count {
                    try skip(key, isElement: true)
                    try skip(value, isElement: true)
                }
            }
            depth -= 1
        case .structure: try structure { (field, reader) throws(PageError) in try reader.skip(field) }
        }
    }

    private mutating func enter() throws(PageError) {
        depth += 1
        guard depth <= Self.depthLimit else { throw .damaged("structures are nested too deep") }
    }

    /// How many elements follow, each of a byte at least, and of which type.
    private mutating func listHead() throws(PageError) -> (count: Int, kind: CompactWriter.Kind) {
        let head = try byte()
        guard let kind = CompactWriter.Kind(rawValue: head & 0x0F) else {
            throw .damaged("a list has the unknown type \(head & 0x0F)")
        }
        let count = head >> 4 == 15 ? try unsigned() : UInt64(head >> 4)
        guard count <= UInt64(remaining) else { throw runOut() }
        return (Int(count), kind)
    }

    private func expect(_ field: Field, _ kind: CompactWriter.Kind) throws(PageError) {
        guard field.kind == kind else { throw .damaged("field \(field.id) has another type than the format says") }
    }

    private mutating func byte() throws(PageError) -> UInt8 {
        guard remaining > 0 else { throw runOut() }
        defer { cursor += 1 }
        return bytes[cursor]
    }

    private mutating func signed() throws(PageError) -> Int64 {
        let value = try unsigned()
        return Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
    }

    private mutating func unsigned() throws(PageError) -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), through: 63, by: 7) {
            let next = try byte()
            guard shift < 63 || next < 2 else { break }
            value |= UInt64(next & 0x7F) << shift
            if next < 0x80 { return value }
        }
        throw .damaged("a number has more than 64 bits")
    }

    private mutating func runOut() -> PageError {
        hasRunOut = true
        return .damaged("it ends in the middle")
    }
}
