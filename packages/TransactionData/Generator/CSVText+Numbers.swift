internal import JSON

/// Numbers as the reference files have them.
extension CSVText {
    /// A cell, quoted where it must be.
    static func append(_ text: String, to bytes: inout [UInt8]) { append(Array(text.utf8)[...], to: &bytes) }

    /// Millionths as a decimal without trailing zeros, one decimal at least: 36078800 is `36.0788`.
    static func append(micros: Int, to bytes: inout [UInt8]) {
        JSONWriter.append(minorUnits: Int64(micros), places: 6, to: &bytes)
        trim(5, &bytes)
    }

    /// Cents as a decimal without trailing zeros, one decimal at least: 4500 is `45.0`.
    static func append(cents: Int, to bytes: inout [UInt8]) {
        JSONWriter.append(minorUnits: Int64(cents), places: 2, to: &bytes)
        trim(1, &bytes)
    }

    /// Exactly two digits.
    static func append(twoDigits value: Int, to bytes: inout [UInt8]) {
        bytes.append(UInt8(truncatingIfNeeded: value / 10) + 0x30)
        bytes.append(UInt8(truncatingIfNeeded: value % 10) + 0x30)
    }

    /// Exactly sixteen hexadecimal digits.
    static func append(hex value: UInt64, to bytes: inout [UInt8]) {
        for shift in stride(from: 60, through: 0, by: -4) {
            let digit = UInt8(truncatingIfNeeded: value >> UInt64(shift) & 15)
            bytes.append(digit < 10 ? digit + 0x30 : digit + 0x57)
        }
    }

    private static func trim(_ most: Int, _ bytes: inout [UInt8]) {
        for _ in 0..<most where bytes.last == 0x30 { bytes.removeLast() }
    }
}
