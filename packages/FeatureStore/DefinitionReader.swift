import FeatureEngine
import Text
import YAML

/// Collects the mistakes of a whole feature_repo, so that a user mends them in one go.
final class DefinitionReader {
    let environment: [String: String]
    private(set) var problems: [DefinitionError.Problem] = []

    init(environment: [String: String]) { self.environment = environment }

    func fail(_ file: String, line: Int, column: Int, _ message: String, fix: String) {
        let problem = DefinitionError.Problem(file: file, line: line, column: column, message: message, fix: fix)
        if !problems.contains(problem) { problems.append(problem) }
    }

    /// Text with `${NAME}` and `${NAME:-default}` replaced and `$$` as `$`; nil with the name of a variable that is not set.
    func expand(_ text: String) -> (text: String?, unset: String?) {
        var result = ""
        var rest = Substring(text)
        while let dollar = rest.firstIndex(of: "$") {
            result += rest[..<dollar]
            rest = rest[dollar...].dropFirst()
            if rest.first == "$" {
                result += "$"
                rest = rest.dropFirst()
            } else if rest.first == "{", let end = rest.firstIndex(of: "}") {
                let inside = rest[..<end].dropFirst()
                rest = rest[end...].dropFirst()
                let parts = inside.split(separator: ":-", maxSplits: 1, omittingEmptySubsequences: false)
                let name = parts.first.map(String.init) ?? ""
                if let value = environment[name], !value.isEmpty {
                    result += value
                } else if parts.count == 2 {
                    result += parts[1]
                } else {
                    return (nil, name)
                }
            } else {
                result += "$"
            }
        }
        return (result + rest, nil)
    }
}

/// One object of a feature_repo under reading: a mapping, its file, and what to call it in messages.
struct Definition {
    let reader: DefinitionReader
    let file: String
    let node: YAMLNode
    var title: String

    func fail(_ node: YAMLNode, _ message: String, fix: String) {
        reader.fail(file, line: node.line, column: node.column, message, fix: fix)
    }

    /// Reports every key that is not in a table; `old` are keys that have their own sentence.
    func check(
        keys table: [DefinitionKey], _ old: [String] = [], in mapping: YAMLNode? = nil, of what: String? = nil
    ) {
        check(keys: table.names, old, in: mapping, of: what)
    }

    /// Reports every key that is not one of `keys`.
    private func check(keys: [String], _ old: [String], in mapping: YAMLNode?, of what: String?) {
        for pair in (mapping ?? node).pairs ?? [] where !keys.contains(pair.name) && !old.contains(pair.name) {
            let fix =
                Suggestion.nearest(to: pair.name, among: keys).map { "Did you mean `\($0)`?" }
                ?? "Remove it; the keys here are \(keys.joined(separator: ", "))"
            fail(pair.key, "\(what ?? title) has an unknown key `\(pair.name)`", fix: fix)
        }
    }

    /// The value of a key that must be there.
    func required(_ key: String, in mapping: YAMLNode? = nil, of what: String? = nil, fix: String) -> YAMLNode? {
        let mapping = mapping ?? node
        if let value = mapping[key], !value.isNull { return value }
        fail(mapping[key] ?? mapping, "\(what ?? title) lacks `\(key)`", fix: fix)
        return nil
    }

    /// The text of a scalar, its variables replaced.
    func text(_ node: YAMLNode, _ what: String) -> String? {
        guard let text = node.text, !node.isNull else {
            fail(node, "\(what) should be a text, but it is \(node.kind)", fix: "Write one word or a quoted text")
            return nil
        }
        let (expanded, unset) = reader.expand(text)
        if let unset {
            fail(
                node, "the environment variable `\(unset)` is not set",
                fix: "Set it, or write ${\(unset):-a default} into the file")
        }
        return expanded
    }

    /// The mapping of a node.
    func mapping(_ node: YAMLNode, _ what: String, like example: String) -> [YAMLNode.Pair]? {
        if let pairs = node.pairs { return pairs }
        fail(node, "\(what) should be a mapping, but it is \(node.kind)", fix: "Write it like \(example)")
        return nil
    }

    /// The items of a list; one text alone counts as a list of one.
    func list(_ node: YAMLNode, _ what: String, like example: String) -> [YAMLNode]? {
        if let items = node.items, !items.isEmpty { return items }
        if node.text != nil, !node.isNull { return [node] }
        fail(
            node, "\(what) should be a list, but it is \(node.items == nil ? node.kind : "an empty one")",
            fix: "Write it like \(example)")
        return nil
    }

    /// One of a few words.
    func choice<Value>(_ node: YAMLNode, _ what: String, _ choices: [(String, Value)]) -> Value? {
        guard let word = text(node, what) else { return nil }
        if let choice = choices.first(where: { $0.0 == word }) { return choice.1 }
        let names = choices.map(\.0)
        fail(
            node, "\(what) is `\(word)`, which is unknown",
            fix: Suggestion.nearest(to: word, among: names).map { "Did you mean `\($0)`?" }
                ?? (names.count < 2
                    ? "Write \(names.first ?? "")"
                    : "Write \(names.dropLast().joined(separator: ", ")) or \(names.last ?? "")"))
        return nil
    }

    /// A name that becomes part of a table, key or feature name.
    func identifier(_ node: YAMLNode, _ what: String, reserved: Set<String> = []) -> String? {
        guard let name = text(node, what) else { return nil }
        let letters = { (byte: UInt8) in (0x61...0x7A).contains(byte | 0x20) || byte == 0x5F }
        let isPlain = name.utf8.first.map(letters) ?? false
        guard isPlain, name.utf8.allSatisfy({ letters($0) || (0x30...0x39).contains($0) }), !name.contains("__") else {
            fail(
                node, "\(what) is `\(name)`, which cannot be a name",
                fix: "Use letters, digits and single underscores, and begin with a letter")
            return nil
        }
        guard name.utf8.count <= Self.longestName else { return tooLong(node, what, name) }
        guard !reserved.contains(name) else {
            fail(node, "\(what) is `\(name)`, which Needletail uses itself", fix: "Choose another name")
            return nil
        }
        return name
    }

    /// Postgres cuts longer identifiers, and two cut ones may collide.
    static let longestName = 63

    func tooLong(_ node: YAMLNode, _ what: String, _ name: String) -> String? {
        fail(
            node, "\(what) is `\(name)`, \(name.utf8.count) bytes long",
            fix: "Keep it to \(Self.longestName) bytes, the longest name Postgres keeps")
        return nil
    }

    /// Whether Kafka allows a topic of this name, and one of its dead letters.
    static func isTopic(_ name: String) -> Bool {
        let isLegal = name.utf8.allSatisfy { byte in
            (0x61...0x7A).contains(byte | 0x20) || (0x30...0x39).contains(byte) || [0x2E, 0x5F, 0x2D].contains(byte)
        }
        return isLegal && (1...240).contains(name.utf8.count) && name != "." && name != ".."
    }

    /// A topic's name as Kafka allows it.
    func topic(_ node: YAMLNode, _ what: String) -> String? {
        guard let name = text(node, what) else { return nil }
        guard Self.isTopic(name) else {
            fail(
                node, "\(what) is `\(name)`, which Kafka does not allow",
                fix: "Use up to 240 letters, digits, dots, underscores and hyphens")
            return nil
        }
        guard name != "predictions", !name.hasSuffix(".dlq") else {
            fail(node, "\(what) is `\(name)`, which Needletail uses itself", fix: "Choose another topic")
            return nil
        }
        return name
    }

    /// What may stand behind the number of a length of time.
    static let durationUnits: [(name: String, word: String, millis: Int64)] = [
        ("ms", "milliseconds", 1), ("s", "seconds", 1_000), ("m", "minutes", 60_000), ("h", "hours", 3_600_000),
        ("d", "days", 86_400_000), ("w", "weeks", 604_800_000),
    ]

    /// A length of time in milliseconds: `90s`, `15m`, `1h`, `7d`, `2w`, `500ms`.
    func duration(_ node: YAMLNode, _ what: String, atLeast least: Int64 = 1) -> Int64? {
        guard let text = text(node, what) else { return nil }
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard let count = Int64(digits),
            let unit = Self.durationUnits.first(where: { $0.name == text.dropFirst(digits.count) })
        else {
            fail(
                node, "\(what) is `\(text)`, which is no length of time",
                fix: "Write a number and a unit, like 90s, 15m, 1h, 7d or 2w")
            return nil
        }
        let (millis, overflow) = count.multipliedReportingOverflow(by: unit.millis)
        guard !overflow, millis >= least, millis <= Self.longestMillis else {
            fail(
                node, "\(what) is `\(text)`, which is \(millis < least && !overflow ? "too short" : "too long")",
                fix: least > 0 ? "Choose between 1ms and 3650d" : "Choose between 0s and 3650d")
            return nil
        }
        return millis
    }

    static let longestMillis: Int64 = 3_650 * 86_400_000
}
