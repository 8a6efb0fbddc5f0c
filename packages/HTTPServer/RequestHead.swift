internal import CMicroHTTPD
internal import Glibc

/// Looks at a request's head where libmicrohttpd has left it, and finds what its interface does not tell.
///
/// The head lies in one piece from the method on, and only these bytes of it are changed: the spaces of the request line, the
/// first colon of each line and both bytes of each CR LF are zero, and the target is decoded in place. So between the pieces
/// that are told there must be exactly what was cut out:
///
///     GET ␀ /health ␀ HTTP/1.1 ␀␀ Host ␀ a ␀␀ Accept ␀ b ␀␀ ␀␀
///     ▲ method  ▲ target  ▲ version     each name and value            ▲ head size
///
/// A line that ended with a bare LF leaves a byte too few; a NUL, where strings of C end, one too many; a folded line was
/// copied to another place. What stays hidden is a bare LF whose missing CR is made up for by a NUL or by a colon without a
/// name: no proxy passes those on.
@safe struct RequestHead {
    /// The target as it was received.
    @safe struct Target {
        fileprivate let start: UnsafePointer<CChar>?
        fileprivate let count: Int
        let checked: RequestTarget

        init() {
            unsafe start = nil
            count = 0
            checked = RequestTarget()
        }

        init(_ target: UnsafePointer<CChar>) {
            unsafe start = target
            count = unsafe strlen(target)
            checked = unsafe RequestTarget(Span(_unsafeElements: RequestHead.bytes(target, count)))
        }
    }

    private var framing = RequestFraming()
    /// Where the next line must begin.
    private var next: UnsafePointer<CChar>

    private init(next: UnsafePointer<CChar>) { unsafe self.next = next }

    /// What the head says about its request; called when it is whole, before the body.
    static func check(
        _ connection: OpaquePointer, _ target: Target, method: UnsafePointer<CChar>, version: UnsafePointer<CChar>
    ) -> RequestFraming {
        var head = unsafe RequestHead(next: version + 10)  // HTTP/1.1 and CR LF
        unsafe head.framing.add(method: Span(_unsafeElements: bytes(method, strlen(method))))
        if let problem = target.checked.problem { head.framing.refuse(problem) }
        if unsafe target.start != method + strlen(method) + 1 || version != method + strlen(method) + target.count + 2 {
            head.framing.refuse("The request line is malformed")
        }
        unsafe withUnsafeMutablePointer(to: &head) { head in
            _ = unsafe MHD_get_connection_values_n(
                connection, .HEADER_KIND,
                { head, _, name, nameCount, value, valueCount in
                    guard let head = unsafe head?.assumingMemoryBound(to: RequestHead.self), let name = unsafe name,
                        let value = unsafe value
                    else { return .NO }
                    unsafe head.pointee.add(name, nameCount, value, valueCount)
                    return .YES
                }, head)
        }
        if unsafe head.next + 2 != method + needletail_http_head_size(connection) {
            head.framing.refuse("A header line is malformed")
        }
        head.framing.finish(minorVersion: unsafe version[7] == 0x30 ? 0 : 1)
        return head.framing
    }

    private mutating func add(
        _ name: UnsafePointer<CChar>, _ nameCount: Int, _ value: UnsafePointer<CChar>, _ valueCount: Int
    ) {
        // Only white space lies between the colon and the value.
        if unsafe name != next || value <= name + nameCount { framing.refuse("A header line is malformed") }
        unsafe framing.add(
            name: Span(_unsafeElements: Self.bytes(name, nameCount)),
            value: Span(_unsafeElements: Self.bytes(value, valueCount)))
        unsafe next = value + valueCount + 2
    }

    private static func bytes(_ start: UnsafePointer<CChar>, _ count: Int) -> UnsafeBufferPointer<UInt8> {
        unsafe UnsafeBufferPointer(start: UnsafeRawPointer(start).assumingMemoryBound(to: UInt8.self), count: count)
    }
}
