import Foundation
import Testing

/// Keeps the house. Each rule lists its exceptions with the reason; a list gets shorter, or somebody says why it grew.
@Suite struct TidyTests {
    private static let tree = Result { try SourceTree() }
    private let tree: SourceTree

    init() throws { tree = try Self.tree.get() }

    @Test func `the tree was read`() {
        #expect(tree.files.count > 200)
        #expect(tree.targets.count > 30)
        #expect(tree.targets.first { $0.name == "Scheduler" }?.folder == "services/scheduler")
        #expect(tree.targets.first { $0.name == "RedisClient" }?.dependencies == ["CHiredis", "EventLoop"])
    }

    @Test func `a file has at most 400 lines`() {
        let exceptions: Set = [
            "Tests/Unit/FraudModelTests/ModelTrainerTests.swift",
            "Tests/Unit/PredictionAPITests/PredictionAppTests.swift",
            "Tests/Unit/KafkaProducerServiceTests/ReplayProducerTests.swift",
            "Tests/Integration/ServingTests/PredictionServiceTests.swift",
        ]
        for file in tree.files where !exceptions.contains(file.path) {
            #expect(file.lines.count <= 401, "\(file.path) has \(file.lines.count - 1)")
        }
    }

    @Test func `a function has at most 70 lines`() {
        let exceptions: Set = [
            // the steps of a recovery, in the order they must have
            "packages/KafkaBroker/Log/LogRecovery.swift open",
            "packages/TransactionData/CSVScanner.swift scan",  // one pass over the bytes, its state in registers
            "Tests/Integration/PipelineTests/ServedParityTests.swift `500 requests amid the stream and 500 after it see F at their position, bit for bit`",
        ]
        let head = /^( *)(?:@\w+(?:\([^)]*\))? |[a-z]+(?:\(set\))? )*(?:func (`[^`]+`|\w+)|(init[?]?)[(<]).*[^}]$/
        for file in tree.files {
            for (index, line) in file.lines.enumerated() where line.contains("func ") || line.contains("init") {
                guard let match = line.wholeMatch(of: head) else { continue }
                let name = String(match.2 ?? match.3 ?? "")
                guard let end = file.lines[index...].firstIndex(of: match.1 + "}") else { continue }
                // A protocol's requirement has no body: what follows at its own depth comes before any brace.
                let isBody = !file.lines[(index + 1)..<end].contains {
                    $0.hasPrefix(match.1) && $0.dropFirst(match.1.count).first.map { $0.isLetter || $0 == "/" } == true
                }
                guard isBody, !exceptions.contains("\(file.path) \(name)") else { continue }
                #expect(end - index + 1 <= 70, "\(file.path):\(index + 1) \(name) has \(end - index + 1)")
            }
        }
    }

    @Test func `imports go up the manifest only, and what is declared is imported`() {
        let names = Set(tree.targets.map(\.name))
        for target in tree.targets where !tree.files(of: target).isEmpty {
            let imported = Set(tree.files(of: target).flatMap(SourceTree.imports).map(String.init))
                .intersection(names).subtracting([target.name])
            #expect(
                imported.subtracting(target.dependencies).isEmpty, "\(target.name) does not declare what it imports")
            let unused = target.dependencies.subtracting(imported)
            #expect(unused.isEmpty, "\(target.name) never imports \(unused.sorted())")
            for name in target.dependencies {
                let other = tree.targets.first { $0.name == name }
                #expect(other.map { $0.place < target.place } == true, "\(target.name) stands above \(name)")
            }
        }
    }

    @Test(arguments: [
        ("719_468", "packages/Text/CivilDate.swift"), ("beforeLast", "packages/Text/Suggestion.swift"),
        (#"String(repeating: "0""#, "packages/Text/Padding.swift"),
        ("== 0x2C || $0 == 0x22", "packages/TransactionData/CSVText.swift"),
        ("0xEDB8_8320", "packages/FeatureEngine/CRC32.swift"),
    ])
    func `there is one of a kind`(text: String, home: String) {
        for file in tree.files where file.path != home && !file.path.contains("TidyTests") {
            #expect(!file.lines.contains { $0.contains(text) }, "\(file.path) has a second \(text)")
        }
    }

    @Test func `seeded random numbers of tests come from TestSupport`() {
        // the data's own: the same seed gives the same file
        let exceptions: Set = ["packages/TransactionData/Generator/SeededRandom.swift"]
        let homes = tree.files.filter { !$0.path.contains("TidyTests") }.filter { file in
            file.lines.contains { $0.contains("struct SeededRandom") }
        }.map(\.path)
        #expect(Set(homes).subtracting(exceptions) == ["Tests/Support/TestSupport/NaiveFeatures.swift"])
        // A copy under another name has the same constant.
        let mixers = tree.files.filter { $0.path.hasPrefix("Tests/") && !$0.path.contains("TidyTests") }.filter {
            file in
            file.lines.contains { $0.lowercased().contains("0xbf58_476d") }
        }.map(\.path)
        #expect(mixers == ["Tests/Support/TestSupport/SplitMix64.swift"])
    }

    /// Names that only their own target knows should not be public. Some must be, because a public type has them in its signature or
    /// a protocol asks for them; the count says how many there are, so that no new one comes unseen.
    @Test func `no public name without a user`() {
        let known = [
            "packages/Compression": 1, "packages/EventLoop": 1, "packages/FeatureEngine": 8, "packages/FraudModel": 6,
            "packages/HTTPServer": 5, "packages/JSON": 2, "packages/KafkaBroker": 3, "packages/KafkaClient": 7,
            "packages/KafkaProtocol": 42, "packages/Observability": 8, "packages/PostgresClient": 1,
            "packages/PostgresOfflineStore": 2, "packages/RedisClient": 1, "packages/ServiceRuntime": 9,
            "packages/TerminalUI": 3, "packages/YAML": 1,
        ]
        var words: [String: Set<Substring>] = [:]
        func home(_ path: String) -> String {
            path.split(separator: "/").prefix(path.hasPrefix("Tests") ? 3 : 2).joined(separator: "/")
        }
        for file in tree.files {
            for line in file.lines {
                words[home(file.path), default: []].formUnion(line.split { !($0.isLetter || $0.isNumber || $0 == "_") })
            }
        }
        let declaration =
            /^ *(?:@\w+ )*public (?:[a-z]+(?:\(set\))? )*?(?:func|var|let|struct|enum|class|actor|protocol|typealias) `?(\w+).*$/
        var unused: [String: [String]] = [:]
        for file in tree.files where file.path.hasPrefix("packages/") {
            let own = home(file.path)
            for name in file.lines.filter({ $0.contains("public ") }).compactMap({ $0.wholeMatch(of: declaration)?.1 })
            where !words.contains(where: { $0.key != own && $0.value.contains(name) }) {
                unused[own, default: []].append(String(name))
            }
        }
        for (target, names) in unused {
            #expect(names.count <= known[target, default: 0], "\(target): \(names.count) \(names.sorted())")
        }
    }
}
