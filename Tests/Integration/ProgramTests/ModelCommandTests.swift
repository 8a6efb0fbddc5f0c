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

    @Test func `models are listed, shown, compared, promoted by two, rolled back, archived and deleted`() throws {
        let folder = try TestEnvironment.temporaryFolder("registry")
        let environment = [
            "DATABASE_URL": try TestServers.postgres().makeDatabase("registry"), "MODEL_DIRECTORY": folder + "/models",
        ]
        func models(_ words: [String], _ part: String, code: Int32 = 0, with more: [String: String] = [:]) throws {
            let done = try run(["models"] + words, environment.merging(more) { $1 })
            #expect(done.exitCode == code && done.output.contains(part), "\(words): \(done.exitCode) \(done.output)")
        }
        let file = try transactions(folder, rows: 40_000)
        for rounds in ["5", "40", "1"] {
            let trained = try run(
                [
                    "train", "--input", file, "--register", "--rounds", rounds, "--holdout-from",
                    "2020-01-15T00:00:00Z", "--no-baselines",
                ], environment)
            #expect(trained.exitCode == 0, "\(trained.output)")
        }
        try models(["list"], "champion")
        try models(["show", "2", "--json"], "\"aliases\": [\n    \"champion\"")
        try models(["show", "@challenger"], "has no challenger", code: 65)
        try models(["promote", "3", "--as", "challenger"], "version 3 is the challenger")
        try models(["promote", "2"], "is the champion already", code: 65)
        // The store has no events, so there is nothing to compare on.
        try models(["promote", "1"], "the offline store lacks tables", code: 65)
        try models(["compare"], "undecided: the offline store lacks tables")
        let two = ["PROMOTION_APPROVAL": "true"]
        try models(
            ["promote", "1", "--force", "--reason", "a test", "--by", "ann"], "Somebody else agrees with", with: two)
        try models(["list"], "waits for approval")
        try models(["promote", "1", "--by", "ann"], "somebody else has to agree", code: 77, with: two)
        try models(["promote", "1", "--by", "bob"], "asked for by ann, agreed to by bob", with: two)
        try models(["show"], "approved by bob by force: a test (by --force, although")
        try models(["rollback", "--reason", "false alarms"], "version 2 is the champion again, in place of version 1")
        try models(["rollback", "--reason", "once more"], "version 1 is the champion again, in place of version 2")
        try models(["rollback", "--reason", "further"], "no former champion", code: 65)
        try models(["rollback", "--to", "2", "--reason", "no"], "version 2 is the champion again")
        try models(["archive", "2", "--reason", "no"], "is the champion", code: 65)
        try models(["archive", "3", "--reason", "weak"], "version 3 is archived")
        try models(["delete", "3", "--reason", "weak"], "version 3 is deleted")
        #expect(!FileManager.default.fileExists(atPath: folder + "/models/3"))
        try models(["list"], "2 ")
        let listed = try run(["models", "list"], environment)
        #expect(
            !listed.output.contains("deleted") && listed.output.split(separator: "\n").count == 3, "\(listed.output)")
        try models(["promote", "3", "--force"], "is deleted", code: 65)
        try models(["show", "9"], "has no version 9", code: 65)
        try models(["delete", "1"], "--reason", code: 64)
    }

    @Test func `each stage runs alone, and together they make what train makes`() throws {
        let folder = try TestEnvironment.temporaryFolder("stages")
        let file = try transactions(folder, rows: 20_000)
        let (rows, model, metrics) = (folder + "/rows", folder + "/model", folder + "/metrics")
        let params = folder + "/params.yaml"
        try "prepare: {input: \(file)}\nfit: {rounds: 8, depth: 3, cv: 2, search: 2}\n".write(
            toFile: params, atomically: true, encoding: .utf8)
        let environment = ["MODEL_DIRECTORY": folder + "/models"]
        let early = try run(["train", "fit", "--rows", rows, "--output", model], environment)
        #expect(early.exitCode == 66, "\(early.output)")
        let prepared = try run(["train", "prepare", "--params", params, "--output", rows], environment)
        #expect(prepared.exitCode == 0 && prepared.output.contains("fingerprint"), "\(prepared.output)")
        let fitted = try run(["train", "fit", "--params", params, "--rows", rows, "--output", model], environment)
        #expect(fitted.exitCode == 0, "\(fitted.output)")
        for part in [" expanding folds", "2 stratified folds", " ± ", "best", "logistic", "request only"] {
            #expect(fitted.output.contains(part), "\(part): \(fitted.output)")
        }
        let measured = try run(
            ["train", "evaluate", "--rows", rows, "--model", model, "--output", metrics], environment)
        #expect(measured.exitCode == 0, "\(measured.output)")
        let names = try FileManager.default.contentsOfDirectory(atPath: metrics)
        #expect(names.count == 14 && names.contains("report.html") && names.contains("roc.svg"), "\(names)")
        // Alone with a flag in place of the file's value; the same rows and parameters as train's make the same bytes.
        let flags = ["--rounds", "5", "--depth", "2"]
        let again = try run(["train", "fit", "--rows", rows, "--output", model] + flags, environment)
        let whole = try run(["train", "--input", file, "--output", folder + "/whole"] + flags, environment)
        #expect(again.exitCode == 0 && whole.exitCode == 0, "\(again.output) \(whole.output)")
        for name in ["model.json", "needletail.json", "baselines/logistic.json", "metrics/metrics.json"] {
            let files = [model, folder + "/whole"].map { FileManager.default.contents(atPath: "\($0)/\(name)") }
            #expect(files[0] != nil && files[0] == files[1], "\(name)")
        }
        let damaged = try run(
            ["train", "evaluate", "--rows", file, "--model", model, "--output", metrics], environment)
        #expect(damaged.exitCode == 65 && damaged.output.contains("no rows of `train prepare`"), "\(damaged.output)")
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
