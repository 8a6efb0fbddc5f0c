import Dashboard
import KafkaClient
import Testing

/// Against the cluster that librdkafka pretends to be.
@Suite struct PredictionTailTests {
    private let producer: KafkaProducer
    private let cluster: MockKafkaCluster

    init() throws {
        (producer, cluster) = try MockKafkaCluster.start()
    }

    private func send(_ numbers: Range<Int>, isFraud: (Int) -> Bool) throws {
        for number in numbers {
            let value =
                """
                {"prediction_id":"p\(number)","transaction_id":"t\(number)","created_at":1700000000000,\
                "event_timestamp":\(1_577_836_800_000 + number),"service":"s","model_version":"3","definition_hash":"h",\
                "threshold":0.5,"probability":0.9,"is_fraud":\(isFraud(number)),"degraded":false,"latency_micros":1,\
                "request":{"cc_num":"4111111111111111","merchant":"m","category":"c","amt":1.00},"vector":[],\
                "features_as_of":{}}
                """
            let bytes = number % 10 == 9 ? Array("{\"not a prediction\"".utf8) : Array(value.utf8)
            while try producer.send(
                topic: "predictions", partition: Int32(number % 2), key: Array("4111111111111111".utf8), value: bytes,
                timestampMillis: 1_700_000_000_000, token: 0) == .full
            { producer.poll(timeoutMillis: 50) }
        }
        #expect(producer.flush(timeoutMillis: 20_000))
    }

    /// What comes until `count` predictions are there or a hundred rounds have passed.
    private func take(_ tail: PredictionTail, _ count: Int) throws -> [Prediction] {
        var taken: [Prediction] = []
        for _ in 0..<100 where taken.count < count { taken += try tail.next().predictions }
        return taken
    }

    @Test func `predictions of all partitions come once, and nothing else`() throws {
        try cluster.createTopic("predictions", partitions: 2)
        try send(0..<100) { $0 % 7 == 0 }
        let tail = try PredictionTail(
            bootstrapServers: cluster.bootstrapServers, columns: try PredictionColumnsTests.cards())
        let expected = (0..<100).filter { $0 % 10 != 9 }.map { "t\($0)" }
        let first = try take(tail, expected.count)
        #expect(Set(first.map(\.transactionID)) == Set(expected) && first.count == expected.count)
        #expect(first.allSatisfy { $0.entity == "411111…1111" })
        #expect(first.filter(\.isFraud).count == (0..<100).filter { $0 % 7 == 0 && $0 % 10 != 9 }.count)
        try send(100..<110) { $0 == 103 }
        #expect(try take(tail, 9).filter(\.isFraud).map(\.transactionID) == ["t103"])
    }

    @Test func `nobody there is an error, not silence`() throws {
        let tail = try PredictionTail(bootstrapServers: "127.0.0.1:1", columns: try PredictionColumnsTests.cards())
        #expect(throws: (any Error).self) { _ = try tail.next() }
    }

    @Test func `more than can be read is passed over, and said`() throws {
        try cluster.createTopic("predictions", partitions: 2)
        try send(0..<2) { _ in false }
        let tail = try PredictionTail(
            bootstrapServers: cluster.bootstrapServers, columns: try PredictionColumnsTests.cards())
        _ = try tail.next()
        try send(2..<40_002) { _ in true }
        var skipped: Int64 = 0
        var read: [Prediction] = []
        for _ in 0..<60 where !read.suffix(2_000).contains(where: { $0.transactionID == "t40000" }) {
            let new = try tail.next()
            #expect(new.predictions.count <= 2_000)
            skipped += new.skipped
            read += new.predictions
        }
        #expect(skipped > 5_000 && skipped < 40_000)
        #expect(read.map(\.transactionID).contains("t40000"))
    }
}
