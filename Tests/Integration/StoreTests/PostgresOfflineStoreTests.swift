import FeatureEngine
import FeatureStore
import Pipeline
import PostgresClient
import PostgresOfflineStore
import TestSupport
import Testing

@Suite struct PostgresOfflineStoreTests {
    private static let source = SourceSchema(
        name: "pay\"ments", topic: "payments",
        fields: [
            Field("id", .string), Field("at", .integer), Field("card", .string), Field("amount", .decimal(places: 2)),
            Field("rate", .double), Field("known", .boolean, isOptional: true),
            Field("note", .string, isOptional: true),
        ],
        eventIDIndex: 0, eventTimeIndex: 1, eventTimeFormat: .unixSeconds, keyIndex: 2, label: nil)
    private static let view = StreamView(
        name: "card view", entityName: "card", source: source, joinKeyIndex: 2,
        features: [
            WindowFeature(name: "amount_sum_1h", function: .sum, field: 3, windowMillis: 3_600_000),
            WindowFeature(name: "amount_mean_1h", function: .mean, field: 3, windowMillis: 3_600_000),
            WindowFeature(name: "note_last", function: .last, field: 6, windowMillis: nil),
        ])

    private let store: PostgresOfflineStore

    init() throws {
        store = try PostgresOfflineStore(url: TestServers.postgres().makeDatabase())
        try store.migrate()
        try store.createTables(sources: [Self.source], views: [Self.view])
    }

    private func row(_ texts: [String?]) throws -> SourceRow {
        var row = SourceRow(Self.source)
        for (index, text) in texts.enumerated() {
            if let text { try row.set(index, text: Array(text.utf8).span) }
        }
        try row.finish()
        return row
    }

    @Test func `events come back as they went in, in either order`() throws {
        let texts: [[String?]] = [
            ["a", "1700000300", "é'\"", "12.30", "0.1", "true", nil],
            ["b", "1700000100", "k", "-0.01", "-1e300", nil, "x\ny"],
            ["c", "1700000100", "k", "10000000000000.00", "5e-324", "false", ""],
        ]
        let table = EventTable(Self.source)
        let buffer = PostgresCopyBuffer()
        for (offset, text) in texts.enumerated() {
            table.add(try row(text), topic: Array("payments".utf8), partition: 1, offset: Int64(offset), to: buffer)
        }
        try store.connection.copyIn(table: Self.source.name, columns: table.columns, rows: buffer)
        var ids: [String] = []
        try store.scanEvents(Self.source) { row, position in
            let expected = try self.row(texts[Int(position.offset)])
            for index in Self.source.fields.indices {
                #expect(row.canonicalText(index) == expected.canonicalText(index))
                #expect(row.bits(index) == expected.bits(index))
            }
            #expect(row.eventTimeMillis == expected.eventTimeMillis)
            #expect(position.topic == "payments" && position.partition == 1)
            ids.append(row.eventID)
        }
        #expect(ids == ["a", "b", "c"])
        ids = []
        try store.scanEvents(Self.source, order: .eventTime) { row, _ in ids.append(row.eventID) }
        #expect(ids == ["b", "c", "a"])
        #expect(
            try store.stored(["a", "d", "c"], table: Self.source.name, column: "id") == [
                ByteString("a"), ByteString("c"),
            ])
    }

    @Test func `what a scan passed over is told once, and the first that is named is its own`() throws {
        let table = EventTable(Self.source)
        let buffer = PostgresCopyBuffer()
        for offset in Int64(0)..<4 {
            let event = try row(["e\(offset)", "1700000100", "k", "1.00", "1", nil, nil])
            table.add(event, topic: Array("payments".utf8), partition: 1, offset: offset, to: buffer)
        }
        try store.connection.copyIn(table: Self.source.name, columns: table.columns, rows: buffer)
        try store.connection.execute("UPDATE \"pay\"\"ments\" SET card = '  ' WHERE _offset IN (1, 3)")
        func scan(_ offsets: Range<Int64>) throws -> Int {
            var rows = 0
            let feed = ViewFeed.feeds(of: [Self.view])[0]
            try store.scanEvents(feed, partition: 1, offsets: offsets) { _, _ in rows += 1 }
            return rows
        }
        #expect(try scan(0..<2) == 1)
        var unusable = store.takeUnusable()
        #expect(unusable.count == 1 && unusable.first?.hasPrefix("payments/1 at 1: ") == true)
        #expect(try scan(2..<4) == 1)
        unusable = store.takeUnusable()
        #expect(unusable.count == 1 && unusable.first?.hasPrefix("payments/1 at 3: ") == true)
        #expect(unusable.last?.offset == 3)
        #expect(store.takeUnusable().count == 0)
    }

    @Test func `making tables again changes nothing, a new feature adds a column, another type is refused`() throws {
        #expect(try store.migrate().isEmpty)
        try store.createTables(sources: [Self.source], views: [Self.view])
        let more = StreamView(
            name: Self.view.name, entityName: "card", source: Self.source, joinKeyIndex: 2,
            features: Self.view.features + [
                WindowFeature(name: "count_2h", function: .count, field: nil, windowMillis: 7_200_000)
            ])
        try store.createTables(sources: [], views: [more])
        #expect(
            try store.connection.execute("SELECT count(count_2h) FROM \"card view\"").integer(0, 0) == 0)
        let other = SourceSchema(
            name: Self.source.name, topic: "payments",
            fields: Self.source.fields.map { $0.name == "rate" ? Field("rate", .string) : $0 }, eventIDIndex: 0,
            eventTimeIndex: 1, eventTimeFormat: .unixSeconds, keyIndex: 2, label: nil)
        #expect(throws: TableMismatch.self) { try store.createTables(sources: [other], views: []) }
        #expect(try store.newestEventMillis(of: Self.source) == nil)
    }

    @Test func `training rows join features of the present definitions and the newest label`() throws {
        let (events, features) = (PostgresCopyBuffer(), PostgresCopyBuffer())
        let (eventTable, viewTable) = (EventTable(Self.source), FeatureTable(Self.view))
        for (offset, id) in ["a", "b", "c", "d"].enumerated() {
            let row = try row([id, "\(1_700_000_000 - offset)", "k", "1.00", "1", nil, nil])
            eventTable.add(row, topic: [112], partition: 0, offset: Int64(offset), to: events)
            var vector = FeatureVector(count: 3)
            vector.numbers[0] = Double(offset) + 0.1
            if offset == 1 { vector.texts[2] = "n" }
            viewTable.add(
                vector, of: row, topic: [112], partition: 0, v: Int64(offset) - 1, createdMillis: 0,
                definitionHash: Array((id == "d" ? "old" : "present").utf8), to: features)
        }
        let labels = PostgresCopyBuffer()
        // The newest event counts as 1,699,999,998 s: two are left out. What will be known in 2100, or a second after it, is not known.
        let (second, century) = (Int64(1_699_999_999_000), Int64(4_102_444_799_000))
        let known: [(String, Int, Int64)] = [
            ("a", 0, 10), ("a", 1, 20), ("b", 0, 30), ("a", 0, second), ("c", 1, century),
        ]
        for (offset, label) in known.enumerated() {
            LabelTable.add(
                LabelRecord(
                    eventID: ByteString(label.0), isFraud: label.1 == 1, eventMillis: 0, availableMillis: label.2),
                at: LogPosition(topic: "labels", partition: 0, offset: Int64(offset)), to: labels)
        }
        // b: two verdicts of one moment, the later offset counts; then one that is taken back again.
        for (offset, verdict) in [("v1", 0, nil), ("v2", 1, nil), ("v3", 0, nil), ("v4", 0, "v3")].enumerated() {
            var feedback = LabelRecord.Feedback(id: ByteString(verdict.0))
            feedback.retracts = (verdict.2 as String?).map { ByteString($0) }
            LabelTable.add(
                LabelRecord(
                    eventID: "b", isFraud: verdict.1 == 1, eventMillis: 0, availableMillis: 40, feedback: feedback),
                at: LogPosition(topic: "labels", partition: 0, offset: Int64(100 + offset)), to: labels)
        }
        try store.connection.copyIn(table: Self.source.name, columns: eventTable.columns, rows: events)
        try store.connection.copyIn(table: Self.view.name, columns: viewTable.columns, rows: features)
        try store.connection.copyIn(table: LabelTable.name, columns: LabelTable.columns, rows: labels)
        var seen: [String] = []
        try store.scanTrainingRows(source: Self.source, views: [Self.view], definitionHash: "present") {
            row, vectors, label, position in
            seen.append(
                "\(row.eventID) \(vectors[0].numbers[0]) \(vectors[0].texts[2] ?? "-") \(label.map { "\($0)" } ?? "-")")
            #expect(vectors[0].numbers[1].isNaN)
            #expect(position.offset >= 0)
        }
        #expect(seen == ["c 2.1 - -", "b 1.1 n 1", "a 0.1 - 1"])
        #expect(try store.newestEventMillis(of: Self.source) == 1_699_999_998_000)
        #expect(try store.eventCount(of: Self.source) == 4)
    }

    @Test func `a batch moves the position only under the newest epoch and from where it is`() throws {
        let ledger = PartitionLedger(topic: "t'opic", partition: 3)
        let connection = store.connection
        let zombie = try ledger.claim("one", on: connection)
        let state = try ledger.claim("two", on: connection)
        #expect(state.epoch == zombie.epoch + 1)
        func advance(from: Int64, to: Int64, epoch: Int64) throws {
            try connection.transaction {
                // `begin` opens its own transaction; a second BEGIN is only a notice.
                try ledger.begin(
                    PartitionAdvance(
                        from: from, to: to, published: from, lastTimestamp: 9, lastCRC: .max, duplicates: 2, gaps: 1),
                    epoch: epoch, on: connection)
            }
        }
        #expect(throws: Fenced.self) { try advance(from: 0, to: 5, epoch: zombie.epoch) }
        try advance(from: 0, to: 5, epoch: state.epoch)
        #expect(throws: Fenced.self) { try advance(from: 0, to: 5, epoch: state.epoch) }
        #expect(throws: Fenced.self) { try ledger.set(generation: 4, epoch: zombie.epoch, on: connection) }
        try ledger.set(generation: 4, epoch: state.epoch, on: connection)
        let later = try ledger.claim("three", on: connection)
        #expect(later.nextOffset == 5 && later.generation == 4 && later.duplicates == 2 && later.gaps == 1)
        #expect(later.lastCRC == .max && later.lastTimestamp == 9 && later.published == 0)
    }

    @Test func `the partition count is the topic's, so a partition that was added since does not begin anew`() throws {
        let (first, added) = (PartitionLedger(topic: "t", partition: 0), PartitionLedger(topic: "t", partition: 5))
        let state = try first.claim("me", on: store.connection)
        #expect(state.partitionCount == 0)
        try first.set(partitionCount: 4, epoch: state.epoch, on: store.connection)
        #expect(try added.claim("me", on: store.connection).partitionCount == 4)
        #expect(try first.claim("me", on: store.connection).partitionCount == 4)
        #expect(
            try PartitionLedger(topic: "other", partition: 0).claim("me", on: store.connection).partitionCount == 0)
    }

    @Test func `dead letters keep every byte`() throws {
        let ledger = PartitionLedger(topic: "payments", partition: 0)
        let letters = (0..<3).map { index in
            DeadLetterRecord(
                position: LogPosition(topic: "payments", partition: 0, offset: Int64(index)),
                reason: "re\0ason \(index)",
                key: index == 0 ? nil : [0, 0xC3, 0x28], value: index == 1 ? nil : [0, 255, 10],
                timestampMillis: 1_700_000_000_123)
        }
        try store.connection.transaction { try ledger.store(letters, version: "v", on: store.connection) }
        var read: [DeadLetterRecord] = []
        try ledger.deadLetters(in: 0..<9, on: store.connection) { read.append($0) }
        #expect(read.map(\.key) == letters.map(\.key))
        #expect(read.map(\.value) == letters.map(\.value))
        #expect(read.map(\.timestampMillis) == letters.map(\.timestampMillis))
        #expect(read.map(\.reason) == ["re␀ason 0", "re␀ason 1", "re␀ason 2"])
        #expect(try ledger.deadLetterCount(on: store.connection) == 3)
    }
}
