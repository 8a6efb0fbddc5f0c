import Foundation
import TestSupport

/// Needletail beside what others use for the same work, in the same run.
enum PeerCases {
    /// One loop beside one worker of a FastAPI service, with and without reasons; then a constant rate.
    static func predict(_ pipeline: Pipeline, _ peers: Peers, rounds: Int) throws -> [ReportLine] {
        let folder = try TestEnvironment.temporaryFolder("bench-peer")
        var environment = pipeline.environment
        let models = pipeline.environment["MODEL_DIRECTORY"] ?? ""
        let versions = try FileManager.default.contentsOfDirectory(atPath: models).compactMap { Int($0) }
        guard let newest = versions.max() else { throw BenchError("there is no model") }
        environment["PEER_MODEL"] = "\(models)/\(newest)"
        try pipeline.command(["backfill", "--input", pipeline.csv, "--output", folder + "/features.csv"])
        _ = try peers.run("predict_service.py", ["load", folder + "/features.csv"], environment)

        let (port, theirPort) = (try TestEnvironment.freePort(), try TestEnvironment.freePort())
        let server = try TestProcess(
            [pipeline.needletail, "serve", "--port", "\(port)", "--loops", "1"], environment: environment,
            logPath: folder + "/serve.log")
        let theirs = try peers.start(
            "predict_service.py", ["serve", "\(theirPort)"], environment, logPath: folder + "/peer.log")
        defer {
            server.killNow()
            theirs.killNow()
        }
        for (port, path) in [(port, "/health/ready"), (theirPort, "/openapi.json")] {
            let isUp = TestEnvironment.waits(seconds: 60) {
                (try? Measurement.output(["curl", "-fs", "http://127.0.0.1:\(port)\(path)"])) != nil
            }
            guard isUp else {
                throw BenchError("no service on port \(port): \(server.log.suffix(2_000)) \(theirs.log.suffix(2_000))")
            }
        }
        let script = try ServingCases.writeScript(pipeline, folder)
        var lines: [ReportLine] = []
        for (name, query) in [("predict", "?explain=false"), ("predict with reasons", "?explain=true")] {
            var (ours, peer, ourCPU, peerCPU): ([Double], [Double], [Double], [Double]) = ([], [], [], [])
            func measure(_ process: TestProcess, _ port: Int, _ path: String) throws -> (rate: Double, micros: Double) {
                let before = Measurement.cpuSeconds(ofProcess: process.pid)
                let answer = try ServingCases.wrk("http://127.0.0.1:\(port)\(path)\(query)", 16, 3, script)
                let cpu = Measurement.cpuSeconds(ofProcess: process.pid) - before
                return (answer.rate, cpu * 1e6 / Double(max(1, answer.count)))
            }
            for round in 0...rounds {
                let one = try measure(server, port, "/api/v1/predict")
                let other = try measure(theirs, theirPort, "/predict")
                guard round > 0 else { continue }
                ours.append(one.rate)
                peer.append(other.rate)
                ourCPU.append(one.micros)
                peerCPU.append(other.micros)
            }
            lines += [
                ReportLine(
                    "\(name), one core", "requests/s", Rounds(values: ours), baseline: "FastAPI, redis, XGBoost",
                    Rounds(values: peer), note: "16 connections"),
                ReportLine(
                    "\(name), CPU a request", "µs", Rounds(values: ourCPU), baseline: "FastAPI, redis, XGBoost",
                    Rounds(values: peerCPU)),
            ]
        }
        return try lines + constantRates(port, requests: folder + "/requests.jsonl", rounds)
    }

    /// How long answers take that are asked for at a constant rate.
    private static func constantRates(_ port: Int, requests: String, _ rounds: Int) throws -> [ReportLine] {
        var lines: [ReportLine] = []
        let bodies = try String(contentsOfFile: requests, encoding: .utf8).split(separator: "\n")
        for (rate, query) in [(5_000.0, "?explain=false"), (2_000, "?explain=true")] {
            var (slow, middle): ([Double], [Double]) = ([], [])
            for _ in 0..<rounds {
                let latencies = try RateClient(rate: rate, seconds: 4)
                    .run(port: port, path: "/api/v1/predict" + query, bodies: bodies.map(String.init))
                slow.append(latencies.percentile(0.99))
                middle.append(latencies.percentile(0.5))
            }
            lines.append(
                ReportLine(
                    "p99 at \(Int(rate))/s\(query == "?explain=true" ? ", reasons" : "")", "ms", Rounds(values: slow),
                    baseline: "its p50", Rounds(values: middle), note: "from the moment a request was due"))
        }
        return lines
    }

    /// Four windows × count, sum, mean, max of a card's amounts, from a CSV into a CSV.
    static func backfill(_ pipeline: Pipeline, _ peers: Peers, rounds: Int) throws -> [ReportLine] {
        let folder = try TestEnvironment.temporaryFolder("bench-windows")
        let repository = folder + "/repository"
        try FileManager.default.createDirectory(atPath: repository, withIntermediateDirectories: true)
        for name in ["feature_store.yaml", "transactions.yaml"] {
            try FileManager.default.copyItem(
                atPath: TestEnvironment.packageRoot + "/feature_repo/" + name, toPath: repository + "/" + name)
        }
        try """
        kind: stream_feature_view
        name: card_amounts
        entity: {name: card, join_key: cc_num, type: string}
        source: transactions
        aggregations:
          - {column: amt, functions: [count, sum, mean, max], windows: [1h, 24h, 7d, 30d]}
        ---
        kind: feature_service
        name: amounts
        features: [card_amounts]
        """.write(toFile: repository + "/windows.yaml", atomically: true, encoding: .utf8)
        let names = ["needletail", "windows_polars.py", "windows_duckdb.py"]
        var walls: [[Double]] = [[], [], []]
        var peak = 0.0
        for round in 0...rounds {
            for (index, name) in names.enumerated() {
                let output = folder + "/\(index).csv"
                let cost =
                    index == 0
                    ? try pipeline.command(
                        ["backfill", "--input", pipeline.csv, "--output", output], ["FEATURE_REPO": repository])
                    : try peers.run(name, [pipeline.csv, output])
                guard round > 0 else { continue }
                walls[index].append(Double(pipeline.rows) / cost.wallSeconds)
                if index == 0 { peak = max(peak, cost.peakMebibytes) }
            }
        }
        return [("polars", 1), ("DuckDB", 2)].map { name, index in
            ReportLine(
                "backfill, 4 windows × 4, CSV to CSV", "rows/s", Rounds(values: walls[0]), baseline: name,
                Rounds(values: walls[index]), note: "peak \(Int(peak)) MiB")
        }
    }
}
