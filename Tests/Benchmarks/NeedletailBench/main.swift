import Foundation

// needletail-bench [CASE...] [--rows N] [--rounds N] [--json]: every figure beside a baseline of the same run.
// needletail-bench --profile [CASE...] [--rows N]: where processor time goes.
// transform takes --cards N: many cards of few events cost more than few of many.
let cases = ["transform", "backfill", "online-read", "serve", "model", "predict-peers", "backfill-peers"]
var wanted: [String] = []
var rows = 200_000
var rounds = 3
var cards: Int?
var asJSON = false
var profiles = false
var words = Array(CommandLine.arguments.dropFirst())
while let word = words.first {
    words.removeFirst()
    switch word {
    case "--json": asJSON = true
    case "--profile": profiles = true
    case "--rows" where Int(words.first ?? "") != nil: rows = Int(words.removeFirst()) ?? rows
    case "--cards" where Int(words.first ?? "") != nil: cards = Int(words.removeFirst())
    case "--rounds" where Int(words.first ?? "") != nil: rounds = max(1, Int(words.removeFirst()) ?? rounds)
    case _ where (profiles ? ProfileCases.names : cases).contains(word): wanted.append(word)
    default:
        FileHandle.standardError.write(
            Data(
                """
                usage: needletail-bench [\(cases.joined(separator: " | "))] [--rows N] [--cards N] [--rounds N] [--json]
                       needletail-bench --profile [\(ProfileCases.names.joined(separator: " | "))] [--rows N]

                """.utf8))
        exit(64)
    }
}
if wanted.isEmpty { wanted = profiles ? ProfileCases.names : cases }

do {
    if profiles {
        try ProfileCases.run(wanted, rows: rows)
        exit(0)
    }
    var lines: [ReportLine] = []
    if wanted.contains("model") {
        lines = try ModelCases.score(rounds: rounds)
        if !asJSON { for line in lines { print(line.text) } }
        wanted.removeAll { $0 == "model" }
    }
    let pipeline = wanted.isEmpty ? nil : try Pipeline(rows: rows, cards: cards)
    var isPrepared = false
    func prepare(_ pipeline: Pipeline) throws {
        if !isPrepared { try ServingCases.prepare(pipeline) }
        isPrepared = true
    }
    for name in wanted {
        guard let pipeline else { break }
        let new: [ReportLine] =
            switch name {
            case "transform": try StreamCases.transform(pipeline, rounds: rounds)
            case "backfill": try StreamCases.backfill(pipeline, rounds: rounds)
            case "online-read":
                try {
                    try prepare(pipeline)
                    return try ServingCases.onlineRead(pipeline, rounds: rounds)
                }()
            case "predict-peers":
                try {
                    guard let peers = Peers() else { return [] }
                    try prepare(pipeline)
                    return try PeerCases.predict(pipeline, peers, rounds: rounds)
                }()
            case "backfill-peers": try Peers().map { try PeerCases.backfill(pipeline, $0, rounds: rounds) } ?? []
            default:
                try {
                    try prepare(pipeline)
                    return try ServingCases.serve(pipeline, rounds: rounds, seconds: 5)
                }()
            }
        if !asJSON { for line in new { print(line.text) } }
        lines += new
    }
    if asJSON {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        print(String(decoding: try encoder.encode(lines), as: UTF8.self))
    }
} catch {
    FileHandle.standardError.write(Data("needletail-bench: \(error)\n".utf8))
    exit(1)
}
