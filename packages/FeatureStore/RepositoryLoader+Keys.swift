import FeatureEngine
import Text

/// Which field keys the topic of each source, and which views need their events by another key.
extension RepositoryLoader {
    /// Finished sources. Without `key` a source's key is the join key of its views, which then must be one.
    func finish(_ sources: [SourceDefinition], _ views: [StreamViewDefinition]) -> [SourceSchema] {
        sources.compactMap { source in
            let fed = views.filter { $0.source.name == source.name }
            guard let key = key(of: source, fed) else { return nil }
            let rekeyed = fed.filter { $0.joinKey != key }
            checkEntities(fed)
            checkTopics(of: rekeyed, sources)
            var others: [String] = []
            for view in rekeyed where !others.contains(view.joinKey) { others.append(view.joinKey) }
            return source.schema(key: key, others: others)
        }
    }

    private func key(of source: SourceDefinition, _ fed: [StreamViewDefinition]) -> String? {
        guard let declared = source.declaredKey else {
            guard let first = fed.first else { return source.fields[source.eventIDIndex].name }
            // The order of files must not decide what the topic is keyed by.
            for view in fed where view.joinKey != first.joinKey {
                view.definition.fail(
                    view.joinKeyNode,
                    "\(view.definition.title) joins on `\(view.joinKey)` and \(first.definition.title) on `\(first.joinKey)`, and source `\(source.name)` does not say which of them keys its topic",
                    fix: "Write `key: \(first.joinKey)` into source `\(source.name)` if its producers key records so")
                return nil
            }
            return first.joinKey
        }
        guard let field = source.fields.first(where: { $0.name == declared.name }) else {
            source.definition.fail(
                declared.node,
                "`key` of \(source.definition.title) names `\(declared.name)`, which is not among its fields",
                fix: Suggestion.nearest(to: declared.name, among: source.fields.map(\.name))
                    .map { "Did you mean `\($0)`?" } ?? "Name one of its fields")
            return nil
        }
        guard field.type == .string || field.type == .integer, !field.isOptional else {
            source.definition.fail(
                declared.node,
                "`key` of \(source.definition.title) names `\(field.name)`, a field of type \(field.type)\(field.isOptional ? "?" : "")",
                fix: "A key is a string or an integer that every row has")
            return nil
        }
        return declared.name
    }

    /// An entity of a source is one key.
    private func checkEntities(_ fed: [StreamViewDefinition]) {
        for (index, view) in fed.enumerated() {
            guard let other = fed[..<index].first(where: { $0.entityName == view.entityName }),
                other.joinKey != view.joinKey
            else { continue }
            view.definition.fail(
                view.joinKeyNode,
                "\(view.definition.title) joins entity `\(view.entityName)` on `\(view.joinKey)`, but \(other.definition.title) joins it on `\(other.joinKey)`",
                fix: "Join both on the same field, or name the entities differently")
        }
    }

    /// The topics that are written for views of other entities belong to nobody else.
    private func checkTopics(of rekeyed: [StreamViewDefinition], _ sources: [SourceDefinition]) {
        for view in rekeyed {
            let topic = ViewFeed.rekeyedTopic(view.source.topic, entity: view.entityName)
            if !Definition.isTopic(topic) {
                view.definition.fail(
                    view.joinKeyNode,
                    "\(view.definition.title) needs the events by `\(view.joinKey)` on a topic `\(topic)`, which Kafka does not allow",
                    fix: "Give the entity a short `name` of letters, digits and underscores")
            }
            guard let other = sources.first(where: { $0.topic == topic || $0.label?.topic == topic }) else { continue }
            view.definition.fail(
                view.joinKeyNode,
                "\(view.definition.title) needs the events by `\(view.joinKey)` on the topic `\(topic)`, which is one of source `\(other.name)`",
                fix: "Name the entity or the topic differently")
        }
    }
}
