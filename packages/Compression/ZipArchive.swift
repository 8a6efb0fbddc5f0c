internal import CZlib
internal import Glibc

/// The one CSV file of a zip archive, as a download often comes: where its packed bytes lie, read from the directory at the
/// archive's end (PKWARE's APPNOTE 4.3.6 and on; sizes past 4 GiB by the zip64 records). Every number is checked against the
/// file's size before it is used.
struct ZipMember {
    let name: String
    /// 0 is stored, 8 deflated.
    let method: Int
    let checksum: UInt32
    let packedSize: Int64
    let size: Int64
    private(set) var dataStart: Int64 = 0

    private static let directoryLimit = 16 << 20

    /// Finds the member to read: the only file, or the only one named `.csv`.
    static func find(in descriptor: Int32, size: Int64, path: String) throws(CompressionError) -> ZipMember {
        let reader = Reader(descriptor: descriptor, size: size, path: path)
        let members = try reader.members()
        if members.contains(where: { $0.name == "[Content_Types].xml" }) {
            throw .otherFormat(path: path, what: "an Excel workbook", cure: "save it as CSV (UTF-8)")
        }
        let files = members.filter { !$0.name.hasSuffix("/") && !$0.name.hasPrefix("__MACOSX/") }
        let tables = files.filter { $0.name.lowercased().hasSuffix(".csv") }
        guard var member = tables.count == 1 ? tables.first : files.count == 1 ? files.first : nil else {
            let names = (tables.isEmpty ? files : tables).prefix(5).map(\.name).joined(separator: ", ")
            throw .otherFormat(
                path: path, what: files.isEmpty ? "an empty zip archive" : "a zip archive of several files (\(names))",
                cure: "unpack it and name the file you mean")
        }
        let head = try reader.bytes(at: member.dataStart, count: 30)
        guard head.little(0, 4) == 0x0403_4B50 else { throw reader.damaged }
        member.dataStart += 30 + Int64(head.little(26, 2) + head.little(28, 2))
        guard member.dataStart <= size, member.packedSize <= size - member.dataStart else { throw reader.damaged }
        return member
    }

    private struct Reader {
        let descriptor: Int32
        let size: Int64
        let path: String

        var damaged: CompressionError { .corrupt(path: path, reason: "its zip directory does not hold") }

        func bytes(at offset: Int64, count: Int) throws(CompressionError) -> [UInt8] {
            guard offset >= 0, offset <= size, count <= size - offset else { throw damaged }
            var bytes = [UInt8](repeating: 0, count: count)
            var done = 0
            while done < count {
                let from = done
                let read = unsafe bytes.withUnsafeMutableBytes { target in
                    unsafe pread(
                        descriptor, target.baseAddress.map { unsafe $0 + from }, count - from, off_t(offset) + from)
                }
                if read < 0, errno == EINTR { continue }
                guard read > 0 else { throw damaged }
                done += read
            }
            return bytes
        }

        func members() throws(CompressionError) -> [ZipMember] {
            let tailSize = Int(min(size, 65_557))  // the record and the longest comment behind it
            let tailStart = size - Int64(tailSize)
            let tail = try bytes(at: tailStart, count: tailSize)
            guard tailSize >= 22,
                let end = (0...tailSize - 22).last(where: { tail.little($0, 4) == 0x0605_4B50 })
            else { throw .truncated(path: path) }
            var (count, length, start) = (tail.little(end + 10, 2), tail.little(end + 12, 4), tail.little(end + 16, 4))
            if count == 0xFFFF || length == 0xFFFF_FFFF || start == 0xFFFF_FFFF {
                guard end >= 20, tail.little(end - 20, 4) == 0x0706_4B50 else { throw damaged }
                let wide = try bytes(at: Int64(tail.little(end - 12, 8)), count: 56)
                guard wide.little(0, 4) == 0x0606_4B50 else { throw damaged }
                (count, length, start) = (wide.little(32, 8), wide.little(40, 8), wide.little(48, 8))
            }
            guard length <= directoryLimit else { throw damaged }
            let directory = try bytes(at: Int64(start), count: length)
            var members: [ZipMember] = []
            var place = 0
            while members.count < count {
                guard place <= directory.count - 46, directory.little(place, 4) == 0x0201_4B50 else { throw damaged }
                let (nameEnd, extra) = (place + 46 + directory.little(place + 28, 2), directory.little(place + 30, 2))
                let next = nameEnd + extra + directory.little(place + 32, 2)
                guard next <= directory.count else { throw damaged }
                members.append(
                    try member(directory, at: place, name: place + 46..<nameEnd, extra: nameEnd..<nameEnd + extra))
                place = next
            }
            return members
        }

        private func member(
            _ directory: [UInt8], at place: Int, name: Range<Int>, extra: Range<Int>
        ) throws(CompressionError) -> ZipMember {
            guard directory.little(place + 8, 2) & 1 == 0 else {
                throw .otherFormat(path: path, what: "an encrypted zip archive", cure: "unpack it first")
            }
            // Size, packed size, place: each in the zip64 field where its own is full.
            var values = [24, 20, 42].map { directory.little(place + $0, 4) }
            var field = extra.lowerBound
            while field + 4 <= extra.upperBound {
                let (id, length) = (directory.little(field, 2), directory.little(field + 2, 2))
                let limit = min(extra.upperBound, field + 4 + length)
                if id == 1 {
                    var at = field + 4
                    for index in values.indices where values[index] == 0xFFFF_FFFF && at + 8 <= limit {
                        values[index] = directory.little(at, 8)
                        at += 8
                    }
                }
                field += 4 + length
            }
            var member = ZipMember(
                name: String(decoding: directory[name], as: UTF8.self), method: directory.little(place + 10, 2),
                checksum: UInt32(directory.little(place + 16, 4)), packedSize: Int64(values[1]), size: Int64(values[0]))
            member.dataStart = Int64(values[2])
            return member
        }
    }
}

extension [UInt8] {
    /// A little-endian number; one past 2⁶³ − 1 is that, which no size is.
    fileprivate func little(_ index: Int, _ count: Int) -> Int {
        var value: UInt64 = 0
        for byte in self[index..<index + count].reversed() { value = value << 8 | UInt64(byte) }
        return Int(clamping: value)
    }
}

/// Reads a deflated or stored member, and at its end compares size and CRC-32 with what the directory promises.
@safe final class ZipDecoder {
    private let member: ZipMember
    private let inflater: GzipDecoder?
    private var produced: Int64 = 0
    private var checksum: UInt = 0

    init(_ member: ZipMember, path: String) throws(CompressionError) {
        self.member = member
        switch member.method {
        case 0: inflater = nil
        case 8: inflater = try GzipDecoder(name: path, isRaw: true)
        default:
            throw .otherFormat(
                path: path, what: "a zip archive packed by method \(member.method)", cure: "unpack it first")
        }
    }

    /// Whether all of the member came, unharmed.
    var isComplete: Bool {
        produced == member.size && UInt32(truncatingIfNeeded: checksum) == member.checksum
            && inflater?.isBetweenMembers != false
    }

    func decode(
        _ input: [UInt8], _ range: Range<Int>, into output: inout [UInt8], from offset: Int, _ step: ByteSource.Step,
        _ name: String
    ) throws(CompressionError) -> (consumed: Int, produced: Int) {
        let result: (consumed: Int, produced: Int)
        if let inflater {
            result = try inflater.decode(input, range, into: &output, from: offset, step, name)
        } else {
            let count = min(range.count, output.count - offset)
            output.replaceSubrange(offset..<offset + count, with: input[range.lowerBound..<range.lowerBound + count])
            result = (count, count)
        }
        guard result.produced > 0 else { return result }
        produced += Int64(result.produced)
        checksum = unsafe output.withUnsafeBytes { bytes in
            unsafe crc32_z(
                checksum, bytes.baseAddress.map { unsafe ($0 + offset).assumingMemoryBound(to: UInt8.self) },
                result.produced)
        }
        return result
    }
}
