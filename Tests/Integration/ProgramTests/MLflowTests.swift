import Foundation
import MLflow
import Synchronization
import TestSupport
import Testing

/// The program beside a real MLflow server, and beside servers that are away, silent or broken. NEEDLETAIL_PYTHON names a Python with
/// mlflow and xgboost; `make mlflow` installs one into var/mlflow.
@Suite(.serialized) struct MLflowTests {
    private static let python: String? = {
        let usual = TestEnvironment.packageRoot + "/var/mlflow/bin/python"
        let name = TestEnvironment.variable("NEEDLETAIL_PYTHON") ?? usual
        let found = try? TestCommand.run([name, "-c", "import mlflow, xgboost"])
        return found?.exitCode == 0 ? name : nil
    }()

    private func run(_ arguments: [String], _ environment: [String: String]) throws -> (output: String, exitCode: Int32)
    {
        let quiet = ["NEEDLETAIL_ENV_FILE": "", "LOG_LEVEL": "warning"].merging(environment) { $1 }
        return try TestCommand.run([try #require(TestEnvironment.needletail)] + arguments, environment: quiet)
    }

    private func transactions(_ folder: String) throws -> String {
        let path = folder + "/transactions.csv"
        #expect(try run(["generate", "--rows", "40000", "--seed", "3", "--output", path], [:]).exitCode == 0)
        return path
    }

    private let training = [
        "train", "--register", "--depth", "3", "--holdout-from", "2020-01-15T00:00:00Z",
    ]

    @Test(.enabled(if: python != nil, "needs a Python with mlflow and xgboost: `make mlflow`"), .timeLimit(.minutes(4)))
    func `runs, figures, files, versions and aliases arrive, and MLflow's own clients give our bits`() throws {
        let python = try #require(Self.python)
        let folder = try TestEnvironment.temporaryFolder("mlflow")
        let port = try TestEnvironment.freePort()
        let server = try TestProcess(
            [
                python, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", "\(port)", "--workers", "1",
                "--backend-store-uri", "sqlite:///\(folder)/mlflow.db", "--artifacts-destination",
                folder + "/artifacts",
            ], logPath: folder + "/server.log")
        defer { server.killNow() }
        let uri = "http://127.0.0.1:\(port)"
        let isUp = TestEnvironment.waits(seconds: 120) {
            (try? HTTPTestClient(port: port))?.get("/health")?.status == 200
        }
        try #require(isUp, "\((try? String(contentsOfFile: folder + "/server.log", encoding: .utf8)) ?? "")")
        let file = try transactions(folder)
        let environment = [
            "DATABASE_URL": try TestServers.postgres().makeDatabase("mlflow"), "MODEL_DIRECTORY": folder + "/models",
            "MLFLOW_TRACKING_URI": uri,
        ]
        for rounds in ["3", "40"] {
            let trained = try run(training + ["--input", file, "--rounds", rounds], environment)
            #expect(trained.exitCode == 0 && trained.output.contains("promoted"), "\(trained.output)")
            #expect(!trained.output.contains("warning"), "\(trained.output)")
        }
        let rolled = try run(["models", "rollback", "--reason", "a test"], environment)
        #expect(rolled.exitCode == 0, "\(rolled.output)")

        let features = folder + "/features.csv"
        let made = try run(["backfill", "--input", file, "--output", features], environment)
        #expect(made.exitCode == 0, "\(made.output)")
        let ours = folder + "/scores.csv"
        #expect(
            try run(["score", "--model", folder + "/models/1", "--input", features, "--output", ours], environment)
                .exitCode == 0)
        let script = TestEnvironment.packageRoot + "/Tests/Integration/ProgramTests/mlflow_client.py"
        // `serve` takes it by its name there.
        let serving = try TestProcess(
            [
                try #require(TestEnvironment.needletail), "serve", "--model", "models:/FraudDetectionModel@champion",
                "--port", "0", "--loops", "1", "--no-prediction-log", "--partitions", "4",
            ],
            environment: environment.merging(["NEEDLETAIL_ENV_FILE": "", "LOG_FORMAT": "json"]) { $1 },
            logPath: folder + "/serve.log")
        defer { serving.killNow() }
        let isServed = try TestEnvironment.waits(seconds: 30) {
            try String(contentsOfFile: folder + "/serve.log", encoding: .utf8).contains("\"model in service\"")
        }
        #expect(isServed, "\((try? String(contentsOfFile: folder + "/serve.log", encoding: .utf8)) ?? "")")
        let client = try TestCommand.run(
            [python, script, features, ours, folder + "/models/1/needletail.json"],
            environment: ["MLFLOW_TRACKING_URI": uri, "PATH": "/usr/bin:/bin"])
        #expect(client.exitCode == 0 && client.output.contains("equal on 2000 rows"), "\(client.output)")
    }

    @Test func `a server that is away, slow or broken is a warning, and the model is registered`() throws {
        let folder = try TestEnvironment.temporaryFolder("mlflow")
        let file = try transactions(folder)
        let environment = [
            "DATABASE_URL": try TestServers.postgres().makeDatabase("mlflow"), "MODEL_DIRECTORY": folder + "/models",
            "MLFLOW_TIMEOUT_SECONDS": "1",
        ]
        let (broken, silent, late) = (try MLflowDouble(), try MLflowDouble(), try MLflowDouble())
        broken.go(wrong: "experiments", .status(500))
        silent.go(wrong: "experiments", .silence)
        late.go(wrong: "model-versions/create", .status(500))
        for (place, (address, part)) in [
            ("http://127.0.0.1:1", "does not answer"), (silent.address, "no answer within 1 s"),
            (broken.address, "answers 500"), (late.address, "answers 500"), ("mlflow:5000", "is no address"),
        ].enumerated() {
            let trained = try run(
                training + ["--input", file, "--no-baselines", "--rounds", "5"],
                environment.merging(["MLFLOW_TRACKING_URI": address]) { $1 })
            #expect(trained.exitCode == 0, "\(trained.output)")
            #expect(
                trained.output.contains(part) && trained.output.contains("version \(place + 1)"),
                "\(address): \(trained.output)")
        }
        let models = try FileManager.default.contentsOfDirectory(atPath: folder + "/models").sorted()
        #expect(models == ["1", "2", "3", "4", "5"])
        #expect(late.state.withLock { $0.runStatus } == ["FAILED"])
    }
}

/// The calls against a server that does what it should, and what it should not.
@Suite struct MLflowCallTests {
    private func record(_ folder: String, version: String) throws -> MLflowRecord {
        try FileManager.default.createDirectory(atPath: folder + "/metrics", withIntermediateDirectories: true)
        try Data("model \(version)".utf8).write(to: URL(fileURLWithPath: folder + "/model.json"))
        try Data("{}".utf8).write(to: URL(fileURLWithPath: folder + "/metrics/pr curve.json"))
        var record = MLflowRecord()
        (record.folder, record.version, record.alias) = (folder, version, "champion")
        record.metrics = [("average_precision", 0.5), ("no_number", .nan)]
        return record
    }

    private func client(_ server: MLflowDouble, seconds: Int = 20, token: String? = nil) throws -> MLflowClient {
        try MLflowClient(trackingURI: server.address, timeoutSeconds: seconds, token: token)
    }

    @Test func `runs, files, versions and aliases arrive, and the folder comes back whole`() throws {
        let server = try MLflowDouble()
        let client = try self.client(server, token: "secret")
        let tracking = MLflowTracking(client, modelName: "M")
        let folder = try TestEnvironment.temporaryFolder("mlflow")
        #expect(try tracking.log(record(folder + "/7", version: "7"), nowMillis: 1) == "1")
        #expect(try tracking.log(record(folder + "/9", version: "9"), nowMillis: 2) == "2")
        #expect(try tracking.move(alias: "champion", toVersion: "7"))
        #expect(try !tracking.move(alias: "champion", toVersion: "8"))
        server.state.withLock { state in
            #expect(state.runStatus == ["FINISHED", "FINISHED"] && state.aliases == ["champion": "1"])
            #expect(
                state.files.keys.sorted() == [
                    "1/r1/artifacts/model/metrics/pr curve.json", "1/r1/artifacts/model/model.json",
                    "1/r2/artifacts/model/metrics/pr curve.json", "1/r2/artifacts/model/model.json",
                ])
            #expect(state.authorizations == ["Bearer secret"])
        }
        let model = try #require(MLflowModel("models:/M@champion"))
        let found = try model.resolve(by: client)
        #expect(found.version == "1" && found.store == "1/r1/artifacts/model")
        for _ in 0..<2 { try MLflowModel.fetch(found.store, to: folder + "/fetched", by: client) }
        #expect(try String(contentsOfFile: folder + "/fetched/model.json", encoding: .utf8) == "model 7")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == ["7", "9", "fetched"])
        #expect(throws: MLflowError.self) { try MLflowModel("models:/M@other")?.resolve(by: client) }
        // A run that was told to end is over, and says so.
        #expect(throws: MLflowError.self) {
            try tracking.log(record(folder + "/9", version: "9"), nowMillis: 3, while: { false })
        }
        #expect(server.state.withLock { $0.runStatus.last } == "FAILED")
    }

    @Test(
        arguments: [
            ("experiments", .status(503), "answers 503"), ("runs/create", .text("<html>"), "not MLflow's"),
            ("runs/log-batch", .drip, "within 1 s"), ("artifacts/1/r1", .silence, "within 1 s"),
            ("model-versions/create", .text("{}"), "without a number"),
            ("registered-models/alias", .status(500), "answers 500"),
            ("runs/log-batch", .redirect("http://127.0.0.1:1/"), "answers 302"),
            ("runs/log-batch", .spaces(65 << 20), "more than"),
        ] as [(String, MLflowDouble.Fault, String)])
    func `what goes wrong is one error in time`(part: String, fault: MLflowDouble.Fault, reason: String) throws {
        let server = try MLflowDouble()
        server.go(wrong: part, fault)
        let folder = try TestEnvironment.temporaryFolder("mlflow")
        let begin = ContinuousClock.now
        let error = #expect(throws: MLflowError.self) {
            let client = try self.client(server, seconds: reason == "within 1 s" ? 1 : 20)
            return try MLflowTracking(client, modelName: "M").log(record(folder, version: "7"), nowMillis: 1)
        }
        #expect(error?.description.contains(reason) == true, "\(String(describing: error))")
        #expect(ContinuousClock.now - begin < .seconds(20))
        // A run that was begun does not look as if it went on.
        let status = server.state.withLock { $0.runStatus }
        #expect(
            part.hasPrefix("experiments") ? status == [] : part == "runs/create" ? status == [] : status == ["FAILED"])
    }

    @Test(arguments: [
        #"{"files":[{"path":"../../evil","is_dir":false}]}"#, #"{"files":[{"path":"more","is_dir":true}]}"#, "{}", "[",
    ])
    func `a folder that leads out, has no end or holds nothing is refused, and nothing is left`(listing: String) throws
    {
        let server = try MLflowDouble()
        server.go(wrong: "mlflow-artifacts/artifacts?", .text(listing))
        let folder = try TestEnvironment.temporaryFolder("mlflow")
        let client = try self.client(server)
        #expect(throws: MLflowError.self) { try MLflowModel.fetch("1/r1", to: folder + "/a/b", by: client) }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
    }
}
