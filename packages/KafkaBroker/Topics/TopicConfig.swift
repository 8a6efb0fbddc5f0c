import KafkaProtocol

/// The configurations of a topic: which there are, what they may be, and what a topic has set.
struct TopicConfig: Equatable, Sendable {
    enum Kind: Int8, Sendable {
        case boolean = 1
        case string = 2
        case int = 3
        case long = 5
        case double = 6
        case list = 7
    }

    struct Definition: Sendable {
        var name: String
        var kind: Kind
        var standard: String
        var documentation: String
        /// Nil for a good value, otherwise what is allowed.
        var complaint: @Sendable (String) -> String?
    }

    /// Values that differ from the defaults.
    private(set) var overrides: [String: String] = [:]

    init() {}

    /// Values from the disk, which were checked when they were set.
    init(overrides: [String: String]) { self.overrides = overrides }

    /// Sets (or with nil unsets) one configuration; a sentence when that is not possible.
    mutating func set(_ name: String, _ value: String?) -> String? {
        guard let definition = Self.definitions.first(where: { $0.name == name }) else {
            return "Unknown topic config name: \(name)"
        }
        guard let value else {
            overrides[name] = nil
            return nil
        }
        if let allowed = definition.complaint(value) {
            return "Invalid value \(value) for configuration \(name): \(allowed)"
        }
        overrides[name] = value
        return nil
    }

    /// Adds to a list (operation 2) or takes from it (3).
    mutating func change(_ name: String, _ value: String?, operation: Int8) -> String? {
        guard let definition = Self.definitions.first(where: { $0.name == name }) else {
            return "Unknown topic config name: \(name)"
        }
        guard definition.kind == .list, let value else {
            return "Config value append is not allowed for config key: \(name)"
        }
        var items = self[name].split(separator: ",").map(String.init)
        for item in value.split(separator: ",").map(String.init) {
            items.removeAll { $0 == item }
            if operation == 2 { items.append(item) }
        }
        return set(name, items.joined(separator: ","))
    }

    subscript(name: String) -> String {
        overrides[name] ?? Self.definitions.first { $0.name == name }?.standard ?? ""
    }

    private func integer(_ name: String) -> Int64 { Int64(self[name]) ?? 0 }

    var limits: LogLimits {
        LogLimits(
            segmentBytes: Int(integer("segment.bytes")), segmentMillis: integer("segment.ms"),
            retentionMillis: integer("retention.ms"), retentionBytes: integer("retention.bytes"))
    }

    var maxMessageBytes: Int { Int(integer("max.message.bytes")) }

    /// How far a record's time may lie in the future.
    var maxFutureMillis: Int64 { integer("message.timestamp.after.max.ms") }

    private static func within(_ range: ClosedRange<Int64>) -> @Sendable (String) -> String? {
        { value in
            guard let number = Int64(value), range.contains(number) else {
                return "Value must be between \(range.lowerBound) and \(range.upperBound)"
            }
            return nil
        }
    }

    private static func oneOf(_ values: [String], _ why: String = "") -> @Sendable (String) -> String? {
        { value in values.contains(value) ? nil : "String must be one of: \(values.joined(separator: ", "))\(why)" }
    }

    static let definitions: [Definition] = [
        Definition(
            name: "cleanup.policy", kind: .list, standard: "delete", documentation: "What happens to old records.",
            complaint: oneOf(["delete"], " (this broker does not compact)")),
        Definition(
            name: "compression.type", kind: .string, standard: "producer",
            documentation: "Batches are stored as their producers sent them.", complaint: oneOf(["producer"])),
        Definition(
            name: "max.message.bytes", kind: .int, standard: "1048588", documentation: "The largest record batch.",
            complaint: within(0...Int64(FrameDecoder.maxFrame))),
        Definition(
            name: "message.timestamp.after.max.ms", kind: .long, standard: "3600000",
            documentation: "How far a record's time may lie in the future.", complaint: within(0...Int64.max)),
        Definition(
            name: "message.timestamp.type", kind: .string, standard: "CreateTime",
            documentation: "Records keep the time their producers gave them.", complaint: oneOf(["CreateTime"])),
        Definition(
            name: "min.insync.replicas", kind: .int, standard: "1", documentation: "There is one replica.",
            complaint: within(1...1)),
        Definition(
            name: "retention.bytes", kind: .long, standard: "-1",
            documentation: "Size of a partition above which its oldest segments go; -1 is no limit.",
            complaint: within(-1...Int64.max)),
        Definition(
            name: "retention.ms", kind: .long, standard: "604800000",
            documentation: "Age above which segments go; -1 is no limit.", complaint: within(-1...Int64.max)),
        Definition(
            name: "segment.bytes", kind: .int, standard: "134217728",
            documentation: "Size at which a new segment begins.",
            complaint: within(14...1 << 31 - 1)),
        Definition(
            name: "segment.ms", kind: .long, standard: "604800000", documentation: "Age at which a new segment begins.",
            complaint: within(1...Int64.max)),
    ]
}

/// Names that Kafka accepts for topics.
enum TopicName {
    /// Nil for a good name, otherwise what is wrong with it.
    static func complaint(_ name: String) -> String? {
        if name.isEmpty { return "Topic name is invalid: the empty string is not allowed" }
        if name == "." || name == ".." { return "Topic name is invalid: '.' or '..' is not allowed" }
        if name.utf8.count > 249 {
            return "Topic name is invalid: the length of '\(name)' is longer than the max allowed length 249"
        }
        let isLegal = name.utf8.allSatisfy { byte in
            (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte) || byte == 0x2E
                || byte == 0x5F || byte == 0x2D
        }
        return isLegal
            ? nil
            : "Topic name is invalid: '\(name)' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
    }

    /// What names have in common that differ in dots and underscores only: they would be the same metric.
    static func family(_ name: String) -> String { String(name.map { $0 == "." ? "_" : $0 }) }
}
