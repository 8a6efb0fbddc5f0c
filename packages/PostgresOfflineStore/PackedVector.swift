import JSON

/// A vector's bits in few bytes: counts take one, sums of money about three, other doubles nine at most. The SQL function
/// `prediction_vector` reads them.
enum PackedVector {
    /// Packs the elements of an array; nil where one is neither a finite number, null, nor a text of less than 256 bytes.
    static func pack(_ vector: JSONValue) -> [UInt8]? {
        var packed: [UInt8] = []
        packed.reserveCapacity(384)
        var elements = vector.children
        while let element = elements.next() {
            switch element.kind {
            case .null: packed.append(0)
            case .string:
                guard let size = UInt8(exactly: element.bytes.count) else { return nil }
                packed.append(32)
                packed.append(size)
                packed.append(copying: element.bytes)
            case .number:
                guard let number = Double(element.text), number.isFinite else { return nil }
                append(number, to: &packed)
            case .true, .false, .array, .object: return nil
            }
        }
        return packed
    }

    private static func append(_ number: Double, to bytes: inout [UInt8]) {
        let bits = number.bitPattern
        if let small = UInt8(exactly: number), small < 128, Double(small).bitPattern == bits {
            bytes.append(128 + small)
            return
        }
        let zeros = min(bits.trailingZeroBitCount / 8, 7)
        let significant = 8 - zeros
        // Sums, means over few and amounts are whole hundredths.
        let hundredths = (number.magnitude * 100).rounded()
        if hundredths < 0x1p53, Double(hundredths) / 100 == number.magnitude, hundredths > 0 {
            let whole = UInt64(hundredths)
            let size = (71 - whole.leadingZeroBitCount) / 8
            if size < significant {
                bytes.append(UInt8((number < 0 ? 24 : 16) + size))
                append(whole << (64 - 8 * size), size, to: &bytes)
                return
            }
        }
        bytes.append(UInt8(significant))
        append(bits, significant, to: &bytes)
    }

    /// The first bytes of a word.
    private static func append(_ word: UInt64, _ count: Int, to bytes: inout [UInt8]) {
        for index in 0..<count { bytes.append(UInt8(truncatingIfNeeded: word >> (56 - 8 * index))) }
    }
}

extension [UInt8] {
    fileprivate mutating func append(copying bytes: Span<UInt8>) {
        bytes.withUnsafeBufferPointer { append(contentsOf: $0) }
    }
}
