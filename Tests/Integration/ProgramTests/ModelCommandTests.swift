import Foundation
import TestSupport
import Testing

/// `train` and `score` of the built program, over a file and a registry.
@Suite(.serialized) struct ModelCommandTests {
    private func run(_ arguments: [String], _ environment: [String: String] = [:], input: String? = nil) throws -> (
        output: String, exitCode: Int32
    ) {
        let quiet = ["NEEDLETAIL_ENV_FILE": "", "LOG_LEVEL": "error"].merging(environment) { $1 }
        return try TestCommand.run(
            [try #require(TestEnvironment.needletail)] + arguments, environment: quiet,
            input: input.map { Data($0.utf8) })
    }

    private func transactions(_ folder: String, rows: Int) throws -> String {
        let path = folder + "/transactions.csv.zst"
        let made = try run(["generate", "--rows", "\(rows)", "--seed", "3", "--output", path])
        #expect(made.exitCode == 0, "\(made.output)")
        return path
    }

    @Test func `train registers what it made, and decides nothing on few frauds`() throws {
        let folder = try TestEnvironment.temporaryFolder("train")
        let environment = [
            "DATABASE_URL": try TestServers.postgres().makeDatabase("train"), "MODEL_DIRECTORY": folder + "/my models",
        ]
        let file = try transactions(folder, rows: 20_000)
        for version in ["1", "2"] {
            let trained = try run(
                [
                    "train", "--input", file, "--register", "--rounds", "10", "--output", folder + "/v \(version):ä",
                ], environment)
            #expect(trained.exitCode == 0, "\(trained.output)")
            #expect(trained.output.contains("undecided: version \(version)"), "\(trained.output)")
        }
        // The same rows: the same bytes, in the folder asked for and in the registry's.
        let paths = ["/v 1:ä", "/v 2:ä", "/my models/1", "/my models/2"]
        for name in ["model.json", "needletail.json", "MLmodel"] {
            let files = paths.map { FileManager.default.contents(atPath: "\(folder)\($0)/\(name)") }
            #expect(files[0] != nil && files.allSatisfy { $0 == files[0] }, "\(name)")
        }
        let drift = try run(["drift"], environment)
        #expect(drift.exitCode == 78 && drift.output.contains("no champion"), "\(drift.output)")
    }

    @Test func `a champion falls only to a better model on the same holdout`() throws {
        let folder = try TestEnvironment.temporaryFolder("train")
        let environment = [
            "DATABASE_URL": try TestServers.postgres().makeDatabase("train"), "MODEL_DIRECTORY": folder + "/models",
        ]
        let file = try transactions(folder, rows: 40_000)
        for (rounds, verdict) in [
            ("5", "promoted: version 1"), ("40", "promoted: version 2"), ("1", "kept: version 3"),
        ] {
            let trained = try run(
                [
                    "train", "--input", file, "--register", "--rounds", rounds, "--holdout-from",
                    "2020-01-15T00:00:00Z",
                ], environment)
            #expect(trained.output.contains(verdict), "\(trained.output)")
        }
    }

    @Test func `a file's rows are no reason to touch the registry, unless asked to`() throws {
        let folder = try TestEnvironment.temporaryFolder("train")
        // Nothing listens there: whoever asked the registry would fail.
        let environment = [
            "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "MODEL_DIRECTORY": folder + "/models",
        ]
        let file = try transactions(folder, rows: 5_000)
        let train = ["train", "--input", file, "--rounds", "2"]
        let nowhere = try run(train, environment)
        #expect(nowhere.exitCode == 64 && nowhere.output.contains("--register"), "\(nowhere.output)")
        let written = try run(train + ["--output", folder + "/m"], environment)
        #expect(written.exitCode == 0 && written.output.contains("unregistered"), "\(written.output)")
        #expect(FileManager.default.fileExists(atPath: folder + "/m/feature_repo"))
        #expect(!FileManager.default.fileExists(atPath: folder + "/models"))
        for wrong in [
            ["--output", folder + "/m", "--force"], ["--register", "--no-register", "--output", folder + "/m"],
        ] {
            #expect(try run(train + wrong, environment).exitCode == 64)
        }
    }

    @Test func `a training that is stopped exits with 75 and leaves nothing`() throws {
        let folder = try TestEnvironment.temporaryFolder("train")
        let file = try transactions(folder, rows: 30_000)
        let endless = ["--rounds", "10000", "--patience", "10000", "--depth", "9"]
        // TERM after two seconds, in the middle of reading or fitting, whichever: both say the same.
        let stopped = try TestCommand.run(
            [try #require(TestEnvironment.needletail), "train", "--input", file, "--output", folder + "/m"] + endless,
            environment: ["NEEDLETAIL_ENV_FILE": "", "MODEL_DIRECTORY": folder + "/models"], seconds: 2)
        #expect(stopped.exitCode == 75, "\(stopped.output)")
        #expect(stopped.output.contains("stopped before the end: no model was registered or written"))
        #expect(!FileManager.default.fileExists(atPath: folder + "/m"))
    }

    @Test func `a model whose row was lost is registered again by its folder`() throws {
        let folder = try TestEnvironment.temporaryFolder("train")
        let models = ["MODEL_DIRECTORY": folder + "/models"]
        let file = try transactions(folder, rows: 5_000)
        let written = try run(["train", "--input", file, "--rounds", "2", "--output", folder + "/models/3"], models)
        #expect(written.exitCode == 0, "\(written.output)")
        let environment = models.merging(["DATABASE_URL": try TestServers.postgres().makeDatabase("register")]) { $1 }
        let register = ["models", "register", folder + "/models/3"]
        for sentence in ["version 3 is registered and now the champion.", "version 3 is registered and the champion."] {
            let registered = try run(register, environment)
            #expect(registered.exitCode == 0 && registered.output.contains(sentence), "\(registered.output)")
        }
        #expect(try run(["models", "register", folder + "/models/4"], environment).exitCode == 66)
        #expect(try run(["models", "register"], environment).exitCode == 64)
    }

    @Test func `rows of one class are refused in one sentence`() throws {
        let folder = try TestEnvironment.temporaryFolder("train")
        let made = try run(["generate", "--rows", "2000", "--seed", "3", "--output", folder + "/t.csv"])
        #expect(made.exitCode == 0)
        let text = try String(contentsOfFile: folder + "/t.csv", encoding: .utf8).split(separator: "\n")
        let legitimate = text.enumerated().filter { $0 == 0 || $1.hasSuffix(",0") }.map(\.1).joined(separator: "\n")
        let trained = try run(["train", "--input", "-", "--no-register", "--output", folder + "/m"], input: legitimate)
        #expect(trained.exitCode == 65)
        #expect(
            trained.output.contains("labelled rows are legitimate: a model needs both classes."), "\(trained.output)")
        #expect(!FileManager.default.fileExists(atPath: folder + "/m"))
    }

    @Test func `score finds columns by name and refuses a missing one`() throws {
        let fixture = TestEnvironment.packageRoot + "/Tests/Unit/FraudModelTests/Fixtures/thresholds-at-ties.json"
        let score = ["score", "--model", fixture, "--input", "-", "--margin"]
        let straight = try run(score, input: "amt,day,merchant_id\n0.671,20180131,5\n1,0,NaN\nnull,,16777219\n")
        #expect(straight.exitCode == 0)
        for margin in ["-4.661573", "-4.161573"] { #expect(straight.output.contains(margin), "\(straight.output)") }
        let permuted = try run(
            score, input: "more,merchant_id,day,amt\nx,5,20180131,0.671\ny,NaN,0,1\nz,16777219,,null\n")
        let rows = { (text: String) in text.split(separator: "\n").filter { $0.first?.isNumber == true } }
        #expect(rows(permuted.output) == rows(straight.output))
        #expect(rows(straight.output).count == 3)
        let renamed = try run(score, input: "amount,day,merchant_id\n0.671,20180131,5\n")
        #expect(renamed.exitCode == 65)
        #expect(renamed.output.contains("feature amt"), "\(renamed.output)")
    }
}
