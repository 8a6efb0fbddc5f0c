internal import CZlib
internal import CZstd
internal import Glibc

/// Writes bytes to a file or to standard output, packed by the file's extension. A file appears under its name only when
/// `close` has written all of it; until then it is `<name>.partial`. Not `Sendable`: one writer.
@safe public final class ByteSink {
    /// What error messages call it.
    public let name: String
    /// How many bytes were given to `write`.
    public private(set) var bytesWritten: Int64 = 0

    private var descriptor: Int32
    private let path: String
    private let partialPath: String?
    private var buffer: [UInt8]
    private var buffered = 0
    private var encoder: Encoder?

    private enum Encoder {
        case gzip(GzipEncoder)
        case zstd(ZstdEncoder)
    }

    private static let chunk = 1 << 18

    /// Creates or replaces a file, or writes to standard output for `-`. Pipes and devices are written in place.
    public static func create(_ path: String) throws(CompressionError) -> ByteSink {
        if path == "-" { return try ByteSink(STDOUT_FILENO, name: "standard output", path: path, partial: nil) }
        var info = stat()
        let exists = unsafe stat(path, &info) == 0
        let isPlain = !exists || info.st_mode & S_IFMT == S_IFREG
        guard !exists || info.st_mode & S_IFMT != S_IFDIR else {
            throw .notOpened(path: path, reason: "it is a folder")
        }
        let partial = isPlain ? "\(path).partial" : nil
        let flags = O_WRONLY | O_CLOEXEC | (isPlain ? O_CREAT | O_TRUNC : 0)
        let descriptor = unsafe Glibc.open(partial ?? path, flags, 0o666)
        guard descriptor >= 0 else { throw .opening(path, errno: errno) }
        return try ByteSink(descriptor, name: path, path: path, partial: partial)
    }

    private init(_ descriptor: Int32, name: String, path: String, partial: String?) throws(CompressionError) {
        self.descriptor = descriptor
        self.name = name
        self.path = path
        partialPath = partial
        buffer = Array(repeating: 0, count: Self.chunk)
        switch CompressionFormat(path: path) {
        case .plain: encoder = nil
        case .gzip: encoder = .gzip(try GzipEncoder(name: name))
        case .zstd: encoder = .zstd(try ZstdEncoder(name: name))
        }
    }

    deinit { discard() }

    /// Writes all of `bytes`.
    public func write(_ bytes: [UInt8]) throws(CompressionError) { try write(bytes.span) }

    /// Writes all of `bytes`.
    public func write(_ bytes: Span<UInt8>) throws(CompressionError) {
        precondition(descriptor >= 0, "written after close")
        bytesWritten += Int64(bytes.count)
        var done = 0
        while done < bytes.count {
            if buffered == buffer.count { try flush() }
            let (from, to) = (done, buffered)
            switch encoder {
            case nil:
                let count = min(bytes.count - from, buffer.count - to)
                unsafe bytes.withUnsafeBytes { source in
                    unsafe buffer.withUnsafeMutableBytes { target in
                        unsafe UnsafeMutableRawBufferPointer(rebasing: target[to..<to + count])
                            .copyMemory(from: UnsafeRawBufferPointer(rebasing: source[from..<from + count]))
                    }
                }
                done += count
                buffered += count
            case .gzip(let gzip):
                let step = unsafe bytes.withUnsafeBytes { unsafe gzip.encode($0, from, &buffer, to, isLast: false) }
                done += step.consumed
                buffered += step.produced
            case .zstd(let zstd):
                let step = unsafe bytes.withUnsafeBytes { unsafe zstd.encode($0, from, &buffer, to, isLast: false) }
                guard let step else { throw .failed(path: name, reason: "zstd failed") }
                done += step.consumed
                buffered += step.produced
            }
        }
    }

    /// Ends the archive, writes what is buffered and gives the file its name. Nothing can be written after it.
    public func close() throws(CompressionError) {
        guard descriptor >= 0 else { return }
        let nothing: [UInt8] = []
        var isEnded = false
        while !isEnded {
            if buffered == buffer.count { try flush() }
            let to = buffered
            switch encoder {
            case nil: isEnded = true
            case .gzip(let gzip):
                let step = unsafe nothing.withUnsafeBytes { unsafe gzip.encode($0, 0, &buffer, to, isLast: true) }
                buffered += step.produced
                isEnded = step.isEnded
            case .zstd(let zstd):
                let step = unsafe nothing.withUnsafeBytes { unsafe zstd.encode($0, 0, &buffer, to, isLast: true) }
                guard let step else { throw .failed(path: name, reason: "zstd failed") }
                buffered += step.produced
                isEnded = step.isEnded
            }
        }
        try flush()
        let last = descriptor
        descriptor = -1
        guard last > STDERR_FILENO else { return }
        guard Glibc.close(last) == 0 else { throw .failed(path: name, reason: CompressionError.reason(errno)) }
        guard let partialPath else { return }
        guard unsafe rename(partialPath, path) == 0 else {
            throw .failed(path: name, reason: CompressionError.reason(errno))
        }
    }

    /// Forgets the file: what was written under the partial name is removed.
    public func discard() {
        guard descriptor >= 0 else { return }
        if descriptor > STDERR_FILENO { Glibc.close(descriptor) }
        descriptor = -1
        if let partialPath { unsafe unlink(partialPath) }
    }

    private func flush() throws(CompressionError) {
        var done = 0
        while done < buffered {
            let count = unsafe buffer.withUnsafeBytes { bytes in
                unsafe Glibc.write(descriptor, bytes.baseAddress.map { unsafe $0 + done }, buffered - done)
            }
            if count >= 0 {
                done += count
            } else if errno == EPIPE {
                throw .closedPipe(path: name)
            } else if errno != EINTR {
                throw .failed(path: name, reason: CompressionError.reason(errno))
            }
        }
        buffered = 0
    }
}

/// What one call of an encoder did.
struct EncoderStep {
    let consumed: Int
    let produced: Int
    let isEnded: Bool
}

/// One `z_stream` for writing. zlib keeps a pointer to it, so it lives at one address.
@safe final class GzipEncoder {
    private let stream: UnsafeMutablePointer<z_stream>

    init(name: String) throws(CompressionError) {
        unsafe stream = .allocate(capacity: 1)
        unsafe stream.initialize(to: z_stream())
        let size = unsafe Int32(MemoryLayout<z_stream>.size)
        // zlib's own gzip header has no name and no time, so equal input gives equal bytes.
        guard unsafe deflateInit2_(stream, 3, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, size) == Z_OK else {
            throw .failed(path: name, reason: "out of memory")
        }
    }

    deinit {
        unsafe deflateEnd(stream)
        unsafe stream.deallocate()
    }

    @unsafe func encode(
        _ input: UnsafeRawBufferPointer, _ from: Int, _ output: inout [UInt8], _ to: Int, isLast: Bool
    ) -> EncoderStep {
        unsafe output.withUnsafeMutableBytes { target in
            let available = min(input.count - from, Int(Int32.max))
            let next = unsafe input.baseAddress.map { unsafe ($0 + from).assumingMemoryBound(to: UInt8.self) }
            // zlib's API lacks a const: it never writes through next_in.
            unsafe stream.pointee.next_in = UnsafeMutablePointer(mutating: next)
            unsafe stream.pointee.avail_in = uInt(available)
            unsafe stream.pointee.next_out = target.baseAddress.map {
                unsafe ($0 + to).assumingMemoryBound(to: UInt8.self)
            }
            let room = target.count - to
            unsafe stream.pointee.avail_out = uInt(room)
            let status = unsafe deflate(stream, isLast ? Z_FINISH : Z_NO_FLUSH)
            return unsafe EncoderStep(
                consumed: available - Int(stream.pointee.avail_in), produced: room - Int(stream.pointee.avail_out),
                isEnded: status == Z_STREAM_END)
        }
    }
}

/// One `ZSTD_CCtx` at zstd's own default level, with a checksum at the end of the frame.
@safe final class ZstdEncoder {
    private let context: OpaquePointer

    init(name: String) throws(CompressionError) {
        guard let context = unsafe ZSTD_createCCtx() else { throw .failed(path: name, reason: "out of memory") }
        unsafe self.context = context
        _ = unsafe ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)
    }

    deinit { unsafe ZSTD_freeCCtx(context) }

    @unsafe func encode(
        _ input: UnsafeRawBufferPointer, _ from: Int, _ output: inout [UInt8], _ to: Int, isLast: Bool
    ) -> EncoderStep? {
        unsafe output.withUnsafeMutableBytes { target in
            var source = unsafe ZSTD_inBuffer(
                src: input.baseAddress.map { unsafe UnsafeRawPointer($0 + from) }, size: input.count - from, pos: 0)
            var sink = unsafe ZSTD_outBuffer(
                dst: target.baseAddress.map { unsafe $0 + to }, size: target.count - to, pos: 0)
            let rest = unsafe ZSTD_compressStream2(context, &sink, &source, isLast ? ZSTD_e_end : ZSTD_e_continue)
            guard ZSTD_isError(rest) == 0 else { return nil }
            return unsafe EncoderStep(consumed: source.pos, produced: sink.pos, isEnded: rest == 0)
        }
    }
}
