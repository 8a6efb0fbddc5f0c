import Compression
import FeatureEngine
import FeatureStore
import Foundation
import FraudModel
import HTTPServer
import JSON
import Parquet
import RedisClient
import TransactionData
import YAML

/// A decoder of bytes that nobody vouches for. A crash, a trap, a hang or memory without bound is a finding; what it returns
/// or throws is its own business.
struct FuzzTarget: Sendable {
    let name: String
    /// Small good inputs to begin with.
    let seeds: @Sendable () -> [[UInt8]]
    let decode: @Sendable ([UInt8]) -> Void

    /// The one that this process runs. Only libFuzzer's one thread calls it.
    nonisolated(unsafe) static var chosen: ([UInt8]) -> Void = { _ in }

    static let all: [FuzzTarget] = [
        eventJSON, csv, blob, watermark, resp, model, modelCard, yaml, definitions, http, kafkaRequest,
        kafkaAnswer, recordBatch, archive, parquet,
    ]

    /// The definitions that the project comes with; the run script is started in its folder.
    static func repository() -> FeatureRepository {
        do {
            return try FeatureRepository.load(directory: "feature_repo", environment: [:])
        } catch { fatalError("\(error)") }
    }

    static func files(_ folder: String, _ suffix: String) -> [[UInt8]] {
        ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).filter { $0.hasSuffix(suffix) }.sorted()
            .compactMap { FileManager.default.contents(atPath: folder + "/" + $0).map { Array($0) } }
            .filter { $0.count <= 64 << 10 }
    }

    static let event = """
        {"trans_date_trans_time":"2019-01-01 00:00:18","cc_num":"4992346398065154184","merchant":"m","category":"misc_net",\
        "amt":12.30,"lat":36.0,"long":-81.0,"trans_num":"t1","merch_lat":36.0,"merch_long":-82.0}
        """

    static let eventJSON = FuzzTarget(name: "event-json", seeds: { [Array(event.utf8)] }) { bytes in
        let source = sources[0]
        var row = SourceRow(source)
        try? decoder.decode(bytes.span, into: &row)
    }
    nonisolated(unsafe) private static let decoder = EventDecoder(sources[0], collectsUnknownFields: true)
    private static let sources = repository().sources

    static let csv = FuzzTarget(
        name: "csv",
        seeds: {
            let names = sources[0].fields.map(\.name).joined(separator: ",")
            return [
                Array((names + "\n2019-01-01 00:00:18,4992,m,misc_net,12.30,36,-81,t1,36,-82\n").utf8),
                Array("a,\"b\"\"c\"\r\n1,\"2\n3\"\r\n".utf8),
            ]
        }
    ) { bytes in
        if let source = try? ByteSource(bytes: bytes), let reader = try? CSVReader(source) {
            while (try? reader.next()) == true {
                for column in 0..<reader.cellCount { _ = reader.text(column) }
            }
        }
        guard let source = try? ByteSource(bytes: bytes),
            let rows = try? TransactionCSV(source, schema: sources[0], recordedAtMillis: 0)
        else { return }
        var row = SourceRow(sources[0])
        for _ in 0..<10_000 {
            guard let outcome = try? rows.next(into: &row), outcome != .end else { return }
        }
    }

    static let blob = FuzzTarget(
        name: "blob",
        seeds: {
            views.map { view in
                var bytes: [UInt8] = []
                EntityState(view).encode(into: &bytes)
                return bytes
            }
        }
    ) { bytes in
        _ = EntityState.position(ofBlob: bytes)
        for view in views {
            guard let state = try? EntityState(view, blob: bytes.span) else { continue }
            var again: [UInt8] = []
            state.encode(into: &again)
        }
    }
    private static let views = repository().views

    static let watermark = FuzzTarget(
        name: "watermark",
        seeds: {
            [Watermark(generation: 1, nextOffset: 2, target: 3, newestMillis: 4).bytes, Heartbeat(millis: 5).bytes]
        }
    ) { bytes in
        if let beat = Heartbeat(bytes: bytes.span) { precondition(beat.bytes == bytes) }
        guard let watermark = Watermark(bytes: bytes) else { return }
        precondition(watermark.bytes == bytes)
        _ = watermark.moved(to: watermark.nextOffset, newestMillis: watermark.newestMillis)
    }

    static let resp = FuzzTarget(
        name: "resp",
        seeds: {
            ["+OK\r\n", "-ERR no\r\n", ":7\r\n", "$3\r\na\0b\r\n*2\r\n$-1\r\n$1\r\nx\r\n", "*1\r\n*1\r\n:1\r\n"].map {
                Array($0.utf8)
            }
        }
    ) { bytes in
        for reply in RedisReply.decode(bytes) { _ = try? reply.checked() }
        let whole = RedisValues.read(bytes, piece: .max)
        precondition(whole == RedisValues.read(bytes, piece: 1))
    }

    static let model = FuzzTarget(
        name: "model", seeds: { [".json", ".ubj"].flatMap { files("Tests/Unit/FraudModelTests/Fixtures", $0) } }
    ) { bytes in
        guard let model = try? BoosterModel(bytes, file: "fuzz"), let predictor = try? Predictor(model) else { return }
        guard predictor.featureCount < 100_000 else { return }
        var inputs = predictor.makeInputs()
        for feature in 0..<predictor.featureCount { inputs.set(feature, Double(feature)) }
        var contributions: [Double] = []
        let bias = predictor.contributions(&inputs, into: &contributions)
        precondition(!predictor.margin(inputs).isNaN && !bias.isNaN && contributions.allSatisfy { !$0.isNaN })
    }

    static let modelCard = FuzzTarget(
        name: "model-card", seeds: { files("Tests/Unit/FraudModelTests/Fixtures", "card.json") + [Array("{}".utf8)] }
    ) { bytes in
        if let tree = try? JSONTree.parse(bytes) { _ = try? ModelCard(tree, file: "fuzz") }
    }

    static let yaml = FuzzTarget(name: "yaml", seeds: { files("feature_repo", ".yaml") }) { bytes in
        _ = try? YAMLNode.documents(String(decoding: bytes, as: UTF8.self))
    }

    static let definitions = FuzzTarget(name: "definitions", seeds: { files("feature_repo", ".yaml") }) { bytes in
        let folder = NSTemporaryDirectory() + "needletail-fuzz-\(getpid())"
        try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try? Data(bytes).write(to: URL(fileURLWithPath: folder + "/a.yaml"))
        _ = try? FeatureRepository.load(directory: folder, environment: [:])
    }

    static let http = FuzzTarget(
        name: "http",
        seeds: {
            [
                "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
            ].map { Array($0.utf8) }
        }
    ) { bytes in
        _ = probe?.exchange(bytes)
        _ = probe?.exchange(bytes, piece: 7)
    }
    nonisolated(unsafe) private static let probe = try? HTTPProbe(Router())

    static let archive = FuzzTarget(
        name: "archive",
        seeds: {
            [
                [24, 12, 0x61, 0x62, 0x63, 0x64, 78, 4, 0],
                [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3, 0x4B, 4, 0, 0x43, 0xBE, 0xB7, 0xE8, 1, 0, 0, 0],
                [0x04, 0x22, 0x4D, 0x18, 0x60, 0x40, 0x82, 0, 0, 0, 0],
            ]
        }
    ) { bytes in
        for limit in [100, 1 << 20] {
            precondition((Snappy.unpack(bytes[...], limit: limit)?.count ?? 0) <= limit)
            precondition((LZ4.unpack(bytes[...], limit: limit)?.count ?? 0) <= limit)
        }
        _ = try? ByteSource(bytes: bytes).readAll(limit: 1 << 20)
    }

    static let parquet = FuzzTarget(
        name: "parquet", seeds: { files("Tests/Unit/ParquetTests/Fixtures", ".parquet").filter { $0.count <= 4_096 } }
    ) { bytes in
        guard let names = (try? ParquetReader(bytes: bytes, columns: []))?.names else { return }
        // Alone and together: a column that is refused does not hide the others.
        for columns in names.prefix(20).map({ [$0] }) + [names] {
            guard let reader = try? ParquetReader(bytes: bytes, columns: columns) else { continue }
            var batch = reader.makeBatch()
            // A few bytes may stand for as many rows as they like.
            for _ in 0..<50 {
                guard let count = try? reader.next(into: &batch), count > 0 else { break }
                precondition(batch.allSatisfy { $0.count == count })
            }
        }
    }
}
