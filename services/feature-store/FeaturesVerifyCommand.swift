import FeatureEngine
import Foundation
import Observability
import PipelineRuntime
import PostgresClient
import PostgresOfflineStore
import RedisOnlineStore
public import ServiceRuntime

/// `needletail features verify`: proof that what is stored and what was served are what the log gives.
public struct FeaturesVerifyCommand: Command {
    /// The words that call it.
    public static let name = "features verify"
    public static let summary =
        "Compute stored features, online states and served answers again, and tell every differing bit."
    public static let example = "needletail features verify --served --sample 0.05 --since-days 7"
    /// More lines of help.
    public static let details = """
        From the stored events, by the engine of the stream: every feature row (its features and its position), the online state
        of every entity, and with --served each logged answer at the position it was given at. Before that it is counted whether
        every record that was read is still a row, a dead letter, a repeat or a gap, and whether every row has its event.

        It may run beside everything: what the stream is just writing says nothing, and is left out and counted. So are rows of
        other definitions, and what reaches back to deleted history. Each mismatch is a line; any of them makes exit code 65.

        --repair writes online states anew, and rows by `needletail backfill --from-store --to-store`. What is gone, and what was
        answered, cannot be repaired; where events are missing nothing is.
        """
    public static let settings: [any SettingProtocol] = [
        served, share, seed, days, repair, Setting<String>.featureRepo, Setting<String>.databaseURL,
        Setting<String>.redisURL,
    ]

    static let served = Setting<Bool>(
        "served", default: false, help: "Compute the logged answers again, too.", flagOnly: true)
    static let share = Setting<Double>(
        "sample", default: 1, in: 0.000_1...1, help: "The share of the entities that is looked at, with all they have.",
        flagOnly: true)
    static let seed = Setting<Int?>(
        "seed", help: "Which entities a sample takes; others every day unless given.", flagOnly: true)
    static let days = Setting<Double?>(
        "since-days", in: 0.001...36_500,
        help: "Only rows and answers of the last days before the newest event, and entities that have such.",
        flagOnly: true)
    static let repair = Setting<Bool>(
        "repair", default: false, help: "Build anew what differs, where that is all it needs.", flagOnly: true)

    public init() {}

    /// Compares, repairs, and says what differed.
    public func run(_ settings: Settings, _ runtime: ServiceRuntime) async throws {
        let pipeline = try PipelineContext(settings)
        pipeline.announce(runtime)
        try await runtime.waiting(for: "Postgres and Redis") {
            try await runtime.onThread("connect") {
                try PostgresOfflineStore(url: pipeline.databaseURL).connection.close()
                try RedisOnlineStore(url: pipeline.redisURL).close()
            }
        }
        let now = WallClock.nowMillis()
        let repairs = settings[Self.repair]
        let verification = Verification(
            repository: pipeline.repository, databaseURL: pipeline.databaseURL, redisURL: pipeline.redisURL,
            share: settings[Self.share], seed: Int64(settings[Self.seed] ?? Int(now / 86_400_000)),
            days: settings[Self.days], includesServed: settings[Self.served], repairs: repairs, runtime: runtime)
        let result = try await runtime.onThread("verify") {
            let report = VerifyReport { try runtime.print($0) }
            try verification.run(report)
            return VerifyResult(report)
        }
        try result.writeMetrics(nowMillis: now, environment: settings.environment)
        result.log(runtime.log)
        var repaired = result.repaired
        if repairs, result.mismatches[.row] ?? 0 > 0, result.mismatches[.total] == nil {
            let child = ChildCommand(settings, runtime)
            _ = try await runtime.onThread("repair") { try child.run(["backfill", "--from-store", "--to-store"]) }
            repaired += result.mismatches[.row] ?? 0
        }
        let count = result.mismatches.values.reduce(0, +)
        guard count > 0 else { return }
        let kinds = VerifiedKind.allCases.compactMap { kind in
            result.mismatches[kind].map { "\($0) of \(kind.rawValue)" }
        }
        let mended = repaired > 0 ? "; \(repaired) were built anew" : ""
        throw CommandError(
            .dataError, "\(count) mismatches (\(kinds.joined(separator: ", "))), each a line above\(mended).")
    }
}

/// What a verification found, as a value.
struct VerifyResult: Sendable {
    let checked: [VerifiedKind: Int]
    let mismatches: [VerifiedKind: Int]
    let leftOut: [String: Int]
    let repaired: Int

    init(_ report: VerifyReport) {
        (checked, mismatches, leftOut, repaired) = (
            report.checked, report.mismatches, report.leftOut, report.repaired
        )
    }

    func log(_ log: Log) {
        for (reason, count) in leftOut.sorted(by: { $0.key < $1.key }) {
            log.info("not compared", ["count": count, "what": reason])
        }
        var fields: [String: any LogValue] = [:]
        for kind in VerifiedKind.allCases {
            fields["\(kind.rawValue)s"] = checked[kind] ?? 0
            if let count = mismatches[kind] { fields["\(kind.rawValue)_mismatches"] = count }
        }
        log.info("verified", fields)
    }

    /// Hands the figures to whoever runs this as a job.
    func writeMetrics(nowMillis: Int64, environment: [String: String]) throws {
        guard let file = environment["JOB_METRICS"], !file.isEmpty else { return }
        var lines = ["verify_timestamp_seconds \(nowMillis / 1_000)"]
        for kind in VerifiedKind.allCases {
            lines.append("verify_\(kind.rawValue)s_checked \(checked[kind] ?? 0)")
            lines.append("verify_\(kind.rawValue)_mismatches \(mismatches[kind] ?? 0)")
        }
        try (lines.joined(separator: "\n") + "\n").write(toFile: file, atomically: true, encoding: .utf8)
    }
}
