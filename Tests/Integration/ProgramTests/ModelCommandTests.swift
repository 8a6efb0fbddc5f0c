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
                ["train", "--input", file, "--rounds", "10", "--output", folder + "/v \(version):ä"], environment)
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
                ["train", "--input", file, "--rounds", rounds, "--holdout-from", "2020-01-15T00:00:00Z"], environment)
            #expect(trained.output.contains(verdict), "\(trained.output)")
        }
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
