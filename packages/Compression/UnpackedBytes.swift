internal import Glibc

/// What an unpacker has produced so far: bytes to which literals and earlier pieces of themselves are appended.
@safe struct UnpackedBytes {
    private(set) var count = 0
    private let limit: Int
    private var bytes: [UInt8] = []

    /// Nothing yet. More than `limit` bytes are refused.
    init(limit: Int) { self.limit = limit }

    /// What there is.
    consuming func finished() -> [UInt8] {
        bytes.removeLast(bytes.count - count)
        return bytes
    }

    /// What was appended since there were `start` bytes.
    func bytes(since start: Int) -> ArraySlice<UInt8> { bytes[start..<count] }

    private mutating func makeRoom(_ length: Int) -> Bool {
        guard length <= limit - count else { return false }
        if bytes.count - count < length {
            bytes.append(contentsOf: repeatElement(0, count: max(length, min(max(bytes.count, 1 << 14), limit))))
        }
        return true
    }

    /// Appends bytes; false above the limit.
    mutating func append(_ literal: ArraySlice<UInt8>) -> Bool {
        guard makeRoom(literal.count) else { return false }
        let start = count
        unsafe literal.withUnsafeBytes { source in
            unsafe bytes.withUnsafeMutableBytes { target in
                guard let from = source.baseAddress, let to = target.baseAddress else { return }
                unsafe memcpy(to + start, from, source.count)
            }
        }
        count += literal.count
        return true
    }

    /// Appends `length` bytes from `distance` bytes ago, which may run into what it appends itself. False when there are not
    /// as many since `start`, or above the limit.
    mutating func `repeat`(distance: Int, length: Int, since start: Int = 0) -> Bool {
        guard distance > 0, distance <= count - start, length >= 0, makeRoom(length) else { return false }
        let at = count
        unsafe bytes.withUnsafeMutableBytes { buffer in
            guard let base = buffer.baseAddress else { return }
            // What was copied repeats with the distance, so each step may take all of it.
            var copied = 0
            while copied < length {
                let step = min(length - copied, distance + copied)
                unsafe memcpy(base + at + copied, base + at - distance, step)
                copied += step
            }
        }
        count += length
        return true
    }
}

/// Steps through packed bytes; nil past their end.
struct PackedBytes {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    var isAtEnd: Bool { rest.isEmpty }

    mutating func byte() -> Int? { rest.popFirst().map { Int($0) } }

    mutating func take(_ count: Int) -> ArraySlice<UInt8>? {
        guard count >= 0, count <= rest.count else { return nil }
        defer { rest = rest.dropFirst(count) }
        return rest.prefix(count)
    }

    /// A little-endian number of `count` ≤ 4 bytes.
    mutating func little(_ count: Int) -> Int? {
        take(count).map { $0.reversed().reduce(0) { $0 << 8 | Int($1) } }
    }

    /// A big-endian number of four bytes.
    mutating func big() -> Int? { take(4).map { $0.reduce(0) { $0 << 8 | Int($1) } } }
}
