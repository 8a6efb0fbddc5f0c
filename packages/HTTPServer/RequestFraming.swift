/// What a request's head says about where the request ends and whom it is for, held against RFC 9112: §2.2 (lines end with
/// CR LF), §3.2 (exactly one Host), §5.1 (no space before the colon), §5.2 (no folded lines), §6.1 and §6.3 (one length, or
/// one coding, never both).
///
/// libmicrohttpd takes the first of repeated fields, prefers a coding over a length and reads on where a proxy before us may
/// have read otherwise; whoever sits behind the disagreement can put a request into somebody else's connection. So a head
/// that can be read in two ways is answered 400, and nothing that follows it on the connection is taken for a request.
struct RequestFraming {
    /// The first thing found wrong: one sentence. Nil so far.
    private(set) var problem: String?
    /// Whether the body comes in chunks.
    private(set) var isChunked = false
    /// The body's length in bytes, where one is declared.
    private(set) var contentLength: Int?
    private var seen: UInt8 = 0
    /// Also of a length that is a number and larger than any body could be.
    static let noLength = "The Content-Length is not a number of bytes"

    /// Fields of which a request has one at most.
    private enum Single: UInt8, CaseIterable {
        case host = 1
        case contentLength = 2
        case transferEncoding = 4
        case contentType = 8
        case authorization = 16
        case origin = 32

        var name: StaticString {
            switch self {
            case .host: "host"
            case .contentLength: "content-length"
            case .transferEncoding: "transfer-encoding"
            case .contentType: "content-type"
            case .authorization: "authorization"
            case .origin: "origin"
            }
        }
    }

    /// Takes note of one field line, in the order received: its name, and its value without the white space before it.
    mutating func add(name: Span<UInt8>, value: Span<UInt8>) {
        guard Self.isToken(name) else { return refuse("A header's name is not a name") }
        for index in value.indices where value[index] < 0x20 && value[index] != 0x09 || value[index] == 0x7F {
            return refuse("A header's value has a control character")
        }
        guard let single = Self.single(name) else { return }
        guard seen & single.rawValue == 0 else { return refuse("There are two \(single.name) headers") }
        seen |= single.rawValue
        switch single {
        case .host: if !Self.isHost(value) { refuse("The Host header is not a host") }
        case .contentLength:
            contentLength = Self.length(value)
            if contentLength == nil { refuse(Self.noLength) }
        case .transferEncoding:
            isChunked = true
            if !Self.isEqual(value, "chunked") { refuse("The only Transfer-Encoding is chunked") }
        case .contentType, .authorization, .origin: break
        }
    }

    /// Takes note of the method.
    mutating func add(method: Span<UInt8>) {
        if !Self.isToken(method) { refuse("The method is not a name") }
    }

    /// Ends the head: what the fields say together. `minorVersion` is 0 for HTTP/1.0.
    mutating func finish(minorVersion: Int) {
        if isChunked, seen & Single.contentLength.rawValue != 0 {
            refuse("There are both a Content-Length and a Transfer-Encoding")
        }
        if isChunked, minorVersion == 0 { refuse("HTTP/1.0 has no Transfer-Encoding") }
        if seen & Single.host.rawValue == 0, minorVersion > 0 { refuse("There is no Host header") }
    }

    /// Notes a problem that was seen elsewhere.
    mutating func refuse(_ reason: String) {
        if problem == nil { problem = reason }
    }

    // MARK: Grammar

    private static func single(_ name: Span<UInt8>) -> Single? {
        // By length first: most fields are none of these.
        switch name.count {
        case 4: isEqual(name, Single.host.name) ? .host : nil
        case 6: isEqual(name, Single.origin.name) ? .origin : nil
        case 12: isEqual(name, Single.contentType.name) ? .contentType : nil
        case 13: isEqual(name, Single.authorization.name) ? .authorization : nil
        case 14: isEqual(name, Single.contentLength.name) ? .contentLength : nil
        case 17: isEqual(name, Single.transferEncoding.name) ? .transferEncoding : nil
        default: nil
        }
    }

    /// Whether the bytes are those of a lower-case name, in either case.
    private static func isEqual(_ bytes: Span<UInt8>, _ name: StaticString) -> Bool {
        guard bytes.count == name.utf8CodeUnitCount else { return false }
        return name.withUTF8Buffer { name in
            for index in bytes.indices {
                let byte = bytes[index]
                let lower = byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte
                guard unsafe lower == name[index] else { return false }
            }
            return true
        }
    }

    private static func isToken(_ bytes: Span<UInt8>) -> Bool {
        for index in bytes.indices where !isTokenByte(bytes[index]) { return false }
        return bytes.count > 0
    }

    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true  // digits and letters
        case 0x21, 0x23...0x27, 0x2A, 0x2B, 0x2D, 0x2E, 0x5E...0x60, 0x7C, 0x7E: true  // ! # $ % & ' * + - . ^ _ ` | ~
        default: false
        }
    }

    /// Digits alone, and no more of them than any body of ours could have.
    private static func length(_ bytes: Span<UInt8>) -> Int? {
        guard bytes.count > 0, bytes.count <= 18 else { return nil }
        var length = 0
        for index in bytes.indices {
            let digit = bytes[index] &- 0x30
            guard digit < 10 else { return nil }
            length = length * 10 + Int(digit)
        }
        return length
    }

    /// A host and maybe a port; empty where the target has no host.
    private static func isHost(_ bytes: Span<UInt8>) -> Bool {
        var end = bytes.count
        while end > 0, bytes[end - 1] == 0x20 || bytes[end - 1] == 0x09 { end -= 1 }
        for index in 0..<end {
            switch bytes[index] {
            case 0x22, 0x23, 0x2C, 0x2F, 0x3C, 0x3E, 0x3F, 0x40, 0x5C, 0x5E, 0x60, 0x7B...0x7D: return false
            case 0...0x20, 0x7F...: return false
            default: break
            }
        }
        return true
    }
}

/// The target of a request line, looked at before libmicrohttpd decodes it in place.
struct RequestTarget {
    /// Why it is none; one sentence.
    private(set) var problem: String?
    /// Bytes of the scheme and the host before the path, in the absolute form (`http://host/path`); 0 in the usual one.
    private(set) var prefixCount = 0

    /// An empty target.
    init() {}

    /// Checks the bytes between the method and the version.
    init(_ bytes: Span<UInt8>) {
        for index in bytes.indices {
            let byte = bytes[index]
            if byte <= 0x20 || byte == 0x7F {
                problem = "The target has a space or a control character"
            } else if byte == 0x25, index + 2 < bytes.count, bytes[index + 1] == 0x30, bytes[index + 2] == 0x30 {
                problem = "The target has a NUL"  // Strings of C would end there.
            }
        }
        guard bytes.count > 0 else {
            problem = "There is no target"
            return
        }
        if bytes[0] == 0x2F || bytes.count == 1 && bytes[0] == 0x2A { return }  // `/…`, or `*` alone
        readAbsolute(bytes)
    }

    private mutating func readAbsolute(_ bytes: Span<UInt8>) {
        var index = 0
        while index < bytes.count, bytes[index] | 0x20 >= 0x61, bytes[index] | 0x20 <= 0x7A { index += 1 }
        guard index == 4 || index == 5, index + 3 < bytes.count, bytes[index] == 0x3A, bytes[index + 1] == 0x2F,
            bytes[index + 2] == 0x2F
        else {
            problem = problem ?? "The target is no path"
            return
        }
        index += 3
        let host = index
        while index < bytes.count, bytes[index] != 0x2F, bytes[index] != 0x3F {
            // Decoded, an escape in the host would move the place where the path begins.
            if bytes[index] == 0x25 || bytes[index] == 0x40 { problem = problem ?? "The target's host is not a host" }
            index += 1
        }
        if index == host { problem = problem ?? "The target has no host" }
        prefixCount = index
    }
}
