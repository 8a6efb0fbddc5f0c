import FeatureEngine
import FeatureStore
import Foundation
import JSON
import KafkaClient
import KafkaProducerService
import ServiceRuntime
import TestSupport
import Testing

/// librdkafka's mock cluster with the two topics, and a small file to replay into it.
final class ReplayFixture {
    let schema: SourceSchema
    let producer: KafkaProducer
    let cluster: MockKafkaCluster
    let folder: String
    var options: ReplayOptions

    struct Received: Equatable {
        let partition: Int32
        let key: String
        let value: String
        let timestampMillis: Int64
    }

    init(delayMillis: Int64 = 7 * 86_400_000, maxRecordBytes: Int = 1_000_000) throws {
        let format = try #require(EventTimeFormat("yyyy-MM-dd HH:mm:ss"))
        schema = SourceSchema(
            name: "payments", topic: "payments",
            fields: [
                Field("id", .string), Field("time", .string), Field("card", .string),
                Field("amount", .decimal(places: 2)), Field("unix_time", .integer, isOptional: true),
                Field("note", .string, isOptional: true),
            ],
            eventIDIndex: 0, eventTimeIndex: 1, eventTimeFormat: format, keyIndex: 2,
            label: LabelDefinition(field: "is_fraud", topic: "labels", delayMillis: delayMillis))
        (producer, cluster) = try MockKafkaCluster.start { $0.maxRecordBytes = maxRecordBytes }
        for topic in ["payments", "labels"] { try cluster.createTopic(topic, partitions: 4) }
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("replay-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        options = ReplayOptions(input: folder + "/input.csv", eventPartitions: 4)
        options.labelPartitions = 4
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    func write(_ rows: [String], header: String = "time,id,card,amount,unix_time,is_fraud") throws {
        let text = ([header] + rows).joined(separator: "\n") + "\n"
        try text.write(toFile: options.input, atomically: true, encoding: .utf8)
    }

    /// `count` rows, one a day from 2019-01-01, of three cards; every fifth is a fraud.
    func writeDays(_ count: Int) throws {
        try write((0..<count).map(Self.day))
    }

    static func day(_ index: Int) -> String {
        let time = 1_546_300_800_000 + Int64(index) * 86_400_000
        let text = CivilTime.iso8601(time).dropLast().replacing("T", with: " ")
        return "\(text),e\(index),card-\(index % 3),\(index).5,\(time / 1_000),\(index % 5 == 0 ? 1 : 0)"
    }

    func run(
        _ runtime: ServiceRuntime = ServiceRuntime(), score: ScoreClient? = nil, clock: ReplayClock = .machine
    ) throws -> ReplaySummary {
        try ReplayProducer(
            options, schema: schema, producer: producer, runtime: runtime, metrics: ReplayMetrics(runtime.metrics),
            score: score, clock: clock
        ).run()
    }

    /// Clocks that only move when somebody sleeps; `onSleep` hears how far they are, ns.
    final class ManualClock {
        var nanos: Int64 = 0
        let startMillis: Int64
        var onSleep: (Int64) -> Void = { _ in }

        init(startMillis: Int64) { self.startMillis = startMillis }

        var clock: ReplayClock {
            ReplayClock(
                nowMillis: { self.startMillis + self.nanos / 1_000_000 },
                monotonicNanos: { UInt64(self.nanos) + 1_000_000_000 },
                sleep: { nanos in
                    self.nanos += nanos
                    self.onSleep(self.nanos)
                })
        }
    }

    /// All records of a topic, by partition and offset.
    func records(_ topic: String) throws -> [Received] {
        var configuration = KafkaConsumerConfiguration(bootstrapServers: cluster.bootstrapServers, group: "reader")
        configuration.reportsEndOfPartition = true
        let consumer = try KafkaConsumer(configuration)
        for partition in 0..<Int32(4) { try consumer.assign(KafkaPartition(topic, partition), offset: 0) }
        var result: [Received] = []
        var ends = 0
        let isWhole = try TestEnvironment.waits(seconds: 20) {
            let batch = try consumer.nextBatch(max: 1_000, timeoutMillis: 100)
            for run in batch.runs {
                for index in run.records {
                    result.append(
                        Received(
                            partition: run.partition.partition,
                            key: String(decoding: batch.key(at: index), as: UTF8.self),
                            value: String(decoding: batch.value(at: index), as: UTF8.self),
                            timestampMillis: batch.timestampMillis(at: index)))
                }
            }
            for case .endOfPartition in batch.events { ends += 1 }
            return ends == 4
        }
        #expect(isWhole)
        return result
    }

    /// The ids of all events, sorted by number.
    func eventIDs() throws -> [String] {
        try records("payments").map { try JSONTree.parse($0.value)["id"]?.string ?? "" }.sorted {
            $0.localizedStandardCompare($1) == .orderedAscending
        }
    }
}

@Suite(.serialized) struct ReplayProducerTests {
    @Test func `every row arrives once, as JSON without its label, on the partition Java gives its key`() throws {
        let fixture = try ReplayFixture()
        try fixture.writeDays(60)
        let before = Int64(Date().timeIntervalSince1970 * 1_000)
        let summary = try fixture.run()
        #expect(summary.sent == 60 && summary.acknowledged == 60)
        #expect(summary.failed == 0 && summary.malformed == 0 && summary.unacknowledged == 0)
        let records = try fixture.records("payments")
        #expect(try fixture.eventIDs() == (0..<60).map { "e\($0)" })
        for record in records {
            #expect(record.partition == EntityPlacement.partition(of: record.key, among: 4, by: .murmur2))
            #expect(record.timestampMillis >= before)
        }
        let first = try #require(records.first { $0.value.contains("\"e7\"") })
        #expect(
            first.value
                == #"{"id":"e7","time":"2019-01-08 00:00:00","card":"card-1","amount":7.50,"unix_time":1546905600}"#)
        #expect(first.key == "card-1")
    }

    @Test func `labels of both classes follow when event time has reached them, and never at the end of a file`() throws
    {
        let fixture = try ReplayFixture()
        try fixture.writeDays(20)
        let summary = try fixture.run()
        // The newest event is of day 19: labels of days 0 to 12 are a week old or older.
        #expect(summary.labelsSent == 13 && summary.labelsAcknowledged == 13 && summary.labelsPending == 7)
        let labels = try fixture.records("labels")
        let events = try fixture.records("payments")
        var seen: Set<String> = []
        for record in labels {
            let tree = try JSONTree.parse(record.value)
            let id = try #require(tree["event_id"]?.string)
            let day = try #require(Int(id.dropFirst()))
            seen.insert(id)
            #expect(tree["label"]?.int == (day % 5 == 0 ? 1 : 0))
            let time = 1_546_300_800_000 + day * 86_400_000
            #expect(tree["event_timestamp"]?.int == time)
            #expect(tree["available_at"]?.int == time + 7 * 86_400_000)
            let event = try #require(events.first { $0.value.contains("\"\(id)\"") })
            #expect(event.key == record.key && event.partition == record.partition)
        }
        #expect(seen == Set((0..<13).map { "e\($0)" }))
    }

    @Test func `a run that goes on from its state sends the rest, labels included`() throws {
        let fixture = try ReplayFixture()
        try fixture.writeDays(30)
        fixture.options.stateFile = fixture.folder + "/state.json"
        fixture.options.limit = 11
        let first = try fixture.run()
        #expect(first.sent == 11 && first.labelsSent == 4 && first.labelsPending == 7)
        fixture.options.limit = nil
        let second = try fixture.run()
        #expect(second.sent == 19 && second.labelsSent == 19 && second.labelsPending == 7)
        #expect(try fixture.eventIDs() == (0..<30).map { "e\($0)" })
        #expect(Set(try fixture.records("labels").map(\.value)).count == 23)
        // At the end there is nothing left to do.
        #expect(try fixture.run().read == 0)
    }

    @Test func `a state of another file is refused by name`() throws {
        let fixture = try ReplayFixture()
        try fixture.writeDays(3)
        fixture.options.stateFile = fixture.folder + "/state.json"
        _ = try fixture.run()
        try fixture.writeDays(4)
        let error = #expect(throws: CommandError.self) { try fixture.run() }
        #expect(error?.exitCode == .configuration)
        #expect(error?.message.contains("another input") == true)
        try "{}".write(toFile: fixture.folder + "/state.json", atomically: true, encoding: .utf8)
        #expect(throws: CommandError.self) { try fixture.run() }
    }

    @Test func `later passes move all times by weeks and give new ids`() throws {
        let fixture = try ReplayFixture()
        try fixture.writeDays(10)  // a span of nine days: two weeks a pass
        fixture.options.loops = true
        fixture.options.limit = 25
        let summary = try fixture.run()
        #expect(summary.sent == 25)
        let records = try fixture.records("payments")
        var times: [String: (String, Int)] = [:]
        for record in records {
            let tree = try JSONTree.parse(record.value)
            times[tree["id"]?.string ?? ""] = (tree["time"]?.string ?? "", tree["unix_time"]?.int ?? 0)
        }
        #expect(times.count == 25)
        #expect(times["e3"]?.0 == "2019-01-04 00:00:00")
        #expect(times["e3-1"]?.0 == "2019-01-18 00:00:00")
        #expect(times["e3-2"]?.0 == "2019-02-01 00:00:00")
        #expect(times["e3-2"]?.1 == 1_546_560_000)  // unix_time moves only when it is named
        // The labels of one pass become known in the next.
        let ids = try fixture.records("labels").map { try JSONTree.parse($0.value)["event_id"]?.string ?? "" }
        #expect(ids.contains("e9") && ids.contains("e5-1") && !ids.contains("e3-2"))
    }

    @Test func `a resumed loop uses the span of the whole first pass`() throws {
        let fixture = try ReplayFixture()
        try fixture.writeDays(10)
        fixture.options.loops = true
        fixture.options.timeFields = ["unix_time", "no_such_field"]
        fixture.options.stateFile = fixture.folder + "/state.json"
        fixture.options.skippedRows = 4
        fixture.options.limit = 3
        _ = try fixture.run()
        fixture.options.limit = 5
        _ = try fixture.run()
        #expect(try fixture.eventIDs() == ["e0-1", "e1-1", "e4", "e5", "e6", "e7", "e8", "e9"])
        let moved = try #require(try fixture.records("payments").first { $0.value.contains("e0-1") })
        #expect(moved.value.contains("\"2019-01-15 00:00:00\""))
        #expect(moved.value.contains("\"unix_time\":1547510400"))
    }

    @Test func `a loop whose state stands at the end of the file goes on with the next pass`() throws {
        let fixture = try ReplayFixture()
        try fixture.writeDays(4)
        fixture.options.loops = true
        fixture.options.stateFile = fixture.folder + "/state.json"
        fixture.options.limit = 4
        #expect(try fixture.run().sent == 4)
        #expect(try ReplayState.load(fixture.folder + "/state.json")?.nextRow == 4)
        fixture.options.limit = 2
        #expect(try fixture.run().sent == 2)
        #expect(try fixture.eventIDs() == ["e0", "e0-1", "e1", "e1-1", "e2", "e3"])
        // A file without an event ends, whatever the flags.
        try fixture.write([])
        fixture.options.stateFile = nil
        fixture.options.limit = nil
        #expect(try fixture.run().read == 0)
    }

    @Test func `malformed rows are counted and passed over, and a file of nothing else fails`() throws {
        let fixture = try ReplayFixture()
        try fixture.write([
            ReplayFixture.day(0), "2019-01-02 00:00:00,e1,card-1,12,34,1,0", "02/01/2019 00:00,e2,card-1,1,2,0",
            "2019-01-02 00:00:00,e3,2.29116E+15,1,2,0", "2019-01-02 00:00:00,e4,card-1,1e3,2,0",
            "2019-01-02 00:00:00,e5,card-1,1,2,yes", ReplayFixture.day(6),
        ])
        let summary = try fixture.run()
        #expect(summary.read == 7 && summary.sent == 2 && summary.malformed == 5)
        #expect(try fixture.eventIDs() == ["e0", "e6"])
        // What was lost is told with its number, unless that is taken as it is.
        let lost = #expect(throws: CommandError.self) { try ProduceCommand.judge(summary, fixture.options) }
        #expect(lost?.exitCode == .dataError)
        #expect(lost?.message.hasPrefix("5 of 7 rows of ") == true)
        fixture.options.allowsMalformed = true
        try ProduceCommand.judge(summary, fixture.options)
        try fixture.write(["02/01/2019 00:00,e2,card-1,1,2,0", "03/01/2019 00:00,e3,card-1,1,2,0"])
        let nothing = try fixture.run()
        let error = #expect(throws: CommandError.self) {
            try ProduceCommand.judge(nothing, fixture.options)
        }
        #expect(error?.exitCode == .dataError)
    }

    @Test func `a quote that is never closed is an error after the rows before it`() throws {
        let fixture = try ReplayFixture()
        try fixture.write([ReplayFixture.day(0), ReplayFixture.day(1), "\"2019-01-03 00:00:00,e2,card-1,1,2,0"])
        let summary = try fixture.run()
        #expect(summary.sent == 2 && summary.acknowledged == 2)
        let error = #expect(throws: CommandError.self) {
            try ProduceCommand.judge(summary, fixture.options)
        }
        #expect(error?.exitCode == .dataError)
        #expect(error?.message.contains("quote opened on line 4 never closed") == true)
        #expect(try fixture.eventIDs() == ["e0", "e1"])
    }

    @Test func `a record too large is counted with its line, its label is not sent, and the others go`() throws {
        let fixture = try ReplayFixture(delayMillis: 86_400_000, maxRecordBytes: 2_000)
        let large = "2019-01-02 00:00:00,e1,card-1,1,2,1,\(String(repeating: "x", count: 3_000))"
        try fixture.write(
            [ReplayFixture.day(0) + ",", large, ReplayFixture.day(2) + ",", ReplayFixture.day(3) + ","],
            header: "time,id,card,amount,unix_time,is_fraud,note")
        let summary = try fixture.run()
        #expect(summary.sent == 3 && summary.acknowledged == 3 && summary.failed == 1)
        #expect(summary.failure == nil)
        #expect(throws: CommandError.self) {
            try ProduceCommand.judge(summary, fixture.options)
        }
        #expect(try fixture.eventIDs() == ["e0", "e2", "e3"])
        #expect(summary.labelsSent == 2 && summary.labelsPending == 1)
    }

    @Test func `a time more than a year ahead is sent without waiting, and labels do not go by it`() throws {
        let fixture = try ReplayFixture()
        try fixture.write([
            ReplayFixture.day(0), "2098-01-02 00:00:00,far,card-1,1,2,1", ReplayFixture.day(2),
        ])
        let summary = try fixture.run()
        #expect(summary.sent == 3)
        #expect(summary.labelsSent == 0 && summary.labelsPending == 2)
    }

    @Test func `an event of the near future waits for its time`() throws {
        let fixture = try ReplayFixture()
        let clock = ReplayFixture.ManualClock(startMillis: 1_600_000_000_000)
        let soon = clock.startMillis + 2_000
        let text = CivilTime.iso8601(soon).dropLast().replacing("T", with: " ")
        try fixture.write(["\(text),e0,card-1,1,2,0"])
        #expect(try fixture.run(clock: clock.clock).sent == 1)
        let record = try #require(try fixture.records("payments").first)
        // At its time, and no later than the last sleep was long.
        #expect((soon...soon + 20).contains(record.timestampMillis))
    }

    @Test func `a speed makes event time pass so many times as fast`() throws {
        let fixture = try ReplayFixture()
        try fixture.writeDays(11)
        fixture.options.speed = .eventTime(86_400)  // a day a second
        let clock = ReplayFixture.ManualClock(startMillis: 1_600_000_000_000)
        #expect(try fixture.run(clock: clock.clock).sent == 11)
        let times = try fixture.records("payments").map { record in
            (try JSONTree.parse(record.value)["amount"]?.double ?? 0, record.timestampMillis - clock.startMillis)
        }
        for (amount, millis) in times {
            let due = Int64(amount) * 1_000
            #expect((due...due + 20).contains(millis), "\(amount)")
        }
    }

    @Test func `a stop is told with the place to go on from, and a loop that stops has done its work`() throws {
        let fixture = try ReplayFixture()
        try fixture.writeDays(50)
        fixture.options.speed = .rate(10)
        let runtime = ServiceRuntime()
        let clock = ReplayFixture.ManualClock(startMillis: 1_600_000_000_000)
        clock.onSleep = { if $0 >= 1_000_000_000 { runtime.stop() } }
        let summary = try fixture.run(runtime, clock: clock.clock)
        #expect(summary.isStopped && summary.sent < 50 && summary.sent > 5)
        let error = #expect(throws: CommandError.self) { try ProduceCommand.judge(summary, fixture.options) }
        #expect(error?.exitCode == .temporaryFailure)
        #expect(
            error?.message
                == "stopped before the end, after \(summary.read) rows; --state FILE would remember the place.")
        fixture.options.loops = true
        try ProduceCommand.judge(summary, fixture.options)
    }

    @Test func `numbers at their end and times past their range do not end a loop`() throws {
        let fixture = try ReplayFixture()
        try fixture.write([
            "2019-01-01 00:00:00,e0,card-1,1,-9223372036854775808,0",
            "2019-01-02 00:00:00,e1,card-1,1,9223372036854775807,0",
            "2099-12-31 00:00:00,e2,card-1,1,3,0", "9999-12-31 00:00:00,e3,card-1,1,3,0", ReplayFixture.day(4),
        ])
        fixture.options.loops = true
        fixture.options.limit = 15
        fixture.options.timeFields = ["unix_time"]
        let summary = try fixture.run()
        // The year 9999 is malformed in each pass; 2099 goes out in the first, and cannot be moved on.
        #expect(summary.read == 15 && summary.malformed == 5 && summary.sent == 10)
        let ids = try fixture.eventIDs()
        #expect(ids.contains("e0-2") && ids.contains("e1-2") && ids.contains("e4-2") && ids.contains("e2"))
        let unmoved = try fixture.records("payments").filter { $0.value.contains("9223372036854775807") }
        #expect(unmoved.count == 3)
    }

    @Test func `a stop before the first row sends nothing and keeps the place`() throws {
        let fixture = try ReplayFixture()
        try fixture.writeDays(5)
        fixture.options.stateFile = fixture.folder + "/state.json"
        let runtime = ServiceRuntime()
        runtime.stop()
        #expect(try fixture.run(runtime).sent == 0)
        #expect(try ReplayState.load(fixture.folder + "/state.json")?.nextRow == 0)
        #expect(try fixture.run().sent == 5)
    }

    @Test func `a broker that goes away for a while loses and doubles nothing`() throws {
        let fixture = try ReplayFixture()
        try fixture.writeDays(400)
        fixture.options.speed = .rate(400)
        let cluster = fixture.cluster
        // Down in the middle of the replay; up again once the client has noticed.
        let clock = ReplayFixture.ManualClock(startMillis: 1_600_000_000_000)
        let producer = fixture.producer
        clock.onSleep = { nanos in
            guard nanos >= 300_000_000 else { return }
            clock.onSleep = { _ in }
            cluster.goAway()
            Thread {
                _ = TestEnvironment.waits(seconds: 10) { producer.connectionProblem != nil }
                cluster.comeBack()
            }.start()
        }
        let summary = try fixture.run(clock: clock.clock)
        #expect(summary.acknowledged == 400 && summary.failed == 0)
        #expect(try fixture.eventIDs() == (0..<400).map { "e\($0)" })
    }

    @Test func `without a prediction API the stream goes on`() throws {
        let fixture = try ReplayFixture()
        try fixture.writeDays(50)
        let score = ScoreClient(try #require(ScoreEndpoint("http://127.0.0.1:9")))
        let summary = try fixture.run(score: score)
        #expect(summary.acknowledged == 50)
        #expect(summary.scored == 0 && summary.notScored == 50)
        #expect(summary.failed == 0)
        #expect(score.problem?.contains("refused") == true)
    }
}
