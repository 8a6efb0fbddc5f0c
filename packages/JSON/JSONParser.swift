internal import CSimdJSON

/// A strict JSON reader over simdjson, made once and reused by its owner. Not `Sendable`: one thread at a time.
///
/// The whole document is validated before the closure sees it: UTF-8, structure, number grammar, escapes, depth, and that
/// nothing follows. After the first documents of a size it does not allocate; what a document of a megabyte or more needed is
/// given back at once.
@safe public final class JSONParser {
    private let handle: OpaquePointer

    /// A parser that refuses documents nested deeper than `maximumDepth` or of more values than `maximumValues`, each of
    /// which takes 32 bytes while the document is read.
    public init(maximumDepth: Int = 64, maximumValues: Int = .max) {
        guard let handle = unsafe nj_parser_create(UInt32(clamping: maximumDepth), max(1, maximumValues)) else {
            fatalError("out of memory")
        }
        unsafe self.handle = handle
    }

    /// Bytes kept for the next document.
    package var heldBytes: Int { unsafe nj_held_bytes(handle) }

    deinit { unsafe nj_parser_destroy(handle) }

    /// Parses a document and lends its root to `body`. `onError` turns a refusal into the caller's own error.
    public func parse<Result, Failure: Error>(
        _ bytes: Span<UInt8>, onError: (JSONError) -> Failure, _ body: (JSONValue) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        defer { if bytes.count > 65_536 { unsafe nj_trim(handle) } }
        let code = unsafe bytes.withUnsafeBufferPointer { buffer in
            unsafe nj_parse(handle, buffer.baseAddress, buffer.count)
        }
        guard code == 0 else {
            throw onError(JSONError(code: code, offset: Int(truncatingIfNeeded: unsafe nj_error_offset(handle))))
        }
        // The nodes are the parser's until its next parse; the strings are in `bytes`, borrowed until we return.
        guard let root = unsafe nj_nodes(handle) else { throw onError(JSONError(.empty)) }
        let value = unsafe JSONValue(root)
        return try body(value)
    }

    /// Parses a document and lends its root to `body`.
    public func parse<Result>(
        _ bytes: Span<UInt8>, _ body: (JSONValue) throws(JSONError) -> Result
    ) throws(JSONError) -> Result {
        try parse(bytes, onError: { $0 }, body)
    }
}
