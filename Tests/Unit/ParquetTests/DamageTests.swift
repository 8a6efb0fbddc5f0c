import Foundation
import TestSupport
import Testing

@testable import Parquet

/// Files that nobody vouches for. A trap would end the whole test run.
@Suite struct DamageTests {
    /// The bytes of a file that is in the folder beside this one.
    static func fixture(_ name: String) throws -> [UInt8] {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        return [UInt8](try Data(contentsOf: folder.appendingPathComponent("Fixtures/\(name)")))
    }

    private static func small(_ codec: ParquetCodec) throws -> [UInt8] {
        var random = SeededRandom(seed: 5)
        let columns = [
            ParquetColumn("a", .int64), ParquetColumn("b", .string), ParquetColumn("c", .boolean),
            ParquetColumn("d", .decimal(precision: 9, scale: 2), isOptional: false),
        ]
        return try Tables.file(columns, columns.map { Tables.values(40, $0, &random) }, codec: codec, groupRows: 30)
    }

    @Test(arguments: [ParquetCodec.uncompressed, .zstd])
    func `every byte that is damaged is refused or read as something`(codec: ParquetCodec) throws {
        let bytes = try Self.small(codec)
        let good = try Tables.read(bytes)
        var refused = 0
        for index in bytes.indices {
            for change: UInt8 in [0x01, 0x80, 0xFF, 0x04, 0x10] {
                var damaged = bytes
                damaged[index] ^= change
                do { _ = try Tables.read(damaged) } catch is ParquetError { refused += 1 }
            }
        }
        #expect(refused > bytes.count * 3)
        // Every byte of a page is under its checksum.
        let metadata = try ParquetReader(bytes: bytes).metadata
        for chunk in metadata.rowGroups.flatMap(\.columns) {
            let end = Int(chunk.dictionaryPageOffset ?? chunk.dataPageOffset) + Int(chunk.packedSize)
            var damaged = bytes
            damaged[end - 1] ^= 1
            #expect(throws: ParquetError.self) { try Tables.read(damaged) }
        }
        for count in bytes.indices {
            #expect(throws: ParquetError.self) { try Tables.read(Array(bytes.prefix(count))) }
        }
        #expect(try Tables.read(bytes) == good)
    }

    @Test(
        arguments: [
            "tiny.parquet", "tiny-v2.parquet", "pyarrow.parquet", "pyarrow-v2.parquet", "polars.parquet",
            "duckdb.parquet",
        ], UInt64(1)...3)
    func `pages without a checksum are damaged anywhere`(name: String, seed: UInt64) throws {
        let bytes = try Self.fixture(name)
        var random = SeededRandom(seed: seed)
        for _ in 0..<2_000 {
            var damaged = bytes
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                damaged[Int.random(in: bytes.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            do { _ = try Tables.read(damaged) } catch is ParquetError {}
        }
    }

    @Test func `what is wrong is said with its place`() throws {
        func reason(_ bytes: [UInt8]) -> String {
            do { return "\(try Tables.read(bytes).count) columns" } catch { return "\(error)" }
        }
        #expect(reason([]) == "memory: damaged in its end: 0 bytes are no Parquet file")
        #expect(reason(Array("a,b\n1,2\n3,4\n5,6\n".utf8)).contains("does not begin with PAR1"))
        var bytes = try Self.small(.zstd)
        #expect(reason(Array(bytes.dropLast())).contains("does not end with PAR1"))
        bytes[30] ^= 1
        #expect(reason(bytes).hasPrefix("memory: damaged in column a, before byte 4: "))
    }

    @Test func `only a plain file that begins as one is a Parquet file`() throws {
        let folder = try TestEnvironment.temporaryFolder("parquet")
        let (file, pipe, text) = (folder + "/a", folder + "/b", folder + "/c")
        try Data(try Self.small(.zstd)).write(to: URL(fileURLWithPath: file))
        try Data("PAR".utf8).write(to: URL(fileURLWithPath: text))
        #expect(mkfifo(pipe, 0o600) == 0)
        // A pipe is not even opened: that would wait for its writer.
        #expect(
            [file, pipe, text, folder, folder + "/none"].map { ParquetReader.isParquet(path: $0) } == [
                true, false, false, false, false,
            ])
        func message(_ path: String) -> String {
            do { return try ParquetReader(path: path).name } catch { return "\(error)" }
        }
        #expect(message(file) == file)
        #expect(message(pipe).contains("it must be a plain file"))
        #expect(message(folder + "/none").hasSuffix("no such file or folder"))
    }

    @Test func `what a column may hold follows from its type, whatever else a schema says of it`() throws {
        // Each of these once let 32 bits without a sign into a column of 32 bits with one.
        for (logical, converted): (LogicalType?, Int32?) in [
            (.integer(bits: 16, isSigned: false), 12), (.integer(bits: 8, isSigned: false), 13), (.date, 13),
            (.unknown, 13),
            (nil, 11), (nil, 13), (.integer(bits: 32, isSigned: false), nil),
        ] {
            var leaf = SchemaElement(ParquetColumn("n", .int32))
            (leaf.logical, leaf.converted) = (logical, converted)
            let found = try SchemaLeaf.leaves(of: [SchemaElement(name: "schema", childCount: 1), leaf])[0]
            var numbers: [Int64] = []
            var plain = PlainDecoder(0..<4, found)
            try plain.readNumbers(1, of: [255, 255, 255, 255], into: &numbers)
            var values = ParquetValues(try found.type.get())
            values.append(bits: numbers[0])
            #expect(values.bits(0) == (values.type == .int64 ? 4_294_967_295 : -1))
        }
    }

    @Test(arguments: UInt64(1)...4)
    func `a footer of anything is refused`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<3_000 {
            let kinds: [UInt8] = [0x15, 0x19, 0x1C, 0x2C, 0xFC, 0x00, 0x18, 0x16, 0x1B, 0xFF, 0x2A]
            let body = (0..<Int.random(in: 1...60, using: &random)).map { _ in
                Bool.random(using: &random)
                    ? kinds.randomElement(using: &random) ?? 0 : UInt8.random(in: 0...255, using: &random)
            }
            _ = try? FileMetadata(body[...])
            _ = try? PageHeader.read(body[...])
        }
    }

    @Test func `a long run of missing values takes no memory before it is read`() throws {
        // One run of 2^40 zeros, of which four are asked for.
        var bytes: [UInt8] = []
        Varint.append(UInt64(1) << 41, to: &bytes)
        bytes.append(0)
        var decoder = try HybridDecoder(0..<bytes.count, width: 1)
        var values: [UInt32] = []
        try decoder.read(4, of: bytes, into: &values)
        #expect(values == [0, 0, 0, 0])
    }
}
