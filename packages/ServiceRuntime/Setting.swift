/// A type that a setting can have.
public protocol SettingValue: Sendable {
    /// What a value of this type is called: "a whole number".
    static var kind: String { get }
    /// The placeholder in help: `N`. Nil for a flag that takes no value.
    static var placeholder: String? { get }
    /// The value that `text` stands for, or nil.
    static func parse(_ text: String) -> Self?
    /// The value as it would be typed; nil when there is none.
    var settingText: String? { get }
}

extension String: SettingValue {
    /// Any text.
    public static var kind: String { "text" }
    /// The placeholder in help.
    public static var placeholder: String? { "TEXT" }
    /// The text itself.
    public static func parse(_ text: String) -> String? { text }
    /// The text itself.
    public var settingText: String? { self }
}
extension Int: SettingValue {
    /// A whole number.
    public static var kind: String { "a whole number" }
    /// The placeholder in help.
    public static var placeholder: String? { "N" }
    /// Reads digits, with `_` between them allowed.
    public static func parse(_ text: String) -> Int? { Int(text.replacing("_", with: "")) }
    /// The digits.
    public var settingText: String? { String(self) }
}
extension UInt64: SettingValue {
    /// A whole number from 0.
    public static var kind: String { "a whole number from 0" }
    /// The placeholder in help.
    public static var placeholder: String? { "N" }
    /// Reads digits, with `_` between them allowed.
    public static func parse(_ text: String) -> UInt64? { UInt64(text.replacing("_", with: "")) }
    /// The digits.
    public var settingText: String? { String(self) }
}
extension Double: SettingValue {
    /// A number.
    public static var kind: String { "a number" }
    /// The placeholder in help.
    public static var placeholder: String? { "X" }
    /// Reads a finite decimal number.
    public static func parse(_ text: String) -> Double? { Double(text).flatMap { $0.isFinite ? $0 : nil } }
    /// The shortest exact decimal.
    public var settingText: String? { "\(self)" }
}
extension Bool: SettingValue {
    /// On or off.
    public static var kind: String { "true or false" }
    /// A flag takes no value.
    public static var placeholder: String? { nil }
    /// Reads true, false, 1, 0, yes, no, on, off.
    public static func parse(_ text: String) -> Bool? {
        switch text.lowercased() {
        case "true", "1", "yes", "on": true
        case "false", "0", "no", "off": false
        default: nil
        }
    }
    /// `true` or `false`.
    public var settingText: String? { self ? "true" : "false" }
}
extension Optional: SettingValue where Wrapped: SettingValue {
    /// What the wrapped type is called.
    public static var kind: String { Wrapped.kind }
    /// The wrapped type's placeholder.
    public static var placeholder: String? { Wrapped.placeholder }
    /// The wrapped value.
    public static func parse(_ text: String) -> Wrapped?? { Wrapped.parse(text).map { .some($0) } }
    /// The wrapped value's text.
    public var settingText: String? { self?.settingText ?? nil }
}

/// A setting with a fixed list of words: declare `enum Mode: String, SettingChoice { case fast, exact }`.
public protocol SettingChoice: SettingValue, CaseIterable, RawRepresentable where RawValue == String {}
extension SettingChoice {
    /// The words, joined.
    public static var kind: String { "one of " + allCases.map(\.rawValue).joined(separator: ", ") }
    /// The words, as alternatives.
    public static var placeholder: String? { allCases.map(\.rawValue).joined(separator: "|") }
    /// The case of this word.
    public static func parse(_ text: String) -> Self? { Self(rawValue: text) }
    /// The word.
    public var settingText: String? { rawValue }
}

/// What the command line, `--help`, `.env.example` and the README need to know of a setting, whatever its type.
public protocol SettingProtocol: Sendable {
    /// The flag without its dashes: `batch-events`.
    var name: String { get }
    /// The variable, or nil when only a flag sets it.
    var environmentName: String? { get }
    var help: String { get }
    /// Whether the value is never printed.
    var isSecret: Bool { get }
    /// Whether the user must give it.
    var isRequired: Bool { get }
    /// The default as text, or nil.
    var defaultText: String? { get }
    /// The port that the default follows, or nil.
    var port: PortVariable? { get }
    /// The word for the value in help; nil for a flag without one.
    var valueName: String? { get }
    /// What is allowed, in words.
    var allowed: String { get }
    /// The value of `text`, or nil when it is not allowed.
    func parseAny(_ text: String) -> (any Sendable)?
    /// The default, or nil when the user must give a value.
    var defaultAny: (any Sendable)? { get }
}

/// One setting, declared once: flag, variable, `.env`, default, range and help come from here.
public struct Setting<Value: SettingValue>: SettingProtocol {
    /// The flag without its dashes.
    public let name: String
    /// The variable, or nil when only a flag sets it.
    public let environmentName: String?
    /// What it is for, as help and the README's table say it.
    public let help: String
    /// Whether the value is never printed.
    public let isSecret: Bool
    /// What is allowed, in words.
    public let allowed: String
    /// The word for the value in help.
    public let valueName: String?
    /// The port that the default follows, or nil.
    public private(set) var port: PortVariable?
    private let initial: Value?
    private let accepts: @Sendable (Value) -> Bool

    private init(
        name: String, initial: Value?, allowed: String, help: String, secret: Bool, flagOnly: Bool,
        environment: String?,
        placeholder: String?, accepts: @escaping @Sendable (Value) -> Bool
    ) {
        precondition(
            !name.isEmpty
                && name.utf8.allSatisfy { (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2D },
            "a setting's name is lower case with dashes")
        self.name = name
        self.initial = initial
        self.allowed = allowed
        self.help = help
        isSecret = secret
        environmentName = flagOnly ? nil : environment ?? name.uppercased().replacing("-", with: "_")
        valueName = Value.placeholder == nil ? nil : placeholder ?? Value.placeholder
        self.accepts = accepts
    }

    /// A setting with a default. `flagOnly` is for what belongs to one run (`--input`): no variable sets it.
    public init(
        _ name: String, default initial: Value, help: String, secret: Bool = false, flagOnly: Bool = false,
        environment: String? = nil, placeholder: String? = nil
    ) {
        self.init(
            name: name, initial: initial, allowed: Value.kind, help: help, secret: secret, flagOnly: flagOnly,
            environment: environment, placeholder: placeholder, accepts: { _ in true })
    }

    /// A setting with a default and a range.
    public init(
        _ name: String, default initial: Value, in range: ClosedRange<Value>, help: String, secret: Bool = false,
        flagOnly: Bool = false, environment: String? = nil, placeholder: String? = nil
    ) where Value: Comparable {
        precondition(range.contains(initial), "the default of \(name) is out of its range")
        self.init(
            name: name, initial: initial, allowed: "\(Value.kind) from \(range.lowerBound) to \(range.upperBound)",
            help: help, secret: secret, flagOnly: flagOnly, environment: environment, placeholder: placeholder,
            accepts: { range.contains($0) })
    }

    /// A setting that the user must give.
    public init(
        required name: String, help: String, secret: Bool = false, flagOnly: Bool = false, environment: String? = nil,
        placeholder: String? = nil
    ) {
        self.init(
            name: name, initial: nil, allowed: Value.kind, help: help, secret: secret, flagOnly: flagOnly,
            environment: environment, placeholder: placeholder, accepts: { _ in true })
    }

    /// A setting that may be absent: `Setting<String?>("api-key", help: ...)`.
    public init<Wrapped: SettingValue>(
        _ name: String, help: String, secret: Bool = false, flagOnly: Bool = false, environment: String? = nil,
        placeholder: String? = nil
    ) where Value == Wrapped? {
        self.init(
            name: name, initial: .some(nil), allowed: Value.kind, help: help, secret: secret, flagOnly: flagOnly,
            environment: environment, placeholder: placeholder, accepts: { _ in true })
    }

    /// A setting that may be absent and has a range.
    public init<Wrapped: SettingValue & Comparable>(
        _ name: String, in range: ClosedRange<Wrapped>, help: String, secret: Bool = false, flagOnly: Bool = false,
        environment: String? = nil, placeholder: String? = nil
    ) where Value == Wrapped? {
        self.init(
            name: name, initial: .some(nil),
            allowed: "\(Wrapped.kind) from \(range.lowerBound) to \(range.upperBound)", help: help, secret: secret,
            flagOnly: flagOnly, environment: environment, placeholder: placeholder,
            accepts: { $0.map(range.contains) ?? true })
    }

    /// The same setting with a default that moves with a port of `make up`: its number in the default is replaced.
    public func following(_ port: PortVariable) -> Setting {
        precondition(defaultText?.contains(String(port.initial)) == true, "the default of \(name) has no \(port.name)")
        var copy = self
        copy.port = port
        return copy
    }

    /// Whether the user must give it.
    public var isRequired: Bool { initial == nil }
    /// The default as text.
    public var defaultText: String? { initial?.settingText ?? nil }
    /// The default.
    public var defaultAny: (any Sendable)? { initial }
    /// The value of `text`, or nil when it is not allowed.
    public func parseAny(_ text: String) -> (any Sendable)? {
        guard let value = Value.parse(text), accepts(value) else { return nil }
        return value
    }
}

extension SettingProtocol where Self == Setting<String> {
    /// Kafka's address.
    public static var kafkaBootstrapServers: Setting<String> {
        Setting(
            "kafka-bootstrap-servers", default: "127.0.0.1:19092",
            help: "Kafka brokers, host:port, separated by commas.",
            placeholder: "HOSTS"
        ).following(.kafka)
    }
    /// The online store.
    public static var redisURL: Setting<String> {
        Setting(
            "redis-url", default: "redis://127.0.0.1:16379?passfile=var/redis.pass",
            help: "The online store: redis://[:password@]host:port[/database][?passfile=FILE], or unix:///path[?db=N].",
            placeholder: "URL"
        ).following(.redis)
    }
    /// The offline store.
    public static var databaseURL: Setting<String> {
        Setting(
            "database-url",
            default: "postgresql://needletail@127.0.0.1:15432/needletail?passfile=var/postgres.pass",
            help: "The offline store: postgresql://user[:password]@host:port/database[?passfile=FILE].",
            placeholder: "URL"
        ).following(.postgres)
    }
    /// The folder of definitions.
    public static var featureRepo: Setting<String> {
        Setting(
            "feature-repo", default: "feature_repo", help: "The folder that says what a feature is.", placeholder: "DIR"
        )
    }
    /// The folder of models.
    public static var modelDirectory: Setting<String> {
        Setting(
            "models", default: "var/models", help: "The folder that models are kept in.",
            environment: "MODEL_DIRECTORY",
            placeholder: "DIR")
    }
}

extension SettingProtocol where Self == Setting<Bool> {
    /// Whether a model becomes champion only when a second person agrees.
    public static var needsApproval: Setting<Bool> {
        Setting(
            "approve", default: false,
            help:
                "A model becomes champion only when a second person agrees; on `models promote`, ask or agree. Going back (`models rollback`, `features rollback`) needs nobody else.",
            environment: "PROMOTION_APPROVAL")
    }
}

extension SettingProtocol where Self == Setting<Int?> {
    /// The port of health and metrics.
    public static var adminPort: Setting<Int?> {
        Setting(
            "admin-port", in: 0...65535,
            help: "Serve /metrics and /health on this loopback port (0 picks a free one; absent: do not serve).",
            placeholder: "PORT")
    }
}

extension SettingProtocol where Self == Setting<Int> {
    /// How long a command waits for its servers before it gives up.
    public static var serverWaitSeconds: Setting<Int> {
        Setting("server-wait-seconds", default: 30, in: 0...3600, help: "How long to wait for servers at the start.")
    }
}

/// The level of log lines, as a setting.
public enum LogLevelChoice: String, SettingChoice { case debug, info, warning, error }
/// The form of log lines, as a setting.
public enum LogFormatChoice: String, SettingChoice { case auto, json, text }

extension SettingProtocol where Self == Setting<LogLevelChoice> {
    /// The least important lines that are written.
    public static var logLevel: Setting<LogLevelChoice> {
        Setting("log-level", default: .info, help: "The least important log lines to write.")
    }
}
extension SettingProtocol where Self == Setting<LogFormatChoice> {
    /// How log lines look.
    public static var logFormat: Setting<LogFormatChoice> {
        Setting(
            "log-format", default: .auto, help: "How log lines look; auto is text on a terminal and JSON elsewhere.")
    }
}
