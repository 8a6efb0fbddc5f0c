internal import CSimdJSON

/// Numbers as text, appended to bytes without a `String` in between.
public enum NumberText {
    /// Appends the shortest decimal that reads back to the same finite number, in the layout of Swift's `description`, but for
    /// integers, which have no `.0`.
    public static func append(_ number: Double, to bytes: inout [UInt8]) {
        // Amounts, counts and seconds: two decimals and at most 15 digits. No other decimal of so few digits is the same double,
        // so this one is the shortest.
        let hundredths = (number * 100).rounded()
        if number.magnitude < 1e13, hundredths / 100 == number, number != 0 || number.sign == .plus {
            return append(hundredths: Int64(hundredths), to: &bytes)
        }
        unsafe append(to: &bytes) { unsafe nj_print_double(number, $0) }
    }

    /// Appends the shortest decimal that reads back to the same finite `Float`.
    public static func append(_ number: Float, to bytes: inout [UInt8]) {
        unsafe append(to: &bytes) { unsafe nj_print_float(number, $0) }
    }

    private static func append(to bytes: inout [UInt8], _ print: (UnsafeMutablePointer<CChar>) -> Int) {
        unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(NJ_NUMBER_ROOM)) { text in
            guard let start = text.baseAddress else { return }
            let count = unsafe print(start)
            unsafe bytes.append(contentsOf: UnsafeRawBufferPointer(start: start, count: count))
        }
    }

    /// Appends a number without its sign.
    public static func append(digits magnitude: UInt64, to bytes: inout [UInt8]) {
        var digits = InlineArray<20, UInt8>(repeating: 0x30)
        var first = 20
        var rest = magnitude
        repeat {
            first -= 1
            digits[first] = UInt8(truncatingIfNeeded: rest % 10) + 0x30
            rest /= 10
        } while rest > 0
        unsafe digits.span.withUnsafeBufferPointer {
            unsafe bytes.append(contentsOf: UnsafeBufferPointer(rebasing: $0[first...]))
        }
    }

    private static func append(hundredths: Int64, to bytes: inout [UInt8]) {
        if hundredths < 0 { bytes.append(0x2D) }
        let (whole, rest) = hundredths.magnitude.quotientAndRemainder(dividingBy: 100)
        append(digits: whole, to: &bytes)
        guard rest > 0 else { return }
        bytes.append(0x2E)
        bytes.append(0x30 + UInt8(rest / 10))
        if rest % 10 != 0 { bytes.append(0x30 + UInt8(rest % 10)) }
    }
}
