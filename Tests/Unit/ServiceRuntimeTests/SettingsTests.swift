import ServiceRuntime
import Testing

@Suite struct SettingsTests {
    static let batch = Setting<Int>("batch-events", default: 500, in: 1...10_000, help: "Most events at once.")
    static let loop = Setting<Bool>("loop", default: false, help: "Start again at the end.")
    static let limit = Setting<Int?>("limit", in: 1...100, help: "Most rows.", flagOnly: true)
    static let password = Setting<String>("password", default: "", help: "A secret.", secret: true)
    static let rate = Setting<Double>("rate", default: 1.5, in: 0...100, help: "A rate.")
    static let key = Setting<UInt64>("key", default: 0, in: 0...9, help: "A key.", secret: true)
    enum Mode: String, SettingChoice { case fast, exact }
    static let mode = Setting<Mode>("mode", default: .fast, help: "How.")
    static let declared: [any SettingProtocol] = [batch, loop, limit, password, rate, key, mode, .redisURL, .adminPort]

    private func read(
        _ words: [String], _ environment: [String: String] = [:], dotEnv: [String: String] = [:],
        arguments: Bool = false
    ) throws(CommandError) -> Settings {
        try Settings(
            words, declared: Self.declared, takesArguments: arguments, environment: environment, dotEnv: dotEnv)
    }

    @Test func `a flag wins over a variable, a variable over the file, the file over the default`() throws {
        #expect(try read([])[Self.batch] == 500)
        #expect(try read([], dotEnv: ["BATCH_EVENTS": "2"])[Self.batch] == 2)
        #expect(try read([], ["BATCH_EVENTS": "3"], dotEnv: ["BATCH_EVENTS": "2"])[Self.batch] == 3)
        #expect(try read(["--batch-events", "4"], ["BATCH_EVENTS": "3"])[Self.batch] == 4)
        #expect(try read(["--batch-events=5"], ["BATCH_EVENTS": "3"])[Self.batch] == 5)
    }

    @Test func `an empty variable counts as absent`() throws {
        #expect(try read([], ["BATCH_EVENTS": ""], dotEnv: ["BATCH_EVENTS": "7"])[Self.batch] == 7)
    }

    @Test func `flags of every type are read`() throws {
        let settings = try read(["--loop", "--limit", "7", "--rate", "2.25", "--mode", "exact", "--password", "p"])
        #expect(settings[Self.loop])
        #expect(settings[Self.limit] == 7)
        #expect(settings[Self.rate] == 2.25)
        #expect(settings[Self.mode] == .exact)
        #expect(settings[Self.password] == "p")
        #expect(try read(["--loop=false"])[Self.loop] == false)
        #expect(try read([])[Self.limit] == nil)
        #expect(try read([])[.adminPort] == nil)
        #expect(try read([])[.redisURL] == "redis://127.0.0.1:16379?passfile=var/redis.pass")
        #expect(try read(["--batch-events", "1_000"])[Self.batch] == 1000)
    }

    @Test func `a setting for one run has no variable`() throws {
        #expect(try read([], ["LIMIT": "5"])[Self.limit] == nil)
    }

    @Test func `an unknown flag is a usage error with a suggestion`() {
        let error = #expect(throws: CommandError.self) { try read(["--batch-event", "3"]) }
        #expect(error?.exitCode == .usage)
        #expect(error?.message.contains("Did you mean --batch-events?") == true)
        let far = #expect(throws: CommandError.self) { try read(["--zzzzzzzz"]) }
        #expect(far?.message.contains("Did you mean") == false)
    }

    @Test(arguments: ["abc", "0", "10001", "1.5", "", "99999999999999999999"])
    func `a bad value names its origin and what is allowed`(text: String) {
        let error = #expect(throws: CommandError.self) { try read(["--batch-events", text]) }
        #expect(error?.exitCode == .usage)
        #expect(error?.message == "the flag --batch-events: \"\(text)\" is not a whole number from 1 to 10000.")
        guard !text.isEmpty else { return }
        let variable = #expect(throws: CommandError.self) { try read([], ["BATCH_EVENTS": text]) }
        #expect(variable?.exitCode == .configuration)
        #expect(variable?.message.hasPrefix("the variable BATCH_EVENTS: ") == true)
    }

    @Test func `a secret is not printed when it is wrong`() {
        let error = #expect(throws: CommandError.self) { try read([], ["KEY": "hunter2"]) }
        #expect(error?.message.contains("hunter2") == false)
        #expect(error?.message.contains("KEY") == true)
    }

    @Test func `a flag without its value does not take the next flag`() {
        let error = #expect(throws: CommandError.self) { try read(["--batch-events", "--loop"]) }
        #expect(error?.message.contains("--batch-events needs a value") == true)
        #expect(throws: CommandError.self) { try read(["--batch-events"]) }
    }

    @Test func `arguments are kept in order and refused where none belong`() throws {
        let settings = try read(["a", "--loop", "-", "-5", "--", "--limit"], arguments: true)
        #expect(settings.arguments == ["a", "-", "-5", "--limit"])
        let error = #expect(throws: CommandError.self) { try read(["a"]) }
        #expect(error?.exitCode == .usage)
        #expect(throws: CommandError.self) { try read(["-x"]) }
    }

    @Test func `a required setting that is missing is named`() {
        let input = Setting<String>(required: "input", help: "The file.", flagOnly: true)
        let error = #expect(throws: CommandError.self) { try Settings([], declared: [input]) }
        #expect(error?.exitCode == .usage)
        #expect(error?.message.contains("--input") == true)
    }

    @Test func `a default address follows the port that make up moved`() throws {
        #expect(try read([], ["REDIS_PORT": "17000"])[.redisURL] == "redis://127.0.0.1:17000?passfile=var/redis.pass")
        let filed = try read([], dotEnv: ["REDIS_PORT": "17001"])
        #expect(filed[.redisURL] == "redis://127.0.0.1:17001?passfile=var/redis.pass")
        #expect(filed.environment["REDIS_URL"] == filed[.redisURL])
        #expect(!filed.isGiven(.redisURL as Setting<String>))
        #expect(try read([], ["REDIS_PORT": "17002"], dotEnv: ["REDIS_PORT": "17001"])[.redisURL].contains(":17002?"))
        #expect(try read([], ["REDIS_PORT": "17002", "REDIS_URL": "redis://r:1"])[.redisURL] == "redis://r:1")
        let port = Setting<Int>("port", default: 19092, in: 0...65_535, help: "A port.").following(.kafka)
        #expect(try Settings([], declared: [port], environment: ["KAFKA_PORT": "19093"])[port] == 19093)
    }

    @Test(arguments: ["0", "65536", "x", "-1"])
    func `a moved port that is none is refused by its name`(text: String) {
        let error = #expect(throws: CommandError.self) { try read([], dotEnv: ["REDIS_PORT": text]) }
        #expect(error?.exitCode == .configuration)
        #expect(error?.message == "REDIS_PORT in .env: \"\(text)\" is not a whole number from 1 to 65535.")
    }

    @Test func `definitions see flags, variables, the file and defaults`() throws {
        let environment = try read(["--batch-events", "9"], ["HOME": "/h", "RATE": "3"], dotEnv: ["OTHER": "o"])
            .environment
        #expect(environment["BATCH_EVENTS"] == "9")
        #expect(environment["HOME"] == "/h")
        #expect(environment["RATE"] == "3")
        #expect(environment["OTHER"] == "o")
        #expect(environment["REDIS_URL"] == "redis://127.0.0.1:16379?passfile=var/redis.pass")
    }

    @Test func `an env file may hold comments, quotes and exports`() {
        let text = """
            # comment
            A=1
            export B = two words  # a comment
            C="quoted # text"   # rest
            D='single'
            E=pass#word
            F=
            nonsense
            G=a=b\r
            """
        let expected = [
            "A": "1", "B": "two words", "C": "quoted # text", "D": "single", "E": "pass#word", "F": "", "G": "a=b",
        ]
        #expect(DotEnv.parse(text) == expected)
    }
}
