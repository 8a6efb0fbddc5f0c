import Foundation
import FeatureStore
import TestSupport
import Testing
import YAML

@testable import FeatureStoreCommands

/// The JSON Schema, by a validator of the few words that it uses.
@Suite struct DefinitionSchemaTests {
    private let schema: [String: Any]

    init() throws {
        let value = try JSONSerialization.jsonObject(with: Data(DefinitionSchema.text.utf8))
        schema = try #require(value as? [String: Any])
    }

    private static let words: Set = [
        "$schema", "title", "description", "anyOf", "type", "properties", "required", "additionalProperties", "const",
        "enum", "items", "minItems", "minProperties", "pattern",
    ]

    /// What is wrong with a value, or nil. An unknown word of the schema is a mistake of the schema.
    private func problem(_ node: YAMLNode, _ schema: [String: Any], _ path: String = "") -> String? {
        for word in schema.keys where !Self.words.contains(word) { return "the schema says \(word)" }
        if let choices = schema["anyOf"] as? [[String: Any]] {
            let problems = choices.map { problem(node, $0, path) }
            if !problems.contains(where: { $0 == nil }) {
                return "none of: \(problems.compactMap { $0 }.joined(separator: " | "))"
            }
        }
        let types = schema["type"] as? [String] ?? (schema["type"] as? String).map { [$0] }
        if let types, types.allSatisfy({ !isOf($0, node) }) { return "\(path) is no \(types)" }
        if let word = schema["const"] as? String, node.text != word { return "\(path) is not \(word)" }
        if let words = schema["enum"] as? [String], !words.contains(node.text ?? "") {
            return "\(path) is none of \(words)"
        }
        if let pattern = schema["pattern"] as? String,
            (node.text ?? "").range(of: pattern, options: .regularExpression) == nil
        {
            return "\(path) is not like \(pattern)"
        }
        if let items = schema["items"] as? [String: Any] {
            if let least = schema["minItems"] as? Int, (node.items ?? []).count < least { return "\(path) is empty" }
            for item in node.items ?? [] { if let found = problem(item, items, path + "[]") { return found } }
        }
        guard let pairs = node.pairs else { return nil }
        let names = pairs.map(\.name)
        for name in schema["required"] as? [String] ?? [] where !names.contains(name) { return "\(path) lacks \(name)" }
        if let least = schema["minProperties"] as? Int, pairs.count < least { return "\(path) has no names" }
        let properties = schema["properties"] as? [String: [String: Any]] ?? [:]
        for pair in pairs {
            if let inner = properties[pair.name] ?? schema["additionalProperties"] as? [String: Any] {
                if let found = problem(pair.value, inner, "\(path).\(pair.name)") { return found }
            } else if schema["additionalProperties"] as? Bool == false {
                return "\(path).\(pair.name) is unknown"
            }
        }
        return nil
    }

    private func isOf(_ type: String, _ node: YAMLNode) -> Bool {
        switch type {
        case "object": node.pairs != nil
        case "array": node.items != nil
        case "integer": node.text.flatMap { Int($0) } != nil
        case "boolean": ["true", "false"].contains(node.text)
        default: node.text != nil
        }
    }

    @Test(arguments: ["feature_repo", "Tests/Fixtures/terminals"])
    func `definitions that the program takes are valid`(folder: String) throws {
        let path = TestEnvironment.packageRoot + "/" + folder
        var count = 0
        for file in try FileManager.default.contentsOfDirectory(atPath: path) where file.hasSuffix(".yaml") {
            for node in try YAMLNode.documents(String(contentsOfFile: "\(path)/\(file)", encoding: .utf8)) {
                let problem = problem(node, schema)
                #expect(problem == nil, "\(file): \(problem ?? "")")
                count += 1
            }
        }
        #expect(count > 3)
    }

    @Test(arguments: [
        "project: a__b", "project: fraud\nonline_store: {type: mysql}", "kind: source\nname: a", "kind: sauce\nname: a",
        "kind: feature_service\nname: a\nfeatures: []", "kind: feature_service\nname: a\nfeatures: {a: b}",
        "kind: source\nname: a\ntopic: a\nevent_id: i\nevent_timestamp: t\nfields: {i: strings, t: string}",
        "kind: source\nname: a\ntopic: a\nevent_id: i\nevent_timestamp: t\nfields: {i: string, t: string}\nlabels: {field: x}",
        "kind: source\nname: a\ntopic: a\nevent_id: i\nevent_timestamp: t\nfields: {i: string}\nlabel: {field: x, delay: 7 days}",
        "kind: stream_feature_view\nname: a\nsource: s\nentity: {join_key: k}\naggregations: [{functions: [summ], windows: [1h]}]",
    ])
    func `what the program refuses for its form is not valid`(text: String) throws {
        for node in try YAMLNode.documents(text) { #expect(problem(node, schema) != nil, "\(text)") }
    }

    @Test func `the manual finds by words, and its page is the documentation's`() throws {
        let text = try #require(DefinitionManual.text(["distinct"], width: 80))
        #expect(text.contains("distinct_count") && !text.contains("haversine_km"))
        #expect(text.split(separator: "\n").allSatisfy { $0.count <= 80 || $0.hasPrefix("      {") })
        #expect(DefinitionManual.text(["no such word"], width: 80) == nil)
        let page = try String(contentsOfFile: TestEnvironment.packageRoot + "/docs/definitions.md", encoding: .utf8)
        #expect(page == DefinitionManual.markdown + "\n", "run scripts/write-settings")
    }
}
