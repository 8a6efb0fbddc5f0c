import Foundation
import Glibc
import TestSupport

/// Small programs of others' making, done as their users would do them: `Tests/Benchmarks/peers`, with their packages from PyPI in
/// a folder of their own under `var`.
struct Peers {
    private let python: String
    private let folder: String

    /// Installs what is missing; nil, with a word about it, where PyPI cannot be reached.
    init?() {
        folder = TestEnvironment.packageRoot + "/Tests/Benchmarks/peers"
        let home = TestEnvironment.packageRoot + "/var/peers"
        python = home + "/bin/python"
        let isThere =
            (try? Measurement.output([python, "-c", "import duckdb, fastapi, polars, redis, uvicorn, xgboost"]))
        guard isThere == nil else { return }
        do {
            _ = try Measurement.output(["python3", "-m", "venv", home])
            _ = try Measurement.output([python, "-m", "pip", "install", "-q", "-r", folder + "/requirements.txt"])
        } catch {
            FileHandle.standardError.write(Data("skipped: the peers' packages cannot be installed (\(error))\n".utf8))
            return nil
        }
    }

    /// Runs one to its end.
    func run(_ script: String, _ arguments: [String], _ environment: [String: String] = [:]) throws -> Cost {
        try Measurement.run([python, folder + "/" + script] + arguments, environment: environment)
    }

    /// Starts one that serves.
    func start(_ script: String, _ arguments: [String], _ environment: [String: String], logPath: String) throws
        -> TestProcess
    {
        try TestProcess([python, folder + "/" + script] + arguments, environment: environment, logPath: logPath)
    }
}
