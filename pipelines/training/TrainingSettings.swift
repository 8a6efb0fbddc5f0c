internal import FeatureEngine
internal import Foundation
internal import FraudModel
internal import ServiceRuntime
internal import YAML

/// What may be said about a fit, for every command that fits: by a flag, else in the section `fit` of params.yaml, else the default.
enum TrainingSettings {
    static let rounds = Setting<Int>(
        "rounds", default: 600, in: 1...10_000, help: "Rounds of boosting at most.", flagOnly: true)
    static let depth = Setting<Int>("depth", default: 6, in: 1...30, help: "Depth of a tree.", flagOnly: true)
    static let learningRate = Setting<Double>(
        "learning-rate", default: 0.1, in: 0.0001...1, help: "What a tree's values are multiplied with.",
        flagOnly: true)
    static let subsample = Setting<Double>(
        "subsample", default: 1, in: 0.01...1, help: "Share of the rows each tree sees.", flagOnly: true)
    static let patience = Setting<Int>(
        "patience", default: 40, in: 1...10_000, help: "Rounds without a better average precision before it stops.",
        flagOnly: true)
    static let seed = Setting<Int>(
        "seed", default: 17, in: 0...Int(Int32.max), help: "Seed of everything random.", flagOnly: true)
    static let threads = Setting<Int>(
        "threads", default: 0, in: 0...1_024, help: "Threads; 0 is one a core.", flagOnly: true)
    static let threshold = Setting<String>(
        "threshold", default: "precision:0.9",
        help:
            "What calling a row fraud is chosen for: precision:0.9, fpr:0.001, alerts:50 (a day) or money:COST@FEATURE.",
        flagOnly: true, placeholder: "RULE")
    static let noBaselines = Setting<Bool>(
        "no-baselines", default: false, help: "Fit no logistic and no request-only model beside.", flagOnly: true)
    static let folds = Setting<Int?>(
        "cv", in: 2...20, help: "Cross-validate before the holdout, by class and by time, in so many folds.",
        flagOnly: true, placeholder: "K")
    static let trials = Setting<Int?>(
        "search", in: 1...19, help: "Try so many points of the grid of parameters, and fit with the best.",
        flagOnly: true)
    static let holdoutFrom = Setting<String?>(
        "holdout-from", help: "The event time the holdout begins at (ISO 8601), instead of the newest 20 %.",
        flagOnly: true, placeholder: "TIME")
    static let file = Setting<String?>(
        "params", help: "The file of parameters; without it params.yaml, where there is one.", flagOnly: true,
        placeholder: "FILE")

    /// What decides a fit.
    static let fit: [any SettingProtocol] = [
        rounds, depth, learningRate, subsample, patience, seed, threads, threshold, noBaselines, folds, trials,
        holdoutFrom,
    ]

    /// A run with what the flags and the file say of it.
    static func run(_ settings: Settings, definitions: [DefinitionFile] = []) throws(CommandError) -> TrainingRun {
        let file = try ParameterFile(settings[Self.file], section: "fit", declared: fit)
        var run = TrainingRun(definitions: definitions)
        run.parameters.rounds = try file.value(of: rounds, settings)
        run.parameters.depth = try file.value(of: depth, settings)
        run.parameters.learningRate = try file.value(of: learningRate, settings)
        run.parameters.subsample = try file.value(of: subsample, settings)
        run.parameters.patience = try file.value(of: patience, settings)
        run.parameters.seed = try file.value(of: seed, settings)
        run.parameters.threads = try file.value(of: threads, settings)
        run.options.fitsBaselines = !(try file.value(of: noBaselines, settings))
        run.folds = try file.value(of: folds, settings)
        run.trials = try file.value(of: trials, settings)
        let rule = try file.value(of: threshold, settings)
        guard let parsed = ThresholdRule(rule) else {
            throw CommandError(
                .usage,
                "--threshold \(rule) is none of precision:0.9, fpr:0.001, alerts:50 and money:5@request_features__amt.")
        }
        run.options.threshold = parsed
        if let text = try file.value(of: holdoutFrom, settings) {
            guard let millis = CivilTime.parseISO8601(Array(text.utf8).span) else {
                throw CommandError(.usage, "--holdout-from \(text) is no ISO 8601 time such as 2019-09-01T00:00:00Z.")
            }
            run.options.holdoutFromMillis = millis
        }
        run.options.revision = Self.revision()
        return run
    }

    /// The revision of the working folder, with `-dirty` behind it where files differ from it; empty where git knows none.
    private static func revision() -> String {
        let git = Process()
        git.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        git.arguments = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
        let output = Pipe()
        (git.standardOutput, git.standardError, git.standardInput) = (
            output, FileHandle.nullDevice, FileHandle.nullDevice
        )
        guard (try? git.run()) != nil else { return "" }
        let data = (try? output.fileHandleForReading.readToEnd()) ?? Data()
        git.waitUntilExit()
        let text = String(decoding: data.prefix(200), as: UTF8.self).prefix { !$0.isWhitespace }
        return git.terminationStatus == 0 ? String(text) : ""
    }
}

/// One section of params.yaml: values for settings that no flag gives, as DVC writes them with `dvc exp run -S fit.depth=8`.
struct ParameterFile {
    private let name: String
    private let values: [String: YAMLNode]

    /// Reads a file; without a name params.yaml, if it is there. A name in the section that no setting has is refused.
    init(_ path: String?, section: String, declared: [any SettingProtocol]) throws(CommandError) {
        name = path ?? "params.yaml"
        guard let data = FileManager.default.contents(atPath: name) else {
            guard path == nil else { throw CommandError(.noInput, "there is no file of parameters \(name).") }
            values = [:]
            return
        }
        let documents: [YAMLNode]
        do throws(YAMLError) { documents = try YAMLNode.documents(String(decoding: data, as: UTF8.self)) } catch {
            throw CommandError(.configuration, "\(name): \(error).")
        }
        var values: [String: YAMLNode] = [:]
        for pair in documents.first?[section]?.pairs ?? [] {
            guard declared.contains(where: { Self.key($0) == pair.name }) else {
                let known = declared.map(Self.key).joined(separator: ", ")
                throw CommandError(
                    .configuration, "\(name), line \(pair.key.line): \(section) has no \(pair.name); it has \(known).")
            }
            values[pair.name] = pair.value
        }
        self.values = values
    }

    /// The value of a setting: the flag's, else the file's, else the default.
    func value<Value>(of setting: Setting<Value>, _ settings: Settings) throws(CommandError) -> Value {
        guard !settings.isGiven(setting), let node = values[Self.key(setting)], !node.isNull else {
            return settings[setting]
        }
        guard let text = node.text, let value = setting.parseAny(text) as? Value else {
            throw CommandError(
                .configuration, "\(name), line \(node.line): \(Self.key(setting)) is not \(setting.allowed).")
        }
        return value
    }

    private static func key(_ setting: any SettingProtocol) -> String { setting.name.replacing("-", with: "_") }
}
