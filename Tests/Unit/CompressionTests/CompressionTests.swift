import Compression
import Foundation
import Testing

@Suite struct CompressionTests {
    private let folder: String

    init() throws {
        folder = NSTemporaryDirectory() + "needletail-compression-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    /// A megabyte that packs about two to one.
    private static let sample: [UInt8] = {
        var state: UInt64 = 7
        return (0..<1_000_000).map { index in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return index % 3 == 0 ? UInt8(ascii: ",") : UInt8(truncatingIfNeeded: state >> 58) + 32
        }
    }()

    private func write(_ bytes: [UInt8], _ name: String, pieces: Int = 70_001) throws -> String {
        let path = "\(folder)/\(name)"
        let sink = try ByteSink.create(path)
        for start in stride(from: 0, to: bytes.count, by: pieces) {
            try sink.write(Array(bytes[start..<min(start + pieces, bytes.count)]))
        }
        try sink.close()
        return path
    }

    private func read(_ path: String, pieces: Int = 4_099) throws -> [UInt8] {
        let source = try ByteSource.open(path)
        var (result, buffer): ([UInt8], [UInt8]) = ([], Array(repeating: 0, count: pieces))
        while case let count = try source.read(into: &buffer), count > 0 { result += buffer[..<count] }
        #expect(source.bytesTaken == source.fileSize)
        return result
    }

    private func raw(_ path: String) throws -> [UInt8] { try [UInt8](Data(contentsOf: URL(fileURLWithPath: path))) }
    private func put(_ bytes: [UInt8], _ name: String) throws -> String {
        try Data(bytes).write(to: URL(fileURLWithPath: "\(folder)/\(name)"))
        return "\(folder)/\(name)"
    }

    @Test(arguments: ["a.csv", "a.csv.gz", "a.csv.zst"], [0, 1, 1_000_000])
    func `what is written is read back`(name: String, count: Int) throws {
        let bytes = Array(Self.sample[..<count])
        let path = try write(bytes, name)
        #expect(try read(path) == bytes)
        #expect(try ByteSource.open(path).readAll() == bytes)
        #expect(!FileManager.default.fileExists(atPath: path + ".partial"))
        if count > 1, name != "a.csv" { #expect(try raw(path).count < 800_000) }
    }

    @Test(arguments: ["a.gz", "a.zst"])
    func `equal input gives equal archives`(name: String) throws {
        let first = try raw(write(Self.sample, name))
        #expect(try raw(write(Self.sample, "again-\(name)")) == first)
    }

    @Test(arguments: ["a.gz", "a.zst"])
    func `archives put one behind the other are one file`(name: String) throws {
        let packed = try raw(write(Array(Self.sample[..<50_000]), name))
        let joined = try put(packed + packed + packed, "joined-\(name)")
        #expect(
            try read(joined)
                == Array([Self.sample[..<50_000], Self.sample[..<50_000], Self.sample[..<50_000]].joined()))
    }

    @Test(arguments: ["a.gz", "a.zst"])
    func `every truncation is told, at any length`(name: String) throws {
        let packed = try raw(write(Array(Self.sample[..<20_000]), name))
        for count in stride(from: 0, to: packed.count, by: 97) + [packed.count - 1] {
            let path = try put(Array(packed[..<count]), "cut-\(name)")
            let error = #expect(throws: CompressionError.self) { try read(path) }
            // Below its magic number an archive cannot be told from another file.
            if count >= 4 { #expect(error == .truncated(path: path), "\(count) bytes of \(packed.count)") }
        }
    }

    @Test(arguments: ["a.gz", "a.zst"])
    func `a damaged archive is told`(name: String) throws {
        var packed = try raw(write(Array(Self.sample[..<20_000]), name))
        packed[packed.count / 2] ^= 0x55
        let path = try put(packed, "damaged-\(name)")
        #expect(throws: CompressionError.self) { try read(path) }
    }

    @Test func `padding zeros behind a gzip file are ignored and other bytes are not`() throws {
        let packed = try raw(write(Array("hello\n".utf8), "a.gz"))
        #expect(try read(put(packed + Array(repeating: 0, count: 1_000), "padded.gz")) == Array("hello\n".utf8))
        #expect(throws: CompressionError.self) { try read(put(packed + Array("xyz".utf8), "followed.gz")) }
    }

    @Test func `packed bytes are known by content where the name says nothing`() throws {
        let packed = try raw(write(Self.sample, "a.zst"))
        #expect(try read(put(packed, "data")) == Self.sample)
        #expect(try ByteSource(bytes: packed).readAll() == Self.sample)
        let liar = try put(Array("a,b\n".utf8), "plain.csv.gz")
        #expect(throws: CompressionError.corrupt(path: liar, reason: "it is not a gzip file")) { try read(liar) }
    }

    @Test func `a missing file and a folder are named`() throws {
        let missing = "\(folder)/nowhere.csv"
        #expect(throws: CompressionError.notFound(path: missing)) { try ByteSource.open(missing) }
        #expect(throws: CompressionError.notFound(path: "\(missing)/x")) { try ByteSink.create("\(missing)/x") }
        #expect(throws: CompressionError.notOpened(path: folder, reason: "it is a folder")) {
            try ByteSource.open(folder)
        }
        #expect(CompressionError.notFound(path: "a.csv").description == "a.csv: no such file or folder")
    }

    @Test func `a file that was never closed does not appear`() throws {
        let path = "\(folder)/half.csv"
        do {
            let sink = try ByteSink.create(path)
            try sink.write(Self.sample)
        }
        #expect(!FileManager.default.fileExists(atPath: path))
        #expect(!FileManager.default.fileExists(atPath: path + ".partial"))
    }
}
