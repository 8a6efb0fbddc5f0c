import Observability
@testable import ServiceRuntime
import Synchronization
import Testing

private struct EchoCommand: Command {
    static let name = "echo"
    static let summary = "Say it again."
    static let example = "needletail echo --count 2 hello"
    static let count = Setting<Int>("count", default: 1, in: 1...9, help: "How often.")
    static let token = Setting<String>("token", default: "s3cret", help: "A key.", secret: true)
    static let settings: [any SettingProtocol] = [count, token, .redisURL]
    static let arguments = "WORD..."
    func run(_ settings: Settings, _ runtime: ServiceRuntime) async throws {}
}
private struct ListCommand: Command {
    static let name = "words list"
    static let summary = "List words."
    static let example = "needletail words list"
    static let isReadOnly = true
    static let settings: [any SettingProtocol] = []
    func run(_ settings: Settings, _ runtime: ServiceRuntime) async throws {}
}
private struct ApplyCommand: Command {
    static let name = "words apply"
    static let summary = "Write words."
    static let example = "needletail words apply"
    static let settings: [any SettingProtocol] = []
    func run(_ settings: Settings, _ runtime: ServiceRuntime) async throws {}
}

@Suite struct CommandLineTests {
    private let program = CommandLineProgram(
        name: "needletail", version: "1.2.3", summary: "tests.",
        groups: [CommandGroup("Words", [EchoCommand.self, ListCommand.self, ApplyCommand.self])])

    private func printed(_ words: String...) throws -> String {
        guard case .print(let text) = try program.request(words) else { return "" }
        return text
    }

    @Test func `help lists every command under its heading`() throws {
        let help = try printed("--help")
        #expect(try help == printed() && help == printed("help"))
        let lines = help.split(separator: "\n").map { $0.split(separator: " ").joined(separator: " ") }
        #expect(
            lines.dropFirst(2).prefix(4) == [
                "Words", "echo Say it again.", "words list List words.", "words apply Write words.",
            ])
        #expect(try printed("--version") == "needletail 1.2.3")
    }

    @Test func `a command's help shows options, defaults, variables and the example, and no secret`() throws {
        let help = try printed("echo", "--help")
        #expect(try help == printed("help", "echo"))
        #expect(help.contains("Usage: needletail echo [options] WORD..."))
        #expect(help.contains("--count N"))
        #expect(help.contains("[default 1; from 1 to 9; COUNT]"))
        #expect(help.contains("needletail echo --count 2 hello"))
        #expect(!help.contains("s3cret"))
    }

    @Test(arguments: [40, 60, 80, 120]) func `help keeps to the width`(width: Int) {
        for text in [program.help(width: width), program.help(of: EchoCommand.self, width: width)] {
            for line in text.split(separator: "\n") where line.count > width {
                // Only a word that is longer than its column, or what is to be copied.
                let isWhole = line.hasPrefix("Settings") || line.hasPrefix("Usage") || line.hasPrefix("  needletail")
                #expect(isWhole || line.dropFirst(14).drop { $0 == " " }.split(separator: " ").count == 1, "\(line)")
            }
        }
        for code in ExitCode.allCases {
            #expect(program.help(width: 120).contains("  \(code.rawValue)  "))
            #expect(program.help(width: 400).contains(code.meaning))
        }
    }

    @Test func `a word for an option's value says what completes it`() {
        func value(_ placeholder: String?) -> CommandOutline.Value { CommandOutline.Value(placeholder) }
        #expect(value(nil) == .none && value("") == .none && value("N") == .any && value("WORD") == .any)
        #expect(value("FILE") == .file && value("FILE|-") == .file && value("DIR|FILE") == .file)
        #expect(value("DIR") == .folder && value("json|text") == .words(["json", "text"]))
    }

    @Test(arguments: [
        ("a-b", "a\\-b"), (".TH x", "\\&.TH x"), ("a\n.b", "a\n\\&.b"), ("it's", "it\\(aqs"), ("c:\\n", "c:\\en"),
        ("é…", "\\[u00E9]\\[u2026]"), ("'x", "\\(aqx"),
    ])
    func `text means nothing to roff`(text: String, roff: String) { #expect(CommandLineProgram.roff(text) == roff) }

    @Test func `a command of two words is found, and its first word alone lists the family`() throws {
        guard case .run(let command, let rest) = try program.request(["words", "list", "--x"]) else {
            Issue.record("not a run")
            return
        }
        #expect(command.name == "words list")
        #expect(rest == ["--x"])
        #expect(try printed("words").contains("words list"))
        let error = #expect(throws: CommandError.self) { try program.request(["words", "lst"]) }
        #expect(error?.message.contains("Did you mean `needletail words list`?") == true)
    }

    @Test func `an unknown command is a usage error with a suggestion`() {
        let error = #expect(throws: CommandError.self) { try program.request(["ehco"]) }
        #expect(error?.exitCode == .usage)
        #expect(error?.message.contains("Did you mean `needletail echo`?") == true)
    }

    @Test func `a family takes no option but help`() throws {
        let error = #expect(throws: CommandError.self) { try program.request(["words", "--no-such-flag"]) }
        #expect(error?.exitCode == .usage)
        #expect(error?.message.contains("--no-such-flag") == true)
        #expect(try printed("words", "--help") == printed("words"))
        #expect(try printed("words", "--help", "list") == printed("words", "list", "--help"))
    }

    @Test func `a command that writes is suggested only for a slip in its own name`() {
        func message(_ words: String...) -> String {
            #expect(throws: CommandError.self) { try program.request(words) }?.message ?? ""
        }
        #expect(message("words", "aply").contains("Did you mean `needletail words apply`?"))
        #expect(message("words", "app").contains("Did you mean `needletail words apply`?"))
        #expect(!message("words", "verify").contains("Did you mean"))
        #expect(!message("words", "reply").contains("Did you mean"))
        #expect(message("words", "lis").contains("Did you mean `needletail words list`?"))
    }

    @Test func `all settings print once, without secrets`() throws {
        let table = try printed("settings", "--format", "markdown")
        #expect(table.contains("| `COUNT` | `--count N` | `1` | How often. | echo |"))
        #expect(table.contains("| `TOKEN` | `--token TEXT` |  | A key. | echo |"))
        let file = try printed("settings", "--format", "env")
        #expect(file.contains("# How often. (a whole number from 1 to 9)\n#COUNT=1\n"))
        #expect(!file.contains("s3cret"))
        #expect(
            table.contains(
                "| `REDIS_PORT` |  | `16379` | Port of the Redis that `make up` starts. | make up, `REDIS_URL` |"))
        #expect(file.contains("\n#KAFKA_PORT=19092\n") && file.contains("\n#DATA=\n"))
        #expect(
            program.knownVariables.isSuperset(of: ["COUNT", "SCHEDULE_ADMIN_PORT", "NEEDLETAIL_ROWS", "LOG_LEVEL"]))
    }
}

@Suite struct ServiceRuntimeTests {
    private final class Journal: Sendable {
        private let entries = Mutex<[String]>([])
        func add(_ entry: String) { entries.withLock { $0.append(entry) } }
        var all: [String] { entries.withLock { $0 } }
    }
    private struct Failure: Error, Equatable {}
    private struct Recorder: Service {
        let name: String
        let journal: Journal
        var failsAtStart = false
        var body: (@Sendable (ServiceRuntime) async throws -> Void)?
        var stopHangs = false
        func start() async throws {
            if failsAtStart { throw Failure() }
            journal.add("start \(name)")
        }
        func run(_ runtime: ServiceRuntime) async throws {
            if let body { try await body(runtime) } else { await runtime.untilStopped() }
        }
        func stop() async throws {
            journal.add("stop \(name)")
            if stopHangs { try? await Task.sleep(for: .seconds(3600)) }
        }
    }

    @Test func `services start in order and stop in reverse when one is done`() async throws {
        let journal = Journal()
        let runtime = ServiceRuntime()
        try await runtime.run([
            ("a", Recorder(name: "a", journal: journal)),
            ("b", Recorder(name: "b", journal: journal, body: { _ in journal.add("work") })),
        ])
        #expect(journal.all == ["start a", "start b", "work", "stop b", "stop a"])
        #expect(runtime.isStopping)
    }

    @Test func `a service that cannot start stops those before it and its error comes out`() async {
        let journal = Journal()
        await #expect(throws: Failure()) {
            try await ServiceRuntime().run([
                ("a", Recorder(name: "a", journal: journal)),
                ("b", Recorder(name: "b", journal: journal, failsAtStart: true)),
                ("c", Recorder(name: "c", journal: journal)),
            ])
        }
        #expect(journal.all == ["start a", "stop a"])
    }

    @Test func `an error while running stops all and comes out`() async {
        let journal = Journal()
        await #expect(throws: Failure()) {
            try await ServiceRuntime().run([
                ("a", Recorder(name: "a", journal: journal)),
                ("b", Recorder(name: "b", journal: journal, body: { _ in throw Failure() })),
            ])
        }
        #expect(journal.all == ["start a", "start b", "stop b", "stop a"])
    }

    @Test func `a service that does not stop is left behind at its deadline`() async throws {
        let journal = Journal()
        try await ServiceRuntime().run(
            [
                ("a", Recorder(name: "a", journal: journal)),
                ("b", Recorder(name: "b", journal: journal, body: { _ in }, stopHangs: true)),
            ], stopDeadlineMillis: 20)
        #expect(journal.all == ["start a", "start b", "stop b", "stop a"])
    }

    @Test func `stopping wakes waiters and calls handlers once, late ones at once`() async {
        let journal = Journal()
        let runtime = ServiceRuntime()
        runtime.onStop { journal.add("early") }
        async let waiting: Void = runtime.untilStopped()
        runtime.stop()
        runtime.stop()
        await waiting
        runtime.onStop { journal.add("late") }
        #expect(journal.all == ["early", "late"])
        #expect(await runtime.sleep(millis: 60_000) == false)
    }

    @Test func `a cancelled task stops waiting`() async {
        let runtime = ServiceRuntime()
        let task = Task { await runtime.untilStopped() }
        task.cancel()
        await task.value
        #expect(!runtime.isStopping)
    }

    @Test func `a server that never answers ends as unavailable`() async {
        let error = await #expect(throws: CommandError.self) {
            try await ServiceRuntime(serverWaitSeconds: 0).waiting(for: "Redis at 127.0.0.1:1") { throw Failure() }
        }
        #expect(error?.exitCode == .unavailable)
        #expect(error?.message.contains("Redis at 127.0.0.1:1") == true)
    }

    @Test func `a server that answers late is waited for, and a final error is not`() async throws {
        let tries = Atomic<Int>(0)
        let value = try await ServiceRuntime(serverWaitSeconds: 30).waiting(for: "Redis") {
            guard tries.add(1, ordering: .relaxed).newValue > 1 else { throw Failure() }
            return 7
        }
        #expect(value == 7)
        let error = await #expect(throws: CommandError.self) {
            try await ServiceRuntime().waiting(for: "Redis") { throw CommandError(.configuration, "bad URL") }
        }
        #expect(error?.exitCode == .configuration)
    }

    @Test func `a command that was stopped while it waited exits as unfinished, a service cleanly`() async {
        for (hasEnd, code) in [(true, ExitCode.temporaryFailure), (false, .success)] {
            let runtime = ServiceRuntime(hasEnd: hasEnd)
            let error = await #expect(throws: CommandError.self) {
                try await runtime.waiting(for: "Redis") {
                    runtime.interrupt()
                    throw Failure()
                }
            }
            #expect(error?.exitCode == code)
            #expect(error?.message.contains("Redis did not answer yet") == hasEnd)
        }
    }

    @Test func `work that is done is not an interruption`() {
        let runtime = ServiceRuntime()
        runtime.stop()
        #expect(runtime.isStopping && !runtime.isInterrupted)
        runtime.interrupt()
        #expect(runtime.isInterrupted)
        let error = runtime.stopped("3 of 10 rows are sent")
        #expect(error.exitCode == .temporaryFailure)
        #expect(error.message == "stopped before its end: 3 of 10 rows are sent.")
    }

    @Test func `blocking work runs on a thread of its own and its error comes back`() async throws {
        let runtime = ServiceRuntime()
        #expect(try await runtime.onThread("sum") { (1...10).reduce(0, +) } == 55)
        await #expect(throws: Failure()) { try await runtime.onThread("fail") { throw Failure() } }
    }
}
