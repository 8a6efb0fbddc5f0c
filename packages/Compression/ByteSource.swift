internal import CZlib
internal import CZstd
internal import Glibc

/// Reads the bytes of a file, of standard input or of memory, unpacked on the way; of a zip archive its one CSV file. Memory
/// is bounded whatever the size.
/// Not `Sendable`: one reader.
@safe public final class ByteSource {
    /// What error messages call it.
    public let name: String
    /// How many bytes were taken from the file, packed ones: for progress.
    public private(set) var bytesTaken: Int64 = 0
    /// The size of the file, when it is a regular one.
    public let fileSize: Int64?

    private var descriptor: Int32
    private var input: [UInt8]
    private var inputStart = 0
    private var inputEnd = 0
    private var isInputAtEnd = false
    private var decoder: Decoder?

    private enum Decoder {
        case gzip(GzipDecoder)
        case zstd(ZstdDecoder)
        case zip(ZipDecoder)
    }

    private var remaining = Int64.max  // packed bytes that may still be read

    private static let chunk = 1 << 18

    /// Opens a file by path, or standard input for `-`. A file named `.gz` or `.zst` must be one; any other, and standard
    /// input, is looked at.
    public static func open(_ path: String) throws(CompressionError) -> ByteSource {
        if path == "-" {
            return try ByteSource(descriptor: STDIN_FILENO, name: "standard input", size: nil, format: .plain)
        }
        let descriptor = unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .opening(path, errno: errno) }
        var info = stat()
        guard unsafe fstat(descriptor, &info) == 0, info.st_mode & S_IFMT != S_IFDIR else {
            close(descriptor)
            throw .notOpened(path: path, reason: "it is a folder")
        }
        let isRegular = info.st_mode & S_IFMT == S_IFREG
        return try ByteSource(
            descriptor: descriptor, name: path, size: isRegular ? Int64(info.st_size) : nil,
            format: CompressionFormat(path: path))
    }

    /// Reads from memory; packed bytes are unpacked.
    public init(bytes: [UInt8], name: String = "memory") throws(CompressionError) {
        descriptor = -1
        self.name = name
        fileSize = Int64(bytes.count)
        input = bytes
        inputEnd = bytes.count
        bytesTaken = Int64(bytes.count)
        isInputAtEnd = true
        try choose(.plain)
    }

    private init(descriptor: Int32, name: String, size: Int64?, format: CompressionFormat) throws(CompressionError) {
        self.descriptor = descriptor
        self.name = name
        fileSize = size
        input = Array(repeating: 0, count: Self.chunk)
        while inputEnd < 16, !isInputAtEnd { try fill() }
        if input[..<inputEnd].starts(with: [0x50, 0x4B, 0x03, 0x04]) {
            try openZip()
        } else {
            try choose(format)
        }
    }

    deinit {
        if descriptor > STDERR_FILENO { close(descriptor) }
    }

    /// Fills `buffer` from `offset` on with what comes next; returns how many bytes, 0 only at the end.
    public func read(into buffer: inout [UInt8], from offset: Int = 0) throws(CompressionError) -> Int {
        guard offset < buffer.count else { return 0 }
        guard let decoder else { return try readPlain(into: &buffer, from: offset) }
        while true {
            if inputStart == inputEnd, !isInputAtEnd { try fill() }
            let step = Step(isInputAtEnd: isInputAtEnd)
            let result: (consumed: Int, produced: Int)
            let (start, end) = (inputStart, inputEnd)
            switch decoder {
            case .gzip(let gzip): result = try gzip.decode(input, start..<end, into: &buffer, from: offset, step, name)
            case .zstd(let zstd): result = try zstd.decode(input, start..<end, into: &buffer, from: offset, name)
            case .zip(let zip): result = try zip.decode(input, start..<end, into: &buffer, from: offset, step, name)
            }
            inputStart += result.consumed
            if result.produced > 0 { return result.produced }
            if inputStart == inputEnd, isInputAtEnd {
                let isComplete =
                    switch decoder {
                    case .gzip(let gzip): gzip.isBetweenMembers
                    case .zstd(let zstd): zstd.isBetweenFrames
                    case .zip(let zip): zip.isComplete
                    }
                guard isComplete else { throw .truncated(path: name) }
                return 0
            }
        }
    }

    /// Everything that is left. Refuses more than `limit` bytes.
    public func readAll(limit: Int = 1 << 30) throws(CompressionError) -> [UInt8] {
        var result = [UInt8](repeating: 0, count: Self.chunk)
        var count = 0
        while true {
            if count == result.count { result.append(contentsOf: repeatElement(0, count: result.count)) }
            let read = try read(into: &result, from: count)
            if read == 0 { break }
            count += read
            guard count <= limit else { throw .failed(path: name, reason: "larger than \(limit) bytes") }
        }
        result.removeLast(result.count - count)
        return result
    }

    /// Whether the decoder may expect more input.
    struct Step { let isInputAtEnd: Bool }

    /// Goes to the one CSV of a zip archive. Its directory lies at the end, so it takes a file.
    private func openZip() throws(CompressionError) {
        guard let fileSize else {
            throw .otherFormat(path: name, what: "a zip archive", cure: "pipe `unzip -p FILE.zip` instead")
        }
        let member = try ZipMember.find(in: descriptor, size: fileSize, path: name)
        guard lseek(descriptor, off_t(member.dataStart), SEEK_SET) == member.dataStart else {
            throw .failed(path: name, reason: CompressionError.reason(errno))
        }
        decoder = .zip(try ZipDecoder(member, path: name))
        (inputStart, inputEnd, bytesTaken) = (0, 0, member.dataStart)
        remaining = member.packedSize
        isInputAtEnd = remaining == 0
    }

    private func choose(_ promised: CompressionFormat) throws(CompressionError) {
        if let what = CompressionFormat.otherFormat(input[inputStart..<inputEnd]) {
            throw .otherFormat(path: name, what: what, cure: "save or unpack it as CSV (.csv, .csv.gz, .csv.zst)")
        }
        let found = CompressionFormat(magic: input[inputStart..<inputEnd].prefix(4))
        switch (promised, found) {
        case (.gzip, .gzip), (.plain, .gzip): decoder = .gzip(try GzipDecoder(name: name))
        case (.zstd, .zstd), (.plain, .zstd): decoder = .zstd(try ZstdDecoder(name: name))
        case (.plain, .plain): decoder = nil
        case (.gzip, _):
            throw inputEnd == 0 ? .truncated(path: name) : .corrupt(path: name, reason: "it is not a gzip file")
        case (.zstd, _):
            throw inputEnd == 0 ? .truncated(path: name) : .corrupt(path: name, reason: "it is not a zstd file")
        }
    }

    private func readPlain(into buffer: inout [UInt8], from offset: Int) throws(CompressionError) -> Int {
        if inputStart == inputEnd {
            guard !isInputAtEnd else { return 0 }
            let count = try readDescriptor(into: &buffer, from: offset)
            if count == 0 { isInputAtEnd = true }
            return count
        }
        let count = min(inputEnd - inputStart, buffer.count - offset)
        buffer.replaceSubrange(offset..<offset + count, with: input[inputStart..<inputStart + count])
        inputStart += count
        return count
    }

    private func fill() throws(CompressionError) {
        if inputStart == inputEnd { (inputStart, inputEnd) = (0, 0) }
        let count = try readDescriptor(into: &input, from: inputEnd)
        if count == 0 { isInputAtEnd = true }
        inputEnd += count
    }

    private func readDescriptor(into buffer: inout [UInt8], from offset: Int) throws(CompressionError) -> Int {
        while true {
            let descriptor = descriptor
            let room = Int(min(Int64(buffer.count - offset), remaining))
            let count = unsafe buffer.withUnsafeMutableBytes { bytes in
                unsafe Glibc.read(descriptor, bytes.baseAddress.map { unsafe $0 + offset }, room)
            }
            if count >= 0 {
                bytesTaken += Int64(count)
                remaining -= Int64(count)
                return count
            }
            guard errno == EINTR else { throw .failed(path: name, reason: CompressionError.reason(errno)) }
        }
    }
}

/// One `z_stream` for reading. zlib keeps a pointer to it, so it lives at one address.
@safe final class GzipDecoder {
    private let stream: UnsafeMutablePointer<z_stream>
    /// Whether a member has ended and none has begun.
    private(set) var isBetweenMembers = false
    private var hasPadding = false
    private let isRaw: Bool

    /// Of gzip members, or of one raw deflate stream as zip archives hold it.
    init(name: String, isRaw: Bool = false) throws(CompressionError) {
        self.isRaw = isRaw
        unsafe stream = .allocate(capacity: 1)
        unsafe stream.initialize(to: z_stream())
        // 15 window bits, +16: a gzip header and nothing else; negative: no header.
        guard unsafe inflateInit2_(stream, isRaw ? -15 : 31, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK
        else {
            throw .failed(path: name, reason: "out of memory")
        }
    }

    deinit {
        unsafe inflateEnd(stream)
        unsafe stream.deallocate()
    }

    func decode(
        _ input: [UInt8], _ range: Range<Int>, into output: inout [UInt8], from offset: Int, _ step: ByteSource.Step,
        _ name: String
    ) throws(CompressionError) -> (consumed: Int, produced: Int) {
        var range = range
        let first = range.lowerBound
        if isBetweenMembers, isRaw {
            guard range.isEmpty else { throw .corrupt(path: name, reason: "something follows the deflated bytes") }
            return (0, 0)
        }
        if isBetweenMembers {
            // Another member, or the zeros that tapes and tools pad with.
            guard let byte = range.isEmpty ? nil : input[range.lowerBound] else { return (0, 0) }
            if byte == 0 || hasPadding {
                hasPadding = true
                while let byte = range.first.map({ input[$0] }) {
                    guard byte == 0 else { throw .corrupt(path: name, reason: "something follows the archive") }
                    range = range.lowerBound + 1..<range.upperBound
                }
                return (range.lowerBound - first, 0)
            }
            guard byte == 0x1F else { throw .corrupt(path: name, reason: "something follows the archive") }
            isBetweenMembers = false
            unsafe inflateReset(stream)
        }
        guard !range.isEmpty else {
            guard !step.isInputAtEnd else { return try flush(into: &output, from: offset, name) }
            return (0, 0)
        }
        let (status, consumed, produced) = unsafe run(input, range, &output, offset)
        switch status {
        case Z_OK, Z_BUF_ERROR: break
        case Z_STREAM_END: isBetweenMembers = true
        default:
            throw .corrupt(path: name, reason: unsafe stream.pointee.msg.map { unsafe String(cString: $0) } ?? "gzip")
        }
        return (consumed, produced)
    }

    /// What inflate still holds when there is no more input.
    private func flush(
        into output: inout [UInt8], from offset: Int, _ name: String
    ) throws(CompressionError) -> (consumed: Int, produced: Int) {
        let (status, _, produced) = unsafe run([], 0..<0, &output, offset)
        if status == Z_STREAM_END { isBetweenMembers = true }
        return (0, produced)
    }

    @unsafe private func run(
        _ input: [UInt8], _ range: Range<Int>, _ output: inout [UInt8], _ offset: Int
    ) -> (status: Int32, consumed: Int, produced: Int) {
        unsafe input.withUnsafeBytes { source in
            unsafe output.withUnsafeMutableBytes { target in
                let next = unsafe source.baseAddress.map { unsafe $0 + range.lowerBound }
                // zlib's API lacks a const: it never writes through next_in.
                unsafe stream.pointee.next_in = UnsafeMutablePointer(
                    mutating: next?.assumingMemoryBound(to: UInt8.self))
                let given = min(range.count, Int(Int32.max))
                unsafe stream.pointee.avail_in = uInt(given)
                unsafe stream.pointee.next_out = target.baseAddress.map {
                    unsafe ($0 + offset).assumingMemoryBound(to: UInt8.self)
                }
                let room = min(target.count - offset, Int(Int32.max))
                unsafe stream.pointee.avail_out = uInt(room)
                let status = unsafe inflate(stream, Z_NO_FLUSH)
                return unsafe (
                    status, given - Int(stream.pointee.avail_in), room - Int(stream.pointee.avail_out)
                )
            }
        }
    }
}

/// One `ZSTD_DCtx`.
@safe final class ZstdDecoder {
    private let context: OpaquePointer
    /// Whether a frame has ended and none has begun.
    private(set) var isBetweenFrames = false

    init(name: String) throws(CompressionError) {
        guard let context = unsafe ZSTD_createDCtx() else { throw .failed(path: name, reason: "out of memory") }
        unsafe self.context = context
    }

    deinit { unsafe ZSTD_freeDCtx(context) }

    func decode(
        _ input: [UInt8], _ range: Range<Int>, into output: inout [UInt8], from offset: Int, _ name: String
    ) throws(CompressionError) -> (consumed: Int, produced: Int) {
        // Between frames an empty input would begin a frame that never comes.
        if range.isEmpty, isBetweenFrames { return (0, 0) }
        let result: (code: Int, consumed: Int, produced: Int) = unsafe input.withUnsafeBytes { source in
            unsafe output.withUnsafeMutableBytes { target in
                var from = unsafe ZSTD_inBuffer(
                    src: source.baseAddress.map { unsafe UnsafeRawPointer($0 + range.lowerBound) }, size: range.count,
                    pos: 0)
                var into = unsafe ZSTD_outBuffer(
                    dst: target.baseAddress.map { unsafe $0 + offset }, size: target.count - offset, pos: 0)
                let code = unsafe ZSTD_decompressStream(context, &into, &from)
                return unsafe (code, from.pos, into.pos)
            }
        }
        guard ZSTD_isError(result.code) == 0 else {
            throw .corrupt(path: name, reason: unsafe String(cString: ZSTD_getErrorName(result.code)))
        }
        isBetweenFrames = result.code == 0
        return (result.consumed, result.produced)
    }
}
