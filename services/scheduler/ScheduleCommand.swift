import Foundation
internal import AdminServer
internal import Observability
public import ServiceRuntime

/// Runs the pipelines of a crontab.
public struct ScheduleCommand: Command {
    public static let name = "schedule"
    public static let summary = "Run the pipelines of a crontab at their times, one run of a job at a time."
    public static let example = "needletail schedule --crontab pipelines/crontab --list"
    /// More lines of help.
    public static let details = """
        The file is a valid crontab: cron itself can take it instead. Times are UTC. A job runs in this folder, with
        this program's folder first in PATH. A job that fails is a metric and a log line, and is due again at its
        next time.
        """
    public static let settings: [any SettingProtocol] = [crontab, list, .adminPort]

    static let crontab = Setting<String>(
        "crontab", default: "pipelines/crontab", help: "The crontab to follow.", placeholder: "FILE")
    static let list = Setting<Bool>(
        "list", default: false, help: "Print the jobs and when they are due next, and leave.", flagOnly: true)

    /// It runs until it is stopped.
    public static func hasEnd(_ settings: Settings) -> Bool { settings[list] }

    /// A command to be run once.
    public init() {}

    /// Follows the crontab until the program stops.
    public func run(_ settings: Settings, _ runtime: ServiceRuntime) async throws {
        let path = settings[Self.crontab]
        guard let data = FileManager.default.contents(atPath: path) else {
            throw CommandError(.noInput, "\(path) cannot be read.")
        }
        let crontab: Crontab
        do { crontab = try Crontab(String(decoding: data, as: UTF8.self)) } catch {
            throw CommandError(.configuration, "\(path), \(error).")
        }
        if settings[Self.list] {
            for job in crontab.jobs {
                let next = job.time.next(after: ScheduleService.nowSeconds())
                let time = next.map { String(WallClock.iso8601(millis: $0 * 1000).prefix(16)) + "Z" } ?? "never"
                try runtime.print(TerminalText.visible("\(time)  \(job.name)  \(job.command)"))
            }
            return
        }
        // Held until the process ends. A second one would start every job twice.
        let lock = open(path, O_RDONLY | O_CLOEXEC)
        guard lock >= 0, flock(lock, LOCK_EX | LOCK_NB) == 0 else {
            throw CommandError(.temporaryFailure, "another `needletail schedule` follows \(path) already.")
        }
        defer { close(lock) }
        let admin = try settings[.adminPort as Setting<Int?>].map { port in
            try AdminServer(port: port, metrics: runtime.metrics) { .ready }
        }
        defer { admin?.stop() }
        runtime.log.info("schedule read", ["file": path, "jobs": crontab.jobs.map(\.name)])
        // Jobs get this process's own variables, not the settings of this command: they read theirs themselves.
        var environment = ProcessInfo.processInfo.environment
        if let program = Bundle.main.executableURL?.deletingLastPathComponent().path {
            environment["PATH"] = program + ":" + (environment["PATH"] ?? "/usr/bin:/bin")
        }
        // As in cron, a crontab may name a shell, and a user's own shell is not asked.
        environment["SHELL"] = "/bin/sh"
        try await runtime.run(
            [("schedule", ScheduleService(crontab: crontab, environment: environment))], stopDeadlineMillis: 35_000)
    }
}
