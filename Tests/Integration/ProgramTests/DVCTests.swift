import Foundation
import TestSupport
import Testing

/// `dvc.yaml` and `params.yaml` under real DVC. NEEDLETAIL_PYTHON names a Python that has it (`pip install dvc`).
@Suite(.serialized) struct DVCTests {
    private static let python: String? = {
        let name = TestEnvironment.variable("NEEDLETAIL_PYTHON") ?? "python3"
        let found = try? TestCommand.run([name, "-c", "import dvc"])
        return found?.exitCode == 0 ? name : nil
    }()

    @Test(.enabled(if: python != nil, "needs a Python with dvc"), .timeLimit(.minutes(4)))
    func `repro runs what changed, metrics and plots are read, and an experiment sets a parameter`() throws {
        let (python, program) = (try #require(Self.python), try #require(TestEnvironment.needletail))
        let folder = try TestEnvironment.temporaryFolder("dvc")
        func sh(_ script: String) throws -> String {
            let done = try TestCommand.run(
                ["/bin/sh", "-ec", "cd '\(folder)'; dvc() { '\(python)' -m dvc \"$@\"; }; \(script)"],
                environment: [
                    "NEEDLETAIL_ENV_FILE": "", "LOG_LEVEL": "error", "DVC_NO_ANALYTICS": "1",
                    "GIT_CONFIG_GLOBAL": "/dev/null",
                ])
            #expect(done.exitCode == 0, "\(script): \(done.output)")
            return done.output
        }
        let root = TestEnvironment.packageRoot
        _ = try sh(
            """
            mkdir -p .build/release var/data; ln -s '\(program)' .build/release/needletail
            cp -r '\(root)/feature_repo' '\(root)/dvc.yaml' '\(root)/params.yaml' .
            printf 'var/\\n.build/\\n' >.gitignore
            sed -i 's/rounds: 600/rounds: 6/' params.yaml
            .build/release/needletail generate --rows 20000 --seed 3 --output var/data/transactions.csv.zst
            git init -q; git config user.email tester@localhost; git config user.name tester
            dvc init -q; dvc config core.analytics false
            """)
        let first = try sh("dvc repro")
        for stage in ["prepare", "fit", "evaluate"] { #expect(first.contains("Running stage '\(stage)'"), "\(first)") }
        _ = try sh("git add -A; git commit -qm first")
        #expect(try sh("dvc repro").contains("Data and pipelines are up to date"))
        #expect(try sh("dvc metrics show").contains("average_precision"))
        let plots = try sh("dvc plots show --json")
        for name in ["pr", "roc", "calibration", "importance", "by_day"] {
            #expect(plots.contains("\"metrics/\(name).json\""), "\(name)")
        }
        let experiment = try sh("dvc exp run -S fit.depth=2 -S fit.rounds=3")
        #expect(experiment.contains("Stage 'prepare' didn't change, skipping"), "\(experiment)")
        #expect(experiment.contains("Running stage 'fit'") && experiment.contains("Running stage 'evaluate'"))
        #expect(try sh("dvc metrics diff").contains("average_precision"))
        let changed = try sh("dvc params diff")
        #expect(changed.contains("fit.depth") && changed.contains("fit.rounds"), "\(changed)")
        let card = try String(contentsOfFile: folder + "/var/stages/model/needletail.json", encoding: .utf8)
        #expect(card.contains("\"max_depth\":\"2\""))
    }
}
