import FeatureEngine
import FeatureStore
import Foundation
import ServiceRuntime
import TestSupport
import Testing
import TransactionData

@testable import FeatureStoreCommands

@Suite struct InitTests {
    /// The definitions proposed for a file, loaded as every command would, and the text of its files.
    private func propose(
        _ text: String, name: String = "my file.csv", rows: Int = 10_000
    ) throws -> (repository: FeatureRepository, text: String, proposal: RepositoryProposal) {
        let folder = try TestEnvironment.temporaryFolder("init")
        let file = folder + "/" + name
        try text.write(toFile: file, atomically: true, encoding: .utf8)
        let proposal = try RepositoryProposal(InitCommand.sample(file, rows).columns, file: file)
        let source = InitCommand.sourceName(file)
        let names = try InitCommand.write(proposal, source: source, file: file, to: folder + "/repo")
        let written = try names.map { try String(contentsOfFile: folder + "/repo/\($0)", encoding: .utf8) }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == [name, "repo"].sorted())
        return (
            try FeatureRepository.load(directory: folder + "/repo", environment: [:]), written.joined(), proposal
        )
    }

    /// Events of another shape than the project's own: other names, epoch seconds, `;`, a number as id.
    private func venues(_ count: Int) -> String {
        var random = SplitMix64(4)
        var text = "ref;when;wallet;eur;venue;covers;is_bad\n"
        for row in 0..<count {
            let isBad = random.uniform() < 0.05
            text += "\(row + 100);\(1_700_000_000 + row * 60);w\(random.next() % 40);"
            text += "\(isBad ? 900 : random.next() % 90).\(10 + random.next() % 90);v\(random.next() % 9);"
            text += row % 10 == 0 ? ";" : "\(random.next() % 5);"
            text += "\(isBad ? 1 : 0)\n"
        }
        return text
    }

    @Test func `a file of another shape gets definitions that read it`() throws {
        let (repository, text, _) = try propose(venues(400))
        let source = repository.sources[0]
        #expect(repository.project == "my_file" && source.topic == "my_file")
        #expect(source.fields[source.eventIDIndex].name == "ref")
        #expect(source.fields[source.eventTimeIndex].name == "when" && source.eventTimeFormat == .unixSeconds)
        #expect(source.fields[source.keyIndex].name == "wallet")
        #expect(source.label == LabelDefinition(field: "is_bad", topic: "my_file_labels", delayMillis: 7 * 86_400_000))
        #expect(
            source.fields.map(\.declaration) == ["string", "integer", "string", "decimal(2)", "string", "integer?"])
        let view = repository.views[0]
        #expect(view.name == "wallet_activity" && view.features.contains { $0.name == "eur_mean_24h" })
        #expect(view.features.contains { $0.name == "venue_distinct_count_7d" })
        #expect(repository.services[0].featureNames.contains("request_features__amount_over_mean_7d"))
        #expect(text.contains("# whose the event is: 40 different in 400 rows"))
        #expect(text.contains("covers: integer?  # empty in 40 of 400 rows"))
    }

    @Test func `the columns of the public card set are found`() throws {
        var bytes: [UInt8] = []
        var generator = try TransactionGenerator(.init(rows: 2_000, seed: 1, cards: 60))
        generator.generate { piece, _ in
            bytes += piece
            return true
        }
        let (repository, _, proposal) = try propose(String(decoding: bytes, as: UTF8.self), name: "fraudTrain.csv")
        let source = repository.sources[0]
        #expect(source.name == "fraudtrain")
        #expect(proposal.eventID.name == "trans_num" && proposal.key.name == "cc_num")
        #expect(proposal.time.name == "trans_date_trans_time" && source.eventTimeFormat.name == "yyyy-MM-dd HH:mm:ss")
        #expect(proposal.label?.name == "is_fraud" && proposal.amount?.name == "amt")
        let types = Dictionary(uniqueKeysWithValues: source.fields.map { ($0.name, $0.declaration) })
        #expect(types["amt"] == "decimal(2)" && types["lat"] == "double" && types["zip"]?.hasPrefix("string") == true)
    }

    @Test func `names that are no words of YAML come through whole`() throws {
        var random = SplitMix64(9)
        let letters = Array("aZ9 _-:#?,[]{}&*!|>'\"%@é€$\\.~=()\u{202E}")
        for _ in 0..<60 {
            var names: [String] = []
            while names.count < 5 {
                let count = 1 + Int(random.next() % 12)
                let name = String((0..<count).map { _ in letters[Int(random.next() % UInt64(letters.count))] })
                if !names.contains(name), !name.isEmpty { names.append(name) }
            }
            names += ["yes", "null", "${REDIS_URLL}"]
            let header = names.map { "\"\($0.replacing("\"", with: "\"\""))\"" }.joined(separator: ",")
            var text = header + "\n"
            for row in 0..<40 {
                text += "id\(row),2024-01-\(10 + row / 3) 10:00:00,k\(row % 4),\(row).25,\(row % 2),s,,\(row % 3)\n"
            }
            let (repository, _, proposal) = try propose(text)
            let fields = repository.sources[0].fields.map { ByteString($0.name) }
            let expected = names.map { ByteString($0) }.filter { name in
                !proposal.leftOut.contains { ByteString($0.name) == name }
                    && name != proposal.label.map { ByteString($0.name) }
            }
            #expect(fields == expected, "\(names)")
            #expect(
                proposal.eventID.name == names[0] && proposal.time.name == names[1] && proposal.key.name == names[2])
        }
    }

    private func profile(_ cells: [String], name: String = "x") -> ColumnProfile {
        ColumnProfile(name: name, cells: cells.map { ByteString($0) })
    }

    @Test func `types are told from the cells`() {
        #expect(profile(["1", "-2", ""]).kind == .integer)
        #expect(profile(["007", "110"]).kind == .digits)
        #expect(profile(["4992346398065154184", "1"]).kind == .digits)
        #expect(profile(["1.5", "2", "-0.25"]).kind == .decimal(places: 2))
        #expect(profile(["1.5", "2.25"], name: "merch_lat").kind == .double)
        #expect(profile(["1.23456", "2"]).kind == .double && profile(["1e5"]).kind == .double)
        #expect(
            profile([String](repeating: "1.25", count: 20) + ["251.20000000000002"]).kind == .noisyDecimal(places: 2))
        #expect(profile(["12,50", "3,1"]).kind == .decimalComma && profile(["1,2,3"]).kind == .text)
        #expect(profile(["true", "false", ""]).kind == .boolean && profile(["", ""]).kind == .empty)
        #expect(profile(["a", "1"]).kind == .text && profile(["nan"]).kind == .text)
    }

    @Test(arguments: [
        ("2024-01-31 10:00:00", "yyyy-MM-dd HH:mm:ss"), ("2024-01-31T10:00:00.5Z", "iso8601"),
        ("31.01.2024 10:00", "dd.MM.yyyy HH:mm"), ("01/31/2024 10:00", "MM/dd/yyyy HH:mm"),
        ("1706695200", "unix_seconds"), ("1706695200123", "unix_millis"), ("2024-01-31", "yyyy-MM-dd"),
    ])
    func `formats of times are told from the cells`(text: String, format: String) {
        let time = profile([text, text]).time
        #expect(time?.format.name == format && time?.twin == nil && time?.ordered == 1)
    }

    @Test func `a day and a month that may be swapped are told by the order, and said`() {
        let time = profile(["12/01/2024 10:00", "01/02/2024 10:00"]).time
        #expect(time?.format.name == "dd/MM/yyyy HH:mm" && time?.twin?.name == "MM/dd/yyyy HH:mm")
        #expect(profile(["01/12/2024 10:00", "02/01/2024 10:00"]).time?.format.name == "MM/dd/yyyy HH:mm")
        // Ten digits in no order are account numbers.
        #expect(profile(["1706695200", "1506695200", "1606695200", "1406695200"]).time == nil)
        #expect(profile(["1706695200", ""]).time == nil)
    }

    @Test(arguments: [
        ("a,b\n1,x\n2,x\n", "no column of"), ("t,b\n2024-01-01 00:00:00,x\n2024-01-02 00:00:00,x\n", "event_id"),
        ("t,b\n2024-01-01 00:00:00,x\n2024-01-02 00:00:00,y\n", "whose an event is"), ("t,b\n", "no row"),
        ("", "empty"),
    ])
    func `what a file lacks is said in a sentence`(text: String, words: String) throws {
        let error = #expect(throws: CommandError.self) { try propose(text) }
        #expect(error?.exitCode == .dataError && error?.message.contains(words) == true, "\(error?.message ?? "")")
    }

    @Test func `a name that Needletail uses itself gets another ending`() throws {
        let (repository, _, _) = try propose(venues(40), name: "labels.csv")
        #expect(repository.sources[0].name == "labels_events")
    }
}
