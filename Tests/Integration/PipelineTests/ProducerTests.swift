import FeatureEngine
import FeatureStore
import Foundation
import JSON
import KafkaClient
import TestSupport
import Testing

/// Topics of its own on a broker, a feature repository that names them, and a file of rows.
private final class ProduceFixture {
    let servers: String
    let folder: String
    let events: String
    let labels: String
    let program: String

    init(_ server: KafkaServer) throws {
        servers = server.bootstrapServers
        program = try #require(TestEnvironment.needletail)
        folder = try TestEnvironment.temporaryFolder("produce")
        let suffix = UUID().uuidString.prefix(8).lowercased()
        (events, labels) = ("payments-\(suffix)", "labels-\(suffix)")
        let files = FileManager.default
        let repository = TestEnvironment.packageRoot + "/feature_repo"
        try files.createDirectory(atPath: folder + "/feature_repo", withIntermediateDirectories: true)
        for name in try files.contentsOfDirectory(atPath: repository) where name.hasSuffix(".yaml") {
            let text = try String(contentsOfFile: repository + "/" + name, encoding: .utf8)
                .replacing("topic: transactions", with: "topic: \(events)")
                .replacing("topic: labels", with: "topic: \(labels)")
            try text.write(toFile: folder + "/feature_repo/" + name, atomically: true, encoding: .utf8)
        }
    }

    /// One row every ten minutes, of a hundred cards.
    func writeRows(_ count: Int, change: (Int, inout [String]) -> Void = { _, _ in }) throws {
        let names = [
            "", "trans_date_trans_time", "cc_num", "merchant", "category", "amt", "lat", "long", "trans_num",
            "merch_lat", "merch_long", "is_fraud",
        ]
        var text = names.joined(separator: ",") + "\n"
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.timeZone = TimeZone(identifier: "UTC")
        formatter.dateFormat = "yyyy-MM-dd HH:mm:ss"
        for index in 0..<count {
            let time = formatter.string(from: Date(timeIntervalSince1970: 1_546_300_800 + Double(index) * 600))
            var cells = [
                "\(index)", time, "4\(100_000_000_000 + index % 100)", "\"fraud_Kirlin, \"\"and\"\" Sons\"", "travel",
                "\(index % 900).25", "40.5", "-73.25", "id-\(index)", "40.75", "-73.5", index % 50 == 0 ? "1" : "0",
            ]
            change(index, &cells)
            text += cells.joined(separator: ",") + "\n"
        }
        try text.write(toFile: folder + "/rows.csv", atomically: true, encoding: .utf8)
    }

    var arguments: [String] {
        [
            program, "produce", "--input", folder + "/rows.csv", "--kafka-bootstrap-servers", servers,
            "--feature-repo", folder + "/feature_repo",
        ]
    }

    func run(_ more: String...) throws -> (output: String, exitCode: Int32) {
        try TestCommand.run(arguments + more, seconds: 120)
    }

    func start(_ more: String...) throws -> TestProcess {
        try TestProcess(arguments + more, logPath: folder + "/produce.log")
    }

    /// Every record of a topic: its partition and key, and the id it names.
    func records(_ topic: String, id: String) throws -> [(partition: Int32, key: [UInt8], id: String)] {
        let admin = try KafkaAdmin(bootstrapServers: servers)
        let count = try #require(try admin.partitionCount(topic: topic))
        var wanted: [KafkaPartition: Int64] = [:]
        for partition in 0..<Int32(count) {
            let name = KafkaPartition(topic, partition)
            wanted[name] = try admin.watermarks(of: name).high
        }
        let consumer = try KafkaConsumer(KafkaConsumerConfiguration(bootstrapServers: servers, group: "reader"))
        for partition in wanted.keys { try consumer.assign(partition, offset: 0) }
        var result: [(partition: Int32, key: [UInt8], id: String)] = []
        let total = wanted.values.reduce(0, +)
        let deadline = Date(timeIntervalSinceNow: 60)
        while result.count < total, Date() < deadline {
            let batch = try consumer.nextBatch(max: 5_000, timeoutMillis: 200)
            for run in batch.runs {
                for index in run.records {
                    let tree = try JSONTree.parse(batch.value(at: index))
                    result.append((run.partition.partition, batch.key(at: index), tree[id]?.string ?? ""))
                }
            }
        }
        #expect(result.count == Int(total))
        return result
    }

    /// How many events the broker has now; 0 while there is no topic.
    func arrived() throws -> Int64 {
        let admin = try KafkaAdmin(bootstrapServers: servers)
        let count = try admin.partitionCount(topic: events) ?? 0
        return try (0..<Int32(count)).map {
            try admin.watermarks(of: KafkaPartition(events, $0)).high
        }.reduce(0, +)
    }

    /// The numbers of the events that arrived, repeats included.
    func numbers() throws -> [Int] {
        try records(events, id: "trans_num").compactMap { Int($0.id.dropFirst(3)) }.sorted()
    }

    func savedRow() -> Int {
        guard let data = FileManager.default.contents(atPath: folder + "/state.json"),
            let tree = try? JSONTree.parse(Array(data))
        else { return 0 }
        return tree["next_row"]?.int ?? 0
    }
}

@Suite(.enabled(if: KafkaServer.isAvailable, "\(KafkaServer.absence)"), .serialized, .timeLimit(.minutes(5)))
struct ProducerTests {
    @Test func `every row arrives once on Java's partition, and labels follow by event time`() throws {
        let fixture = try ProduceFixture(try TestServers.kafka())
        try fixture.writeRows(20_000)
        let (output, code) = try fixture.run()
        #expect(code == 0, "\(output)")
        #expect(output.contains("sent 20000, acknowledged 20000, failed 0, malformed 0"))
        let records = try fixture.records(fixture.events, id: "trans_num")
        #expect(records.compactMap { Int($0.id.dropFirst(3)) }.sorted() == Array(0..<20_000))
        for record in records {
            #expect(record.partition == EntityPlacement.partition(of: record.key, among: 4, by: .murmur2))
        }
        // 1,008 rows are a week: those younger than the newest event's week have no label yet.
        let labels = try fixture.records(fixture.labels, id: "event_id")
        #expect(Set(labels.map(\.id)).count == labels.count)
        #expect(labels.count == 20_000 - 1_008)
        #expect(!labels.contains { $0.id == "id-18992" } && labels.contains { $0.id == "id-18991" })
    }

    @Test func `killed with -9 again and again it loses no row, and repeats only what was not yet in the state`() throws
    {
        let fixture = try ProduceFixture(try TestServers.kafka())
        try fixture.writeRows(6_000)
        let state = fixture.folder + "/state.json"
        var random = SeededRandom(seed: 4)
        for _ in 0..<3 {
            let before = fixture.savedRow()
            let process = try fixture.start("--rate", "1000", "--state", state)
            #expect(TestEnvironment.waits(seconds: 30) { fixture.savedRow() > before })
            usleep(UInt32.random(in: 0..<700_000, using: &random))
            process.killNow()
        }
        let (output, code) = try fixture.run("--state", state)
        #expect(code == 0, "\(output)")
        let numbers = try fixture.numbers()
        #expect(Set(numbers) == Set(0..<6_000))
        #expect(numbers.count < 6_000 + 3 * 4_000)
        #expect(fixture.savedRow() == 6_000)
        let labels = try fixture.records(fixture.labels, id: "event_id")
        #expect(Set(labels.map(\.id)).count == 6_000 - 1_008)
    }

    @Test func `stopped by TERM it says so and goes on without a gap or a repeat`() throws {
        let fixture = try ProduceFixture(try TestServers.kafka())
        try fixture.writeRows(3_000)
        let state = fixture.folder + "/state.json"
        let process = try fixture.start("--rate", "1000", "--state", state)
        #expect(TestEnvironment.waits(seconds: 30) { fixture.savedRow() > 0 })
        #expect(process.terminate(seconds: 15))
        #expect(process.log.contains("acknowledged"))
        #expect(process.log.contains("stopped before the end") && process.log.contains("with --state"))
        let stopped = fixture.savedRow()
        #expect(stopped > 0 && stopped < 3_000)
        let (output, code) = try fixture.run("--state", state)
        #expect(code == 0, "\(output)")
        #expect(output.contains("sent \(3_000 - stopped), acknowledged \(3_000 - stopped), failed 0"))
        #expect(try fixture.numbers() == Array(0..<3_000))
    }

    @Test func `a stop is heard while a pipe rests, and the cut row is not sent`() throws {
        let fixture = try ProduceFixture(try TestServers.kafka())
        try fixture.writeRows(100)
        let pipe = fixture.folder + "/pipe"
        let text = try String(contentsOfFile: fixture.folder + "/rows.csv", encoding: .utf8)
        // Whole rows, then the beginning of one with an open quote, and then nothing for a long time.
        try (text + "100,2019-01-02 00:00:00,4100,\"frau").write(toFile: pipe, atomically: true, encoding: .utf8)
        let script = #"(cat "$1"; exec sleep 60) | { shift; exec sh -c 'echo $$ >"$0"; exec "$@"' "$@"; }"#
        let process = try TestProcess(
            [
                "/bin/sh", "-c", script, "sh", pipe, fixture.folder + "/pid", fixture.program, "produce", "--input",
                "-",
                "--kafka-bootstrap-servers", fixture.servers, "--feature-repo", fixture.folder + "/feature_repo",
            ], logPath: fixture.folder + "/pipe.log")
        #expect(TestEnvironment.waits(seconds: 30) { (try? fixture.arrived()) == 100 })
        let pid = try String(contentsOfFile: fixture.folder + "/pid", encoding: .utf8)
        kill(try #require(pid_t(pid.trimmingCharacters(in: .whitespacesAndNewlines))), SIGTERM)
        #expect(TestEnvironment.waits(seconds: 15) { process.log.contains("sent 100, acknowledged 100, failed 0") })
        process.killNow()
        #expect(try fixture.numbers() == Array(0..<100))
    }

    @Test func `a row too large is told with its line and the others are sent`() throws {
        let fixture = try ProduceFixture(try TestServers.kafka())
        try fixture.writeRows(10) { index, cells in
            if index == 4 { cells[3] = String(repeating: "m", count: 2_000_000) }
            if index == 7 { cells[5] = "1e3" }
            if index == 8 { cells[8] = String(repeating: "i", count: 300) }
        }
        let (output, code) = try fixture.run()
        #expect(code == 65, "\(output)")
        #expect(output.contains("sent 7, acknowledged 7, failed 1, malformed 2"))
        #expect(output.contains("\"line\":6") && output.contains("\"line\":9"))
        #expect(
            output.contains("trans_num: is 300 bytes long, at most 256 are allowed") && output.contains("\"line\":10"))
        #expect(try fixture.numbers() == [0, 1, 2, 3, 5, 6, 9])
    }

    @Test func `a missing broker is named with its address and the exit code says unavailable`() throws {
        let fixture = try ProduceFixture(try TestServers.kafka())
        try fixture.writeRows(1)
        let (output, code) = try TestCommand.run([
            fixture.program, "produce", "--input", fixture.folder + "/rows.csv", "--kafka-bootstrap-servers",
            "127.0.0.1:9", "--feature-repo", fixture.folder + "/feature_repo", "--server-wait-seconds", "1",
        ])
        #expect(code == 69)
        #expect(output.contains("127.0.0.1:9"))
    }

    @Test func `a missing column, a missing file and flags that exclude each other are one sentence each`() throws {
        let fixture = try ProduceFixture(try TestServers.kafka())
        try "trans_date_trans_time,cc_num\n1,2\n".write(
            toFile: fixture.folder + "/rows.csv", atomically: true, encoding: .utf8)
        let missing = try fixture.run()
        #expect(missing.exitCode == 65)
        #expect(missing.output.contains("missing columns") && missing.output.contains("merch_long"))
        let both = try fixture.run("--rate", "5", "--speed", "5")
        #expect(both.exitCode == 64)
        try FileManager.default.removeItem(atPath: fixture.folder + "/rows.csv")
        #expect(try fixture.run().exitCode == 66)
    }

    @Test func `a broker that is killed and comes back loses and doubles nothing`() throws {
        let server = try KafkaServer()
        try server.start()
        defer { server.stop() }
        let fixture = try ProduceFixture(server)
        try fixture.writeRows(4_000)
        let process = try fixture.start("--rate", "1000")
        // In the middle of the replay: some hundreds are acknowledged, thousands are to come.
        #expect(TestEnvironment.waits(seconds: 30) { ((try? fixture.arrived()) ?? 0) > 500 })
        server.kill()
        #expect(TestEnvironment.waits(seconds: 30) { process.log.contains("Kafka does not answer; waiting") })
        #expect(process.isRunning)
        try server.start()
        #expect(process.waitUntilExit(seconds: 120))
        #expect(process.log.contains("sent 4000, acknowledged 4000, failed 0"), "\(process.log)")
        #expect(try fixture.numbers() == Array(0..<4_000))
    }
}
