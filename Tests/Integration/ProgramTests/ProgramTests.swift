import Foundation
import TestSupport
import Testing

/// The built program, as a user calls it.
@Suite struct ProgramTests {
    private struct Outcome {
        let exitCode: Int32
        let output: String
        let error: String
    }

    /// Runs the program without `.env` and without the variables of whoever runs the tests.
    private func run(_ arguments: [String], _ environment: [String: String] = [:]) throws -> Outcome {
        let process = try start(arguments, environment)
        let output = (process.standardOutput as? Pipe)?.fileHandleForReading.readDataToEndOfFile() ?? Data()
        let error = (process.standardError as? Pipe)?.fileHandleForReading.readDataToEndOfFile() ?? Data()
        return Outcome(
            exitCode: process.exitCode(), output: String(decoding: output, as: UTF8.self),
            error: String(decoding: error, as: UTF8.self))
    }

    private func start(_ arguments: [String], _ environment: [String: String] = [:]) throws -> Process {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: try #require(TestEnvironment.needletail))
        process.arguments = arguments
        process.environment = ["PATH": "/usr/bin:/bin", "NEEDLETAIL_ENV_FILE": ""].merging(environment) { _, theirs in
            theirs
        }
        process.currentDirectoryURL = URL(fileURLWithPath: TestEnvironment.packageRoot)
        process.standardOutput = Pipe()
        process.standardError = Pipe()
        process.standardInput = FileHandle.nullDevice
        try process.start()
        return process
    }

    private func file(_ name: String) throws -> String {
        try String(contentsOfFile: TestEnvironment.packageRoot + "/" + name, encoding: .utf8)
    }

    /// The commands that `--help` lists.
    private func commands() throws -> [String] {
        let help = try run(["--help"])
        #expect(help.exitCode == 0)
        let list = help.output.split(separator: "\nMore\n")[0]
        return list.split(separator: "\n").filter { $0.hasPrefix("  ") && !$0.hasPrefix("   ") }.compactMap { line in
            line.dropFirst(2).firstRange(of: "  ").map { String(line.dropFirst(2)[..<$0.lowerBound]) }
        }
    }

    @Test func `every command explains itself with an example of itself`() throws {
        let commands = try commands()
        #expect(commands.contains("transform") && commands.contains("serve"))
        for command in commands {
            let words = command.split(separator: " ").map(String.init)
            let help = try run(words + ["--help"])
            #expect(help.exitCode == 0, "\(command)")
            let example = help.output.split(separator: "Example\n").last ?? ""
            #expect(
                example.contains("needletail \(command) ") || example.hasSuffix("needletail \(command)\n"), "\(example)"
            )
            let wrong = try run(words + ["--no-such-flag"])
            #expect(wrong.exitCode == 64, "\(command)")
            #expect(wrong.error.split(separator: "\n").count == 1, "\(command): \(wrong.error)")
        }
    }

    @Test func `the scripts and the program know the same ports`() throws {
        let scripts = try file("scripts/lib.sh")
        let declared = try #require(scripts.firstMatch(of: /\nports="([^"]*)"/)).1
        let ports = Set(declared.split(whereSeparator: \.isWhitespace).map { "#\($0)" })
        let example = Set(
            try file(".env.example").split(separator: "\n").map(String.init).filter { $0.contains("PORT=") })
        #expect(ports.count == 7)
        // These are settings of one process.
        let own: Set = ["#BROKER_PORT=19092", "#ADMIN_PORT=", "#FEATURE_SERVER_PORT=6566"]
        #expect(own.isSubset(of: example) && example.subtracting(own) == ports)
    }

    @Test func `a word that is no command or option of a family is a usage error`() throws {
        for words in [
            ["features", "--no-such-flag"], ["features", "no-such-word"], ["no-such-command"], ["--no-such-flag"],
        ] {
            let wrong = try run(words)
            #expect(wrong.exitCode == 64, "\(words)")
            #expect(!wrong.error.contains("apply`?"), "\(wrong.error)")
        }
    }

    @Test func `a name in .env that is nearly one of ours is told`() throws {
        let folder = try TestEnvironment.temporaryFolder("env")
        try "LOG_LEVL=debug\nAWS_REGION=x\nKAFKA_PRT=1\n".write(
            toFile: folder + "/env", atomically: true, encoding: .utf8)
        let list = try run(["features", "list"], ["NEEDLETAIL_ENV_FILE": folder + "/env"])
        #expect(list.exitCode == 0)
        let lines = list.error.split(separator: "\n")
        #expect(lines.count == 2, "\(list.error)")
        #expect(lines.contains { $0.contains(#""did_you_mean":"LOG_LEVEL","name":"LOG_LEVL""#) })
        #expect(lines.contains { $0.contains(#""did_you_mean":"KAFKA_PORT","name":"KAFKA_PRT""#) })
    }

    @Test(.timeLimit(.minutes(1))) func `two schedules never follow one crontab`() throws {
        let crontab = try TestEnvironment.temporaryFolder("schedule") + "/crontab"
        try "0 0 1 1 * true\n".write(toFile: crontab, atomically: true, encoding: .utf8)
        let first = try start(["schedule", "--crontab", crontab])
        let error = try #require(first.standardError as? Pipe).fileHandleForReading
        let said = String(decoding: error.availableData, as: UTF8.self)
        #expect(said.contains("schedule read"))
        let second = try run(["schedule", "--crontab", crontab])
        #expect(second.exitCode == 75)
        #expect(second.error.contains("follows \(crontab) already"))
        #expect(try run(["schedule", "--crontab", crontab, "--list"]).exitCode == 0)
        first.terminate()
        #expect(first.exitCode() == 0)
    }

    @Test(
        .timeLimit(.minutes(1)),
        arguments: ["train --from-store", "features apply", "transform --exit-at-end", "transform"])
    func `a command stopped while it waits for a server says so by its exit code, a service ends cleanly`(line: String)
        throws
    {
        let words = line.split(separator: " ").map(String.init)
        let process = try start(
            words + ["--log-format", "json"],
            [
                "DATABASE_URL": "postgresql://needletail@127.0.0.1:1/x", "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
                "REDIS_URL": "redis://127.0.0.1:1",
            ])
        let error = try #require(process.standardError as? Pipe).fileHandleForReading
        var text = ""
        while !text.contains("waiting for a server") {
            let data = error.availableData
            if data.isEmpty { break }
            text += String(decoding: data, as: UTF8.self)
        }
        process.terminate()
        let exitCode = process.exitCode()
        text += String(decoding: error.readDataToEndOfFile(), as: UTF8.self)
        #expect(exitCode == (line == "transform" ? 0 : 75), "\(text)")
        #expect(text.contains("stopped before its end") == (line != "transform"), "\(text)")
    }

    @Test func `the example environment file is what the program declares`() throws {
        let printed = try run(["settings", "--format", "env"])
        #expect(try printed.output == file(".env.example"), "make settings writes it anew")
    }

    @Test func `the README's table is what the program declares`() throws {
        let printed = try run(["settings", "--format", "markdown"])
        #expect(printed.output.contains("`KAFKA_BOOTSTRAP_SERVERS`"))
        #expect(
            try file("README.md").contains("<!-- settings -->\n" + printed.output + "<!-- end of settings -->"),
            "make settings writes it anew")
    }

    @Test func `the README names every command`() throws {
        let readme = try file("README.md")
        for command in try commands() {
            let shown = command.split(separator: " ").count == 2 ? String(command.split(separator: " ")[1]) : command
            #expect(readme.contains("`\(command)`") || readme.contains("`\(shown)`"), "\(command)")
        }
    }

    @Test func `a server that does not answer is exit 69 and one sentence`() throws {
        let nowhere = try TestEnvironment.freePort()
        let outcome = try run(
            ["transform", "--exit-at-end", "--server-wait-seconds", "0"],
            [
                "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:\(nowhere)", "REDIS_URL": "redis://127.0.0.1:\(nowhere)",
                "DATABASE_URL": "postgresql://needletail@127.0.0.1:\(nowhere)/needletail",
            ])
        #expect(outcome.exitCode == 69)
        #expect(outcome.error.contains("does not answer"))
    }

    @Test func `a bad variable names itself and is exit 78`() throws {
        let outcome = try run(["transform"], ["BATCH_EVENTS": "many"])
        #expect(outcome.exitCode == 78)
        #expect(outcome.error.contains("BATCH_EVENTS") && outcome.error.contains("many"))
    }

    @Test func `the crontab is valid and its commands exist`() throws {
        let listed = try run(["schedule", "--list"])
        #expect(listed.exitCode == 0)
        let known = try commands()
        for line in listed.output.split(separator: "\n") {
            let words = line.split(separator: " ").map(String.init)
            let index = try #require(words.firstIndex(of: "needletail"))
            let called = [1, 2].map { words[(index + 1)...].prefix($0).joined(separator: " ") }
            #expect(called.contains { known.contains($0) }, "\(line)")
        }
    }

    @Test(.timeLimit(.minutes(1)), arguments: [SIGTERM, SIGINT])
    func `a signal ends a service cleanly`(signal: Int32) throws {
        let process = try start(["schedule", "--log-format", "json"])
        let pipe = try #require(process.standardError as? Pipe)
        let first = pipe.fileHandleForReading.availableData
        #expect(String(decoding: first, as: UTF8.self).contains("\"message\":\"schedule read\""))
        kill(process.processIdentifier, signal)
        #expect(process.exitCode() == 0)
    }
}
