import FeatureStore
import Foundation
import Observability
public import ServiceRuntime
import TerminalUI

/// How many colours, or `auto`.
enum ColorChoice: String, SettingChoice {
    case auto, never
    case sixteen = "16", indexed = "256", full = "24bit"
}

/// Which characters, or `auto`.
enum GlyphChoice: String, SettingChoice { case auto, utf8, ascii }

/// Which theme, or `auto`.
enum ThemeChoice: String, SettingChoice { case auto, dark, light, contrast, mono }

/// `needletail dashboard`: the terminal front. It reads, and writes only what an analyst judges: a dashboard too many costs a little
/// work, nothing else.
public struct DashboardCommand: Command {
    public static let name = "dashboard"
    public static let summary = "Watch the stream live, work the alerts, see the model, the pipeline and the logs."
    /// It writes nothing but what somebody judges at a key.
    public static let isReadOnly = true
    public static let example = "needletail dashboard --screen alerts --reviewer ana"
    public static var settings: [any SettingProtocol] {
        [
            Setting.kafkaBootstrapServers, Setting.databaseURL, Setting.redisURL, Setting.featureRepo,
            Setting<String>.modelDirectory, apiURL, transformURL, produceURL, scheduleURL, logs, screen, once, json,
            plain, svg,
            record, reveal, readOnly, reviewer, auditShare, color, glyphs, theme, columns, rows, refreshMillis,
        ]
    }
    public static let details = """
        Keys: 1-7 screens, ? help, / filter, s sort, Enter open, Esc back, q back and quit. In a pipe it prints one frame, on a
        dumb terminal lines; see --once, --json and --plain. NO_COLOR is obeyed. Keys, long numbers and the fields that a source calls
        sensitive show their first six and last four characters; --reveal shows them whole and is noted in the journal. In a case, F and L judge it; the verdict becomes a label.
        """

    static let apiURL = Setting<String>(
        "api-url", default: "http://127.0.0.1:8000", help: "Where the prediction API answers /metrics."
    ).following(.api)
    static let transformURL = Setting<String>(
        "transform-url", default: "http://127.0.0.1:9101", help: "Where `transform` answers /metrics."
    ).following(.transform)
    static let produceURL = Setting<String>(
        "produce-url", default: "http://127.0.0.1:9102", help: "Where `produce` answers /metrics."
    ).following(.produce)
    static let scheduleURL = Setting<String>(
        "schedule-url", default: "http://127.0.0.1:9103", help: "Where `schedule` answers /metrics."
    ).following(.schedule)
    static let logs = Setting<String>(
        "logs", default: "var/log", help: "The folder of the services' logs.", environment: "LOG_DIRECTORY",
        placeholder: "DIR")
    static let screen = Setting<ScreenName>(
        "screen", default: .overview, help: "The first screen.", flagOnly: true)
    static let once = Setting<Bool>(
        "once", default: false, help: "Print one frame as text and leave: for pipes.", flagOnly: true)
    static let json = Setting<Bool>(
        "json", default: false, help: "Print one JSON object a round; with --once one.", flagOnly: true)
    static let plain = Setting<Bool>(
        "plain", default: false, help: "Print changes as lines: for screen readers and dumb terminals.", flagOnly: true)
    static let svg = Setting<String?>(
        "svg", help: "Write one frame as an SVG picture and leave.", flagOnly: true, placeholder: "FILE")
    static let record = Setting<String?>(
        "record", help: "Record the session as an asciicast (version 2).", flagOnly: true, placeholder: "FILE")
    static let reveal = Setting<Bool>(
        "reveal", default: false, help: "Show keys and card numbers whole, not their first six and last four; noted.",
        flagOnly: true)
    static let readOnly = Setting<Bool>(
        "read-only", default: false, help: "Judge nothing and send nothing.", flagOnly: true)
    static let reviewer = Setting<String>(
        "reviewer", default: "", help: "Who judges, where the database's role does not say.", flagOnly: true,
        placeholder: "NAME")
    static let auditShare = Setting<Double>(
        "audit-share", default: 0.02, in: 0...0.05,
        help: "Which share of the answers below the threshold waits among the cases.")
    static let color = Setting<ColorChoice>(
        "color", default: .auto, help: "How many colours; auto asks the terminal's kind.", flagOnly: true)
    static let glyphs = Setting<GlyphChoice>(
        "glyphs", default: .auto, help: "Which characters; auto is ASCII where the locale is not UTF-8.",
        flagOnly: true)
    static let theme = Setting<ThemeChoice>(
        "theme", default: .auto, help: "The colours; auto asks the terminal for its background.", flagOnly: true)
    static let columns = Setting<Int?>("columns", in: 1...1000, help: "Width of the frame of --once and --svg.")
    static let rows = Setting<Int>(
        "rows", default: 30, in: 1...1000, help: "Height of the frame of --once and --svg.", flagOnly: true)
    static let refreshMillis = Setting<Int>(
        "refresh-millis", default: 1_000, in: 100...60_000, help: "Time between two rounds of asking, in milliseconds.")

    /// It runs until it is stopped.
    public static func hasEnd(_ settings: Settings) -> Bool { false }

    public init() {}

    public func run(_ settings: Settings, _ runtime: ServiceRuntime) async throws {
        let session = try DashboardSession(settings)
        if settings[Self.reveal] { try await runtime.onThread("reveal") { try session.noteReveal() } }
        // Where no frame can be drawn over the one before, what changes is said in lines, and a pipe gets one frame.
        let isPiped = !Console.standardOutput.isTerminal
        let isPlain = settings[Self.plain] || (!isPiped && Terminal.isDumb && !settings[Self.once])
        if settings[Self.json] {
            try await session.print(runtime, isOnce: settings[Self.once]) { model, _ in [Report.json(model)] }
        } else if let file = settings[Self.svg] {
            let frame = try await session.frame(runtime)
            try Self.write(frame.svg(session.theme ?? Theme.all[0]), to: file)
        } else if isPlain {
            try await session.print(runtime, isOnce: settings[Self.once]) { Report.lines($0, after: $1) }
        } else if settings[Self.once] || isPiped {
            let frame = try await session.frame(runtime).using(session.glyphs)
            try runtime.print(frame.lines.joined(separator: "\n"))
        } else {
            try await LiveSession(session, recordsTo: settings[Self.record]).run(runtime)
        }
    }

    private static func write(_ text: String, to file: String) throws {
        do {
            try Data(text.utf8).write(to: URL(fileURLWithPath: file))
        } catch {
            throw CommandError(.cannotCreate, "\(file) cannot be written: \(error.localizedDescription)")
        }
    }
}
