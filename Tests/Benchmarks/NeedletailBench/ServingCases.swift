import Compression
import FeatureEngine
import FeatureStore
import Foundation
import JSON
import KafkaClient
import RedisClient
import RedisOnlineStore
import TestSupport
import TransactionData

/// The prediction API under wrk beside its own bare route, and the online read beside a bare round trip.
enum ServingCases {
    static let connections = [1, 16, 64]

    /// Fills the stores and registers a model; the API and the reads need both.
    static func prepare(_ pipeline: Pipeline) throws {
        try pipeline.command(["transform", "--exit-at-end"])
        try pipeline.command(["train", "--from-store"])
    }

    static func serve(_ pipeline: Pipeline, rounds: Int, seconds: Int) throws -> [ReportLine] {
        let port = try TestEnvironment.freePort()
        let folder = try TestEnvironment.temporaryFolder("bench-api")
        let server = try TestProcess(
            [pipeline.needletail, "serve", "--port", "\(port)"], environment: pipeline.environment,
            logPath: folder + "/serve.log")
        defer {
            server.signal(SIGTERM)
            _ = server.waitUntilExit(seconds: 10)
        }
        let api = "http://127.0.0.1:\(port)"
        guard
            TestEnvironment.waits(
                seconds: 30, until: { (try? Measurement.output(["curl", "-fsS", api + "/health/ready"])) != nil })
        else { throw BenchError("the API is not ready:\n\(server.log.suffix(2_000))") }
        let script = try writeScript(pipeline, folder)
        var lines: [ReportLine] = []
        for count in connections {
            var plain: [Double] = []
            var explained: [Double] = []
            var bare: [Double] = []
            var latency = ""
            for _ in 0..<rounds {
                bare.append(try wrk(api + "/health/live", count, seconds, nil).rate)
                let answer = try wrk(api + "/api/v1/predict?explain=false", count, seconds, script)
                plain.append(answer.rate)
                latency = "p50 \(answer.median), p99 \(answer.slow)"
                explained.append(try wrk(api + "/api/v1/predict", count, seconds, script).rate)
            }
            lines.append(
                ReportLine(
                    "predict, \(count) connections", "requests/s", Rounds(values: plain), baseline: "bare route",
                    Rounds(values: bare), note: latency))
            lines.append(
                ReportLine(
                    "predict with SHAP, \(count) connections", "requests/s", Rounds(values: explained),
                    baseline: "bare route", Rounds(values: bare)))
        }
        return lines
    }

    static func onlineRead(_ pipeline: Pipeline, rounds: Int) throws -> [ReportLine] {
        let repository = try FeatureRepository.load(
            directory: TestEnvironment.packageRoot + "/feature_repo", environment: pipeline.environment)
        let view = repository.views[0]
        let topic = view.source.topic
        let rows = try rowsOf(pipeline, view.source, count: 5_000)
        let partitions =
            try KafkaAdmin(bootstrapServers: pipeline.kafka.bootstrapServers)
            .partitionCount(topic: topic) ?? 1
        let reads = rows.map { row in
            (
                watermark: OnlineKeys.watermark(
                    hash8: repository.hash8, topic: topic,
                    partition: Int(EntityPlacement.partition(of: row.key, among: partitions, by: .murmur2))),
                blob: OnlineKeys.blob(
                    project: repository.project, view: view.name, hash8: repository.hash8, entity: row.key),
                time: row.eventTimeMillis
            )
        }
        let connection = try RedisConnection(RedisAddress(url: pipeline.redis.url))
        let store = RedisOnlineStore(connection)
        var vector = FeatureVector(count: view.features.count)
        var evaluated: [Double] = []
        var bare: [Double] = []
        for round in 0...rounds {
            let full = try Measurement.here {
                for read in reads {
                    let (_, blobs) = try store.read(watermarkKey: read.watermark, blobKeys: [read.blob])
                    guard let blob = blobs[0] else { throw BenchError("an entity is not in Redis") }
                    try EntityState(view, blob: blob.span).evaluate(atMillis: read.time, into: &vector)
                }
            }
            let ping = try Measurement.here { for _ in reads { try connection.command("PING") } }
            guard round > 0 else { continue }
            evaluated.append(Double(reads.count) / full.wallSeconds)
            bare.append(Double(reads.count) / ping.wallSeconds)
        }
        return [
            ReportLine(
                "online read and evaluation", "reads/s", Rounds(values: evaluated), baseline: "bare round trip (PING)",
                Rounds(values: bare), note: "one connection")
        ]
    }

    private static func rowsOf(_ pipeline: Pipeline, _ schema: SourceSchema, count: Int) throws -> [SourceRow] {
        let csv = try TransactionCSV(try .open(pipeline.csv), schema: schema)
        var row = SourceRow(schema)
        var rows: [SourceRow] = []
        _ = try csv.skip(Int64(max(0, pipeline.rows - count)))
        while case .row = try csv.next(into: &row) { rows.append(row) }
        return rows
    }

    /// A wrk script that posts the newest transactions in turn.
    static func writeScript(_ pipeline: Pipeline, _ folder: String) throws -> String {
        let schema = try FeatureRepository.load(
            directory: TestEnvironment.packageRoot + "/feature_repo", environment: pipeline.environment
        ).sources[0]
        var lines: [String] = []
        for row in try rowsOf(pipeline, schema, count: 2_000) {
            var bytes: [UInt8] = []
            EventEncoder(schema).encode(row, into: &bytes)
            lines.append(String(decoding: bytes, as: UTF8.self))
        }
        try lines.joined(separator: "\n").write(toFile: folder + "/requests.jsonl", atomically: true, encoding: .utf8)
        let script = """
            local bodies = {}
            for line in io.lines("\(folder)/requests.jsonl") do bodies[#bodies + 1] = line end
            local next = 0
            wrk.method = "POST"
            wrk.headers["Content-Type"] = "application/json"
            request = function()
                next = next % #bodies + 1
                return wrk.format(nil, nil, nil, bodies[next])
            end
            """
        try script.write(toFile: folder + "/post.lua", atomically: true, encoding: .utf8)
        return folder + "/post.lua"
    }

    static func wrk(_ url: String, _ connections: Int, _ seconds: Int, _ script: String?) throws -> (
        rate: Double, count: Int, median: String, slow: String
    ) {
        let arguments =
            ["wrk", "--latency", "-t1", "-c\(connections)", "-d\(seconds)s"] + (script.map { ["-s", $0] } ?? []) + [url]
        let text = try Measurement.output(arguments)
        func word(after label: String) -> String {
            text.split(separator: "\n").first { $0.contains(label) }?.split(separator: " ").last.map(String.init) ?? "–"
        }
        guard let rate = Double(word(after: "Requests/sec:")) else { throw BenchError("wrk printed no rate:\n\(text)") }
        guard !text.contains("Non-2xx") else { throw BenchError("the API refused requests:\n\(text)") }
        let counted = text.split(separator: "\n").first { $0.contains(" requests in ") }
        let count = counted?.split(separator: " ").first.flatMap { Int($0) } ?? 0
        return (rate, count, word(after: "50%"), word(after: "99%"))
    }
}
