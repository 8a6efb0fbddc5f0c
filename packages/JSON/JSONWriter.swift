/// Writes JSON by appending to bytes; commas come by themselves. Keep one and `reset` it to reuse its memory.
///
///     var writer = JSONWriter()
///     writer.beginObject()
///     writer.key("rate"); writer.value(0.25)
///     writer.endObject()
public struct JSONWriter: Sendable {
    /// What was written so far.
    public private(set) var bytes: [UInt8]
    private var needsComma = false

    /// An empty writer.
    public init(reserving capacity: Int = 512) {
        bytes = []
        bytes.reserveCapacity(capacity)
    }

    /// Forgets what was written and keeps the memory.
    public mutating func reset() {
        bytes.removeAll(keepingCapacity: true)
        needsComma = false
    }

    /// What was written, as text.
    public var text: String { String(decoding: bytes, as: UTF8.self) }

    /// `{`
    public mutating func beginObject() { open(0x7B) }
    /// `}`
    public mutating func endObject() { close(0x7D) }
    /// `[`
    public mutating func beginArray() { open(0x5B) }
    /// `]`
    public mutating func endArray() { close(0x5D) }

    /// A member's name; its value comes next.
    public mutating func key(_ name: String) {
        comma()
        Self.append(string: name, to: &bytes)
        bytes.append(0x3A)
        needsComma = false
    }

    /// A string.
    public mutating func value(_ text: String) {
        comma()
        Self.append(string: text, to: &bytes)
        needsComma = true
    }

    /// A string, given as its UTF-8 bytes.
    public mutating func value(utf8 text: Span<UInt8>) {
        comma()
        Self.append(utf8: text, to: &bytes)
        needsComma = true
    }

    /// A number in its shortest exact form; null when it is not finite.
    public mutating func value(_ number: Double) {
        comma()
        Self.append(number, to: &bytes)
        needsComma = true
    }

    /// A number in its shortest form that reads back to the same `Float`; null when it is not finite.
    public mutating func value(_ number: Float) {
        comma()
        Self.append(number, to: &bytes)
        needsComma = true
    }

    /// An integer.
    public mutating func value(_ number: some FixedWidthInteger) {
        comma()
        Self.append(integer: Int64(number), to: &bytes)
        needsComma = true
    }

    /// true or false.
    public mutating func value(_ flag: Bool) {
        comma()
        bytes.append(contentsOf: (flag ? "true" : "false").utf8)
        needsComma = true
    }

    /// A value, or null for none.
    public mutating func value(_ text: String?) {
        if let text { value(text) } else { null() }
    }

    /// A value, or null for none.
    public mutating func value(_ number: Double?) {
        if let number { value(number) } else { null() }
    }

    /// null.
    public mutating func null() {
        comma()
        bytes.append(contentsOf: "null".utf8)
        needsComma = true
    }

    /// Bytes that are a JSON value already.
    public mutating func raw(_ json: some Sequence<UInt8>) {
        comma()
        bytes.append(contentsOf: json)
        needsComma = true
    }

    /// Lent bytes that are a JSON value already.
    public mutating func raw(_ json: Span<UInt8>) {
        comma()
        unsafe json.withUnsafeBufferPointer { unsafe bytes.append(contentsOf: $0) }
        needsComma = true
    }

    private mutating func comma() {
        if needsComma { bytes.append(0x2C) }
    }

    private mutating func open(_ bracket: UInt8) {
        comma()
        bytes.append(bracket)
        needsComma = false
    }

    private mutating func close(_ bracket: UInt8) {
        bytes.append(bracket)
        needsComma = true
    }
}

extension JSONWriter {
    /// Appends a quoted, escaped string.
    public static func append(string text: String, to bytes: inout [UInt8]) {
        var text = text
        text.withUTF8 { unsafe append(quoted: $0, to: &bytes) }
    }

    /// Appends a quoted, escaped string given as its UTF-8 bytes.
    public static func append(utf8 text: Span<UInt8>, to bytes: inout [UInt8]) {
        unsafe text.withUnsafeBufferPointer { unsafe append(quoted: $0, to: &bytes) }
    }

    /// Appends a quoted, escaped string given as its UTF-8 bytes.
    public static func append(utf8 text: ArraySlice<UInt8>, to bytes: inout [UInt8]) {
        unsafe text.withUnsafeBufferPointer { unsafe append(quoted: $0, to: &bytes) }
    }

    private static func append(quoted text: UnsafeBufferPointer<UInt8>, to bytes: inout [UInt8]) {
        bytes.append(0x22)
        var start = 0
        for index in 0..<text.count {
            let byte = unsafe text[index]
            if byte >= 0x20, byte != 0x22, byte != 0x5C { continue }
            unsafe bytes.append(contentsOf: UnsafeBufferPointer(rebasing: text[start..<index]))
            append(escape: byte, to: &bytes)
            start = index + 1
        }
        unsafe bytes.append(contentsOf: UnsafeBufferPointer(rebasing: text[start...]))
        bytes.append(0x22)
    }

    /// Appends a number in its shortest exact form; null when it is not finite.
    public static func append(_ number: Double, to bytes: inout [UInt8]) {
        guard number.isFinite else { return bytes.append(contentsOf: "null".utf8) }
        NumberText.append(number, to: &bytes)
    }

    /// Appends a number in the shortest form that reads back to the same `Float`; null when it is not finite.
    public static func append(_ number: Float, to bytes: inout [UInt8]) {
        guard number.isFinite else { return bytes.append(contentsOf: "null".utf8) }
        NumberText.append(number, to: &bytes)
    }

    /// Appends the digits of an integer.
    public static func append(integer: Int64, to bytes: inout [UInt8]) {
        if integer < 0 { bytes.append(0x2D) }
        NumberText.append(digits: integer.magnitude, to: &bytes)
    }

    /// Appends `minorUnits / 10^places` with exactly `places` decimals: 1230 with 2 is `12.30`.
    public static func append(minorUnits: Int64, places: Int, to bytes: inout [UInt8]) {
        guard places > 0 else { return append(integer: minorUnits, to: &bytes) }
        if minorUnits < 0 { bytes.append(0x2D) }
        let start = bytes.count
        NumberText.append(digits: minorUnits.magnitude, to: &bytes)
        let missing = places + 1 - (bytes.count - start)
        if missing > 0 { bytes.insert(contentsOf: repeatElement(0x30, count: missing), at: start) }
        bytes.append(0x2E)
        var index = bytes.count - 1
        for _ in 0..<places {  // the point goes before the last places
            bytes.swapAt(index, index - 1)
            index -= 1
        }
    }

    private static func append(escape byte: UInt8, to bytes: inout [UInt8]) {
        bytes.append(0x5C)
        switch byte {
        case 0x22, 0x5C: bytes.append(byte)
        case 0x0A: bytes.append(0x6E)
        case 0x0D: bytes.append(0x72)
        case 0x09: bytes.append(0x74)
        default:
            bytes.append(contentsOf: "u00".utf8)
            bytes.append(byte < 0x10 ? 0x30 : 0x31)
            let low = byte & 0x0F
            bytes.append(low < 10 ? low + 0x30 : low + 0x57)
        }
    }
}
