import FeatureEngine
import Testing

@testable import FeatureStore

/// What the reference says is what the parser takes: every example, every key, every function.
@Suite struct DefinitionLanguageTests {
    /// The definitions of the reference's examples, with one kind of them written otherwise.
    private func load(_ replaced: DefinitionKind? = nil, _ lines: [String] = []) throws {
        var loader = RepositoryLoader(environment: ["TOPIC": "events"], directory: "example")
        let texts = DefinitionKind.all.map { kind in
            (
                file: "\(kind.name ?? "project").yaml",
                text: (kind.name == replaced?.name && replaced != nil ? lines : Self.lines(kind)).joined(
                    separator: "\n")
            )
        }
        _ = try loader.load(texts)
    }

    /// The required keys of a kind, by their examples; those of `others` are left out.
    private static func lines(_ kind: DefinitionKind, without others: Set<String> = []) -> [String] {
        (kind.name.map { ["kind: \($0)"] } ?? [])
            + kind.keys.filter { $0.isRequired && $0.name != "kind" && !others.contains($0.name) }.map(\.example)
    }

    /// `fields` of the examples, one of them written otherwise or added.
    private static func fields(with field: String) throws -> String {
        let example = try #require(DefinitionKind.source.keys.first { $0.name == "fields" }).example
        let name = field.prefix { $0 != ":" }
        let others = example.split(separator: "{", maxSplits: 1)[1].dropLast().split(separator: ",")
            .map { $0.drop { $0 == " " } }.filter { !$0.hasPrefix("\(name):") }
        return "fields:\n" + (others.map(String.init) + [field]).map { "  \($0)\n" }.joined()
    }

    @Test func `the required keys make definitions`() throws { try load() }

    @Test(arguments: DefinitionKind.all.map(\.name))
    func `every key works as its example says, and what is called required is`(name: String?) throws {
        let kind = try #require(DefinitionKind.all.first { $0.name == name })
        for key in kind.keys where key.name != "kind" {
            #expect(throws: Never.self, "\(key.name)") {
                try load(kind, Self.lines(kind, without: [key.name]) + [key.example])
            }
            guard key.isRequired else { continue }
            #expect(throws: DefinitionError.self, "\(key.name)") {
                try load(kind, Self.lines(kind, without: [key.name]))
            }
        }
    }

    @Test func `every key of a key works as its example says`() throws {
        for (kind, key) in DefinitionKind.all.flatMap({ kind in kind.keys.map { (kind, $0) } }) {
            func visit(_ shape: DefinitionKey.Shape) throws {
                switch shape {
                case .keys(let inner):
                    for nested in inner {
                        let line =
                            switch key.name {
                            case "fields": try Self.fields(with: nested.example)
                            case "aggregations": "aggregations:\n  - \(nested.example)"
                            default: nested.example
                            }
                        // On-demand examples read a feature that only the aggregation of the table makes.
                        #expect(throws: Never.self, "\(key.name).\(nested.name)") {
                            try key.name == "aggregations"
                                ? aggregate(nested.example)
                                : load(kind, Self.lines(kind, without: [key.name]) + [line])
                        }
                        try visit(nested.shape)
                    }
                case .list(let item), .names(let item): try visit(item)
                case .either(let left, let right):
                    try visit(left)
                    try visit(right)
                case .text, .identifier, .choice, .duration, .fieldType, .expression, .integer, .truth: break
                }
            }
            try visit(key.shape)
        }
    }

    /// One more aggregation beside that of the examples.
    private func aggregate(_ item: String) throws {
        let lines = Self.lines(.streamView, without: ["aggregations"])
        let other = "{columns: [merchant], functions: [count], windows: [3d]}"
        try load(
            .streamView,
            lines + ["aggregations:", "  - {column: amt, functions: [mean], windows: [24h]}"]
                + (item.contains("mean") && item.contains("24h") ? ["  - \(other)"] : ["  - \(item)"]))
        // Alone it is parsed as well; what it leaves undefined for others is no mistake of its own.
        let error = try? alone(item)
        #expect(error == nil, "\(item): \(error ?? "")")
    }

    /// The mistakes of a view with this aggregation alone; nil without one.
    private func alone(_ item: String) throws -> String? {
        var loader = RepositoryLoader(environment: [:], directory: "example")
        let texts =
            [DefinitionKind.project, .source].map { Self.lines($0).joined(separator: "\n") } + [
                (Self.lines(.streamView, without: ["aggregations"]) + ["aggregations:", "  - \(item)"]).joined(
                    separator: "\n")
            ]
        do {
            _ = try loader.load(texts.enumerated().map { (file: "\($0).yaml", text: $1) })
            return nil
        } catch { return "\(error)" }
    }

    @Test(arguments: DefinitionReference.all.map(\.title))
    func `every example of the reference is taken by the parser`(title: String) throws {
        let section = try #require(DefinitionReference.all.first { $0.title == title })
        #expect(!section.entries.isEmpty)
        for entry in section.entries {
            #expect(!entry.meaning.isEmpty && entry.meaning.hasSuffix("."), "\(entry.form)")
            #expect(throws: Never.self, "\(entry.form): \(entry.example)") { try check(entry, section.place) }
        }
    }

    private func check(_ entry: DefinitionReference.Entry, _ place: DefinitionReference.Place) throws {
        let source = DefinitionKind.source
        switch place {
        case .field: try load(source, Self.lines(source, without: ["fields"]) + [Self.fields(with: entry.example)])
        case .timeFormat:
            let isNumber = EventTimeFormat(entry.example)?.isNumeric == true
            try load(
                source,
                Self.lines(source, without: ["fields", "event_timestamp"]) + [
                    Self.fields(with: "time: \(isNumber ? "integer" : "string")"),
                    "event_timestamp: {field: time, format: \"\(entry.example)\"}",
                ])
        case .duration: #expect(try alone("{functions: [count], windows: [\(entry.example)]}") == nil)
        case .aggregation: #expect(try alone(entry.example) == nil)
        case .expression:
            let view = DefinitionKind.onDemandView
            let expression = entry.example.replacing("\"", with: "\\\"")
            try load(
                view,
                Self.lines(view, without: ["features"]) + ["features:", "  x: \"\(expression)\""])
        case .text: try load(source, Self.lines(source) + ["description: \"\(entry.example)\""])
        }
    }

    @Test func `what the parser has is in the reference`() {
        let forms = Set(DefinitionReference.all.flatMap(\.entries).map(\.form))
        for function in AggregateFunction.allCases { #expect(forms.contains(function.rawValue)) }
        for function in ExpressionFunction.allCases {
            #expect(forms.contains { $0.hasPrefix("\(function.rawValue)(") })
            let form = forms.first { $0.hasPrefix("\(function.rawValue)(") } ?? ""
            let count = form.split(separator: ",").count
            #expect(form.contains("…") ? function.arity.upperBound > count : function.arity.contains(count), "\(form)")
        }
        #expect(Expression.Operator.allCases.allSatisfy { forms.contains("a \($0.rawValue) b") })
    }
}
