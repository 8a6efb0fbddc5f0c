import FeatureEngine
import Text
import YAML

/// A service as its file declares it.
struct FeatureServiceDefinition {
    let definition: Definition
    let name: String
    /// `view` or `view:feature`.
    let items: [(view: String, feature: String?, node: YAMLNode)]

    init?(_ definition: Definition) {
        var definition = definition
        definition.check(keys: DefinitionKind.service.keys)
        guard let nameNode = definition.required("name", fix: "Add `name: fraud_v1`"),
            let name = definition.identifier(nameNode, "the service's name")
        else { return nil }
        definition.title = "service `\(name)`"
        self.definition = definition
        self.name = name
        let example = "features: [card_activity, request_features]"
        guard let node = definition.required("features", fix: "Add `\(example)`"),
            let nodes = definition.list(node, "features of \(definition.title)", like: "`\(example)`")
        else { return nil }
        items = nodes.compactMap { node in
            guard let text = definition.text(node, "a feature of \(definition.title)") else { return nil }
            let parts = text.split(separator: ":", maxSplits: 1).map { String($0) }
            return (parts.first ?? "", parts.count == 2 ? parts[1].trimmed : nil, node)
        }
    }

    /// The service over the views there are, or nil when it has mistakes. `knownNames` holds views with mistakes too.
    func service(
        views allViews: [StreamView], onDemandViews: [OnDemandView], knownNames: [String], streamHash: String
    ) -> FeatureService? {
        var outputs: [(view: String, feature: String, kind: FeatureKind, node: YAMLNode)] = []
        var isGood = true
        for item in items {
            let features: [(String, FeatureKind)]
            if let view = allViews.first(where: { $0.name == item.view }) {
                features = zip(view.features, view.kinds).map { ($0.name, $1) }
            } else if let view = onDemandViews.first(where: { $0.name == item.view }) {
                features = view.features.map { ($0.name, $0.kind) }
            } else {
                if !knownNames.contains(item.view) {
                    definition.fail(
                        item.node, "\(definition.title) takes features of `\(item.view)`, which is not defined",
                        fix: Suggestion.nearest(to: item.view, among: knownNames).map { "Did you mean `\($0)`?" }
                            ?? "Define it, or name one of \(knownNames.joined(separator: ", "))")
                }
                isGood = false
                continue
            }
            let chosen = features.filter { item.feature == nil || $0.0 == item.feature }
            if chosen.isEmpty, let feature = item.feature {
                definition.fail(
                    item.node, "\(definition.title) takes `\(feature)` of `\(item.view)`, which has no such feature",
                    fix: Suggestion.nearest(to: feature, among: features.map(\.0)).map {
                        "Did you mean `\(item.view):\($0)`?"
                    }
                        ?? "Its features are \(features.map(\.0).joined(separator: ", "))")
                isGood = false
            }
            for (feature, kind) in chosen {
                if outputs.contains(where: { $0.view == item.view && $0.feature == feature }) {
                    definition.fail(
                        item.node, "\(definition.title) takes `\(item.view):\(feature)` twice",
                        fix: "Remove one of them")
                    isGood = false
                } else {
                    outputs.append((item.view, feature, kind, item.node))
                }
            }
        }
        guard isGood else { return nil }

        // Every view it reads, directly or through on-demand ones.
        var used: [StreamView] = []
        var usedOnDemand: [OnDemandView] = []
        func visit(_ name: String) {
            if let view = allViews.first(where: { $0.name == name }) {
                if !used.contains(where: { $0 === view }) { used.append(view) }
            } else if let view = onDemandViews.first(where: { $0.name == name }),
                !usedOnDemand.contains(where: { $0 === view })
            {
                usedOnDemand.append(view)
                view.inputs.forEach(visit)
            }
        }
        items.map(\.view).filter { name in allViews.contains { $0.name == name } }.forEach(visit)
        items.map(\.view).forEach(visit)
        let sources = used.map(\.source) + usedOnDemand.map(\.source)
        guard let source = sources.first else { return nil }
        if let other = sources.first(where: { $0 !== source }) {
            definition.fail(
                definition.node["features"] ?? definition.node,
                "\(definition.title) mixes views of the sources `\(source.name)` and `\(other.name)`",
                fix: "Take views of one source; a request is one event of one source")
            return nil
        }
        return build(outputs.map { ($0.view, $0.feature, $0.kind) }, source, used, usedOnDemand, streamHash)
    }

    /// The slots in an order in which each needs only those before it.
    private static func order(
        of outputs: [(view: String, feature: String, kind: FeatureKind)], _ source: SourceSchema,
        _ expression: (_ view: String, _ feature: String) -> Expression?
    ) -> [Int] {
        // On-demand features are computed once: one that refers to another output reads its slot, which is filled before.
        var order: [Int] = []
        func visit(_ slot: Int) {
            guard !order.contains(slot) else { return }
            var pending = expression(outputs[slot].view, outputs[slot].feature).map { [($0, outputs[slot].view)] } ?? []
            while let (current, scope) = pending.popLast() {
                for reference in current.references {
                    let view = reference.view ?? scope
                    guard reference.view != nil || source.index(of: reference.name) == nil else { continue }
                    if let next = outputs.firstIndex(where: { $0.view == view && $0.feature == reference.name }) {
                        visit(next)
                    } else if let inner = expression(view, reference.name) {
                        pending.append((inner, view))
                    }
                }
            }
            order.append(slot)
        }
        outputs.indices.forEach(visit)
        return order
    }

    private func build(
        _ outputs: [(view: String, feature: String, kind: FeatureKind)], _ source: SourceSchema, _ views: [StreamView],
        _ onDemandViews: [OnDemandView], _ streamHash: String
    ) -> FeatureService? {
        func expression(_ view: String, _ feature: String) -> Expression? {
            onDemandViews.first { $0.name == view }?.features.first { $0.name == feature }?.expression
        }
        let order = Self.order(of: outputs, source, expression)
        let names = ExpressionNames(source: source, views: views, expression: expression)
        var columns: [(name: String, column: FeatureService.Column, kind: FeatureKind)] = []
        // By slot: whether it reads a view, and which slots before it.
        var reads: [(view: Bool, slots: [Int])] = []
        for (slot, output) in outputs.enumerated() {
            let name = "\(output.view)__\(output.feature)"
            if let view = views.firstIndex(where: { $0.name == output.view }),
                let index = views[view].features.firstIndex(where: { $0.name == output.feature })
            {
                columns.append((name, .stream(view: view, index: index), output.kind))
                reads.append((true, []))
                continue
            }
            guard let own = expression(output.view, output.feature) else { return nil }
            reads.append((false, []))
            let program = try? ExpressionProgram(own, scope: output.view, schema: source) {
                scope, view, name, column throws(ExpressionError) in
                guard let operand = names.operand(view, name, in: scope) else {
                    throw ExpressionError(column: column, message: "`\(name)` is unknown", fix: "Define it")
                }
                // A feature that the service takes too is computed once, before.
                if case .expression(_, let view) = operand,
                    let other = outputs.firstIndex(where: { $0.view == view && $0.feature == name }), other != slot
                {
                    reads[slot].slots.append(other)
                    return .output(other, kind: outputs[other].kind)
                }
                if case .feature = operand { reads[slot].view = true }
                return operand
            }
            guard let program else {
                // Each expression was compiled when its view was read; only its size can differ here.
                definition.fail(
                    definition.node, "\(definition.title) cannot compute `\(output.view):\(output.feature)`",
                    fix: "Split the expression into features that the service takes too")
                return nil
            }
            columns.append((name, .onDemand(program), output.kind))
        }
        var needsHistory = reads.map(\.view)
        for slot in order where reads[slot].slots.contains(where: { needsHistory[$0] }) { needsHistory[slot] = true }
        let hash = CanonicalHash.service(
            name: name, outputs: columns.map(\.name), onDemandViews: onDemandViews, streamHash: streamHash)
        return FeatureService(
            name: name, source: source, views: views, columns: columns, order: order,
            requestOnly: needsHistory.indices.filter { !needsHistory[$0] }, definitionHash: hash)
    }
}

extension String {
    /// Without spaces at either end.
    var trimmed: String {
        let start = drop { $0.isWhitespace }
        return String(start.reversed().drop { $0.isWhitespace }.reversed())
    }
}
