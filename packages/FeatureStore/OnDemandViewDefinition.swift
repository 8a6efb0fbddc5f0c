import FeatureEngine
import Text
import YAML

/// An on-demand view as its file declares it.
struct OnDemandViewDefinition {
    struct Feature {
        let name: String
        let expression: Expression
        let text: String
        let node: YAMLNode
    }

    let definition: Definition
    let name: String
    let inputs: [(name: String, node: YAMLNode)]
    let sourceNode: YAMLNode?
    let features: [Feature]

    init?(_ definition: Definition) {
        var definition = definition
        definition.check(keys: DefinitionKind.onDemandView.keys)
        guard let nameNode = definition.required("name", fix: "Add `name: request_features`"),
            let name = definition.identifier(nameNode, "the view's name", reserved: SourceDefinition.reservedNames)
        else { return nil }
        definition.title = "view `\(name)`"
        self.definition = definition
        self.name = name
        sourceNode = definition.node["source"]

        let example = "inputs: [card_activity, request]"
        guard let inputsNode = definition.required("inputs", fix: "Add `\(example)`"),
            let items = definition.list(inputsNode, "inputs of \(definition.title)", like: "`\(example)`")
        else { return nil }
        inputs = items.compactMap { item in definition.text(item, "an input").map { ($0, item) } }

        let featuresExample = "features: {hour: hour_of_day(event_timestamp)}"
        guard let node = definition.required("features", fix: "Add `\(featuresExample)`"),
            let pairs = definition.mapping(node, "features of \(definition.title)", like: "`\(featuresExample)`")
        else { return nil }
        if pairs.isEmpty {
            definition.fail(node, "\(definition.title) has no features", fix: "Add `\(featuresExample)`")
        }
        features = pairs.compactMap { pair in
            guard let name = definition.identifier(pair.key, "a feature's name"),
                let text = definition.text(pair.value, "the expression of `\(name)`")
            else { return nil }
            do throws(ExpressionError) {
                return Feature(name: name, expression: try Expression(parsing: text), text: text, node: pair.value)
            } catch {
                Self.fail(definition, name, pair.value, error)
                return nil
            }
        }
    }

    /// Reports a mistake inside an expression at its own column.
    static func fail(_ definition: Definition, _ feature: String, _ node: YAMLNode, _ error: ExpressionError) {
        var column = node.column + error.column - 1
        if case .scalar(_, isPlain: false) = node.content { column += 1 }  // the quote
        definition.reader.fail(
            definition.file, line: node.line, column: column,
            "the feature `\(feature)` of \(definition.title): \(error.message)", fix: error.fix)
    }

    func feature(named name: String) -> Feature? { features.first { $0.name == name } }
}

/// Looks names up across all views and checks the on-demand ones: references, cycles, types.
struct OnDemandResolver {
    let definitions: [OnDemandViewDefinition]
    let views: [StreamView]
    let sources: [SourceSchema]

    /// The views without a mistake.
    func resolve() -> [OnDemandView] {
        guard !reportCycles() else { return [] }
        return definitions.compactMap { definition in
            guard checkInputs(definition), let source = source(of: definition) else { return nil }
            var features: [OnDemandView.Feature] = []
            for feature in definition.features {
                do throws(ExpressionError) {
                    let program = try ExpressionProgram(feature.expression, scope: definition.name, schema: source) {
                        scope, view, name, column throws(ExpressionError) in
                        try operand(view, name, column, in: scope, source)
                    }
                    features.append(
                        .init(
                            name: feature.name, expression: feature.expression, text: feature.text, kind: program.kind))
                } catch {
                    if !error.isInlined {
                        OnDemandViewDefinition.fail(definition.definition, feature.name, feature.node, error)
                    }
                }
            }
            guard features.count == definition.features.count else { return nil }
            return OnDemandView(
                name: definition.name, source: source, inputs: definition.inputs.map(\.name).filter { $0 != "request" },
                features: features)
        }
    }

    private func reportCycles() -> Bool {
        var found = false
        for definition in definitions {
            for feature in definition.features {
                var seen: Set<String> = []
                guard let path = cycle(from: [(definition.name, feature.name)], seen: &seen) else { continue }
                definition.definition.fail(
                    feature.node,
                    "the feature `\(feature.name)` of view `\(definition.name)` is computed from itself: \(path)",
                    fix: "Break the circle")
                found = true
            }
        }
        return found
    }

    private func checkInputs(_ definition: OnDemandViewDefinition) -> Bool {
        var isGood = true
        for input in definition.inputs where input.name != "request" {
            guard !views.contains(where: { $0.name == input.name }),
                !definitions.contains(where: { $0.name == input.name })
            else { continue }
            let names = views.map(\.name) + definitions.map(\.name).filter { $0 != definition.name } + ["request"]
            definition.definition.fail(
                input.node, "view `\(definition.name)` has the input `\(input.name)`, which is not defined",
                fix: Suggestion.nearest(to: input.name, among: names).map { "Did you mean `\($0)`?" }
                    ?? "Define it, or name one of \(names.joined(separator: ", "))")
            isGood = false
        }
        return isGood
    }

    /// The source of the request: declared, or that of the stream inputs, or the only one there is.
    private func source(of definition: OnDemandViewDefinition) -> SourceSchema? {
        if let node = definition.sourceNode {
            guard let name = definition.definition.text(node, "the view's source") else { return nil }
            if let source = sources.first(where: { $0.name == name }) { return source }
            definition.definition.fail(
                node, "view `\(definition.name)` reads the source `\(name)`, which is not defined",
                fix: Suggestion.nearest(to: name, among: sources.map(\.name)).map { "Did you mean `\($0)`?" }
                    ?? "Name one of \(sources.map(\.name).joined(separator: ", "))")
            return nil
        }
        var seen: Set<String> = []
        var found: Set<String> = []
        func visit(_ name: String) {
            guard seen.insert(name).inserted else { return }
            if let view = views.first(where: { $0.name == name }) { found.insert(view.source.name) }
            definitions.first { $0.name == name }?.inputs.forEach { visit($0.name) }
        }
        visit(definition.name)
        if found.isEmpty, sources.count == 1 { return sources.first }
        if found.count == 1, let name = found.first { return sources.first { $0.name == name } }
        definition.definition.fail(
            definition.definition.node,
            found.isEmpty
                ? "view `\(definition.name)` does not say which source its request is of"
                : "view `\(definition.name)` mixes views of the sources \(found.sorted().joined(separator: " and "))",
            fix: found.isEmpty
                ? "Add `source:` with one of \(sources.map(\.name).joined(separator: ", "))"
                : "Read views of one source; a request is one event of one source")
        return nil
    }

    /// The way from the first feature of `path` back to it, or nil.
    private func cycle(from path: [(view: String, feature: String)], seen: inout Set<String>) -> String? {
        guard let last = path.last, let definition = definitions.first(where: { $0.name == last.view }),
            let feature = definition.feature(named: last.feature)
        else { return nil }
        for reference in feature.expression.references {
            guard let next = onDemand(reference.view, reference.name, in: definition) else { continue }
            if next == path[0] {
                return (path + [next]).map { "\($0.view).\($0.feature)" }.joined(separator: " → ")
            }
            guard seen.insert("\(next.view).\(next.feature)").inserted else { continue }
            if let found = cycle(from: path + [next], seen: &seen) { return found }
        }
        return nil
    }

    /// The on-demand feature a reference means, or nil when it means something else. A bare name is a request's field first.
    private func onDemand(
        _ view: String?, _ name: String, in definition: OnDemandViewDefinition
    ) -> (view: String, feature: String)? {
        if let view {
            return definitions.contains { $0.name == view } && view != "request" ? (view, name) : nil
        }
        if name == "event_timestamp" { return nil }
        if let source = quietSource(of: definition), source.index(of: name) != nil { return nil }
        return definition.feature(named: name) == nil ? nil : (definition.name, name)
    }

    private func quietSource(of definition: OnDemandViewDefinition) -> SourceSchema? {
        if let name = definition.sourceNode?.text { return sources.first { $0.name == name } }
        for input in definition.inputs {
            if let view = views.first(where: { $0.name == input.name }) { return view.source }
        }
        return sources.count == 1 ? sources.first : nil
    }

    /// What a name means, or why it means nothing here.
    private func operand(
        _ view: String?, _ name: String, _ column: Int, in scope: String, _ source: SourceSchema
    ) throws(ExpressionError) -> ExpressionOperand {
        guard let definition = definitions.first(where: { $0.name == scope }) else {
            throw ExpressionError(column: column, message: "there is no view `\(scope)`", fix: "Define it")
        }
        let names = ExpressionNames(source: source, views: views) { view, name in
            definitions.first { $0.name == view }?.feature(named: name)?.expression
        }
        let found = names.operand(view, name, in: scope)
        if case .field = found, !definition.inputs.contains(where: { $0.name == "request" }) {
            throw ExpressionError(
                column: column, message: "`\(name)` is a field of the request, which is not among the inputs",
                fix: "Add `request` to `inputs`")
        }
        guard let view, view != "request" else {
            if let found { return found }
            throw unknownField(view, name, column, definition, source)
        }
        let features =
            views.first { $0.name == view }?.features.map(\.name)
            ?? definitions.first { $0.name == view }?.features.map(\.name)
        guard let features else {
            let names = views.map(\.name) + definitions.map(\.name)
            throw ExpressionError(
                column: column, message: "there is no view `\(view)`",
                fix: Suggestion.nearest(to: view, among: names).map { "Did you mean `\($0)`?" }
                    ?? "The views are \(names.joined(separator: ", "))")
        }
        guard definition.inputs.contains(where: { $0.name == view }) || view == definition.name else {
            throw ExpressionError(
                column: column, message: "the view `\(view)` is not among the inputs", fix: "Add `\(view)` to `inputs`")
        }
        guard let found else {
            throw ExpressionError(
                column: column, message: "the view `\(view)` has no feature `\(name)`",
                fix: Suggestion.nearest(to: name, among: features).map { "Did you mean `\($0)`?" }
                    ?? "Its features are \(features.joined(separator: ", "))")
        }
        return found
    }

    /// Why a name without a view, or one of the request, means nothing.
    private func unknownField(
        _ view: String?, _ name: String, _ column: Int, _ definition: OnDemandViewDefinition, _ source: SourceSchema
    ) -> ExpressionError {
        if name == source.label?.field {
            return ExpressionError(
                column: column, message: "`\(name)` is the label, which is not known when the request comes",
                fix: "Remove it; labels enter training only")
        }
        let names =
            source.fields.map(\.name) + (view == nil ? definition.features.map(\.name) : []) + ["event_timestamp"]
        let inView = views.first { candidate in
            candidate.source === source && candidate.features.contains { $0.name == name }
        }
        return ExpressionError(
            column: column,
            message: "`\(name)` is neither a field of the source `\(source.name)` nor a feature of this view",
            fix: inView.map { "Write `\($0.name).\(name)`" }
                ?? Suggestion.nearest(to: name, among: names).map { "Did you mean `\($0)`?" }
                ?? "The fields are \(source.fields.map(\.name).joined(separator: ", "))")
    }
}
