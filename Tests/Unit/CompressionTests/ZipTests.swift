import Compression
import Foundation
import Testing

/// Archives made by Python's zipfile; the CSV in them is `csv`.
@Suite struct ZipTests {
    private let folder: String

    init() throws {
        folder = NSTemporaryDirectory() + "needletail-zip-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    private static let csv = "id,amt\n" + (0..<40).map { "a\($0),\($0).25\n" }.joined()

    private func open(_ bytes: Data, _ name: String = "x.zip") throws -> ByteSource {
        let path = "\(folder)/\(name)"
        try bytes.write(to: URL(fileURLWithPath: path))
        return try ByteSource.open(path)
    }

    private func archive(_ name: String) throws -> Data {
        try #require(Self.archives[name].flatMap { Data(base64Encoded: $0) })
    }

    @Test(arguments: ["one", "stored", "streamed"])
    func `the one CSV of an archive is read`(name: String) throws {
        let bytes = try open(try archive(name)).readAll()
        #expect(String(decoding: bytes, as: UTF8.self) == Self.csv)
        let source = try open(try archive(name))
        var (result, piece) = ([UInt8](), [UInt8](repeating: 0, count: 7))
        while case let count = try source.read(into: &piece), count > 0 { result += piece[..<count] }
        #expect(result == Array(Self.csv.utf8))
    }

    @Test(arguments: [
        (
            "two",
            "is a zip archive of several files (fraudTrain.csv, fraudTest.csv): unpack it and name the file you mean"
        ),
        ("excel", "is an Excel workbook: save it as CSV (UTF-8)"),
    ])
    func `an archive that holds no single CSV says so`(name: String, message: String) throws {
        let error = #expect(throws: CompressionError.self) { try open(try archive(name)).readAll() }
        #expect(error?.description.hasSuffix(message) == true, "\(String(describing: error))")
    }

    @Test(arguments: ["one", "stored", "streamed", "two"])
    func `no damaged byte traps or changes what is read, and no cut goes unseen`(name: String) throws {
        let whole = try archive(name)
        for length in 0..<whole.count {
            #expect(throws: CompressionError.self, "\(length) bytes") {
                let bytes = try open(whole.prefix(length)).readAll()
                // Too short to be known for an archive: it is read as it is, and no CSV reader takes it for one.
                if length < 4 { throw CompressionError.truncated(path: "\(bytes.count)") }
            }
        }
        for index in 4..<(name == "two" ? 4 : whole.count) {
            for flip: UInt8 in [0x01, 0x80, 0xFF] {
                var damaged = whole
                damaged[index] ^= flip
                guard let bytes = try? open(damaged).readAll() else { continue }
                #expect(String(decoding: bytes, as: UTF8.self) == Self.csv, "byte \(index)")
            }
        }
    }

    @Test(arguments: [
        ("PAR1....", "a Parquet file"), ("SQLite format 3\u{0}", "an SQLite database"),
        ("BZh91AY&SY", "a bzip2 archive"),
        ("<!DOCTYPE html>", "an HTML page"),
    ])
    func `a file of another kind is named`(content: String, kind: String) throws {
        let error = #expect(throws: CompressionError.self) { try open(Data(content.utf8), "data.csv") }
        #expect(error?.description.contains("is \(kind): save or unpack it as CSV") == true)
    }

    @Test(arguments: [
        ("x.parquet", true), ("d.zip/x.csv", false), ("x.CSV", false), ("x", false), ("x.xlsx.gz", true),
        ("a.json", true),
        ("-", false), ("x.csv.zst", false), ("a.b", false), (".parquet", true),
    ])
    func `a name that promises another format is refused for writing`(name: String, isRefused: Bool) {
        #expect((CompressionFormat.problem(ofOutputName: name) != nil) == isRefused)
    }

    // swift-format-ignore
    private static let archives = [
        "one": "UEsDBBQAAAAIAAAAIVCDFtyMAwAAAAEAAAATAAAAX19NQUNPU1gvLl9kYXRhLmNzdqsAAFBLAwQUAAAACAAAACFQAAAAAAIAAAAAAAAABwAAAGZvbGRlci8DAFBLAwQUAAAACAAAACFQq7spYpoAAACDAQAADwAAAGZvbGRlci9kYXRhLmNzdi3QOW7EQBBD0VxnIYwm2etxBDiZYDLfHxaKipj9V6jPL+7v33U3tB+N6yZYK6jWcG1Hrx0YtROzdmHVbuzag5NOA9/ik0yTAlOlwXTZwZQ5wLQ5wdS5wPS5wQg8YAw1KIYIvXc/h8eQoRjqUAwNKIYmFEMLiqENxdCBYrjBMUw4hgW/33neE8MdjuEBx/CEY3jBMbzhGD5wGf9QSwMEFAAAAAgAAAAhUIamEDYHAAAABQAAAAoAAAByZWFkbWUudHh0y0jNyckHAFBLAQIUAxQAAAAIAAAAIVCDFtyMAwAAAAEAAAATAAAAAAAAAAAAAACAAQAAAABfX01BQ09TWC8uX2RhdGEuY3N2UEsBAhQDFAAAAAgAAAAhUAAAAAACAAAAAAAAAAcAAAAAAAAAAAAAAIABNAAAAGZvbGRlci9QSwECFAMUAAAACAAAACFQq7spYpoAAACDAQAADwAAAAAAAAAAAAAAgAFbAAAAZm9sZGVyL2RhdGEuY3N2UEsBAhQDFAAAAAgAAAAhUIamEDYHAAAABQAAAAoAAAAAAAAAAAAAAIABIgEAAHJlYWRtZS50eHRQSwUGAAAAAAQABADrAAAAUQEAAAAA",
        "stored": "UEsDBBQAAAAAAAAAIVCruyligwEAAIMBAAAIAAAAZGF0YS5jc3ZpZCxhbXQKYTAsMC4yNQphMSwxLjI1CmEyLDIuMjUKYTMsMy4yNQphNCw0LjI1CmE1LDUuMjUKYTYsNi4yNQphNyw3LjI1CmE4LDguMjUKYTksOS4yNQphMTAsMTAuMjUKYTExLDExLjI1CmExMiwxMi4yNQphMTMsMTMuMjUKYTE0LDE0LjI1CmExNSwxNS4yNQphMTYsMTYuMjUKYTE3LDE3LjI1CmExOCwxOC4yNQphMTksMTkuMjUKYTIwLDIwLjI1CmEyMSwyMS4yNQphMjIsMjIuMjUKYTIzLDIzLjI1CmEyNCwyNC4yNQphMjUsMjUuMjUKYTI2LDI2LjI1CmEyNywyNy4yNQphMjgsMjguMjUKYTI5LDI5LjI1CmEzMCwzMC4yNQphMzEsMzEuMjUKYTMyLDMyLjI1CmEzMywzMy4yNQphMzQsMzQuMjUKYTM1LDM1LjI1CmEzNiwzNi4yNQphMzcsMzcuMjUKYTM4LDM4LjI1CmEzOSwzOS4yNQpQSwECFAMUAAAAAAAAACFQq7spYoMBAACDAQAACAAAAAAAAAAAAAAAgAEAAAAAZGF0YS5jc3ZQSwUGAAAAAAEAAQA2AAAAqQEAAAAA",
        "streamed": "UEsDBBQACAAIAAAAIVAAAAAAAAAAAAAAAAAEAAAAZGF0YS3QOW7EQBBD0VxnIYwm2etxBDiZYDLfHxaKipj9V6jPL+7v33U3tB+N6yZYK6jWcG1Hrx0YtROzdmHVbuzag5NOA9/ik0yTAlOlwXTZwZQ5wLQ5wdS5wPS5wQg8YAw1KIYIvXc/h8eQoRjqUAwNKIYmFEMLiqENxdCBYrjBMUw4hgW/33neE8MdjuEBx/CEY3jBMbzhGD5wGf9QSwcIq7spYpoAAACDAQAAUEsBAhQDFAAIAAgAAAAhUKu7KWKaAAAAgwEAAAQAAAAAAAAAAAAAAIABAAAAAGRhdGFQSwUGAAAAAAEAAQAyAAAAzAAAAAAA",
        "two": "UEsDBBQAAAAIAAAAIVAHoerdBAAAAAIAAAAOAAAAZnJhdWRUcmFpbi5jc3ZL5AIAUEsDBBQAAAAIAAAAIVDE8sf2BAAAAAIAAAANAAAAZnJhdWRUZXN0LmNzdkviAgBQSwECFAMUAAAACAAAACFQB6Hq3QQAAAACAAAADgAAAAAAAAAAAAAAgAEAAAAAZnJhdWRUcmFpbi5jc3ZQSwECFAMUAAAACAAAACFQxPLH9gQAAAACAAAADQAAAAAAAAAAAAAAgAEwAAAAZnJhdWRUZXN0LmNzdlBLBQYAAAAAAgACAHcAAABfAAAAAAA=",
        "excel": "UEsDBBQAAAAIAAAAIVArhCYSBgAAAAQAAAATAAAAW0NvbnRlbnRfVHlwZXNdLnhtbLOp0LcDAFBLAwQUAAAACAAAACFQK4QmEgYAAAAEAAAADwAAAHhsL3dvcmtib29rLnhtbLOp0LcDAFBLAQIUAxQAAAAIAAAAIVArhCYSBgAAAAQAAAATAAAAAAAAAAAAAACAAQAAAABbQ29udGVudF9UeXBlc10ueG1sUEsBAhQDFAAAAAgAAAAhUCuEJhIGAAAABAAAAA8AAAAAAAAAAAAAAIABNwAAAHhsL3dvcmtib29rLnhtbFBLBQYAAAAAAgACAH4AAABqAAAAAAA=",
    ]
}
