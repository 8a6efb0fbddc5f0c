import FeatureEngine
import Text

/// Hashes what definitions mean, not how they are written: comments, spaces, key order and descriptions do not count.
enum CanonicalHash {
    /// Over sources and stream views: what decides a blob and a stored row.
    static func stream(sources: [SourceSchema], views: [StreamView]) -> String {
        var text = "needletail features 1\n"
        for source in sources.sorted(by: { $0.name < $1.name }) {
            let time = source.fields[source.eventTimeIndex].name
            text += line(
                "source", source.name, source.topic, source.fields[source.eventIDIndex].name, time,
                source.eventTimeFormat.name, source.fields[source.keyIndex].name)
            for field in source.fields.sorted(by: { $0.name < $1.name }) {
                let type = Field(field.name, field.type, rounds: field.rounds).declaration
                text += line("field", field.name, type, field.isOptional ? "optional" : "")
            }
            if let label = source.label { text += line("label", label.field, label.topic, String(label.delayMillis)) }
        }
        for view in views.sorted(by: { $0.name < $1.name }) {
            text += line(
                "view", view.name, view.source.name, view.source.fields[view.joinKeyIndex].name,
                view.isRightClosed ? "right_closed" : "left_closed", view.includesCurrentEvent ? "include" : "exclude")
            // It names the topic that the view's positions are of.
            if view.joinKeyIndex != view.source.keyIndex { text += line("entity", view.entityName) }
            for feature in view.features {
                let column = feature.field.map { view.source.fields[$0].name } ?? ""
                text += line(
                    "feature", feature.name, feature.function.rawValue, column,
                    feature.windowMillis.map(String.init) ?? "")
            }
        }
        return hex(text)
    }

    /// Over one service, its on-demand views and the stream hash.
    static func service(name: String, outputs: [String], onDemandViews: [OnDemandView], streamHash: String) -> String {
        var text = line("service", name, streamHash)
        for view in onDemandViews.sorted(by: { $0.name < $1.name }) {
            text += line("on_demand", view.name, view.source.name)
            for feature in view.features.sorted(by: { $0.name < $1.name }) {
                text += line("feature", feature.name, feature.expression.canonicalText)
            }
        }
        for output in outputs { text += line("output", output) }
        return hex(text)
    }

    private static func line(_ parts: String...) -> String { parts.joined(separator: "\t") + "\n" }

    private static func hex(_ text: String) -> String { Padding.hexadecimal(FNV1a64.hash(text.utf8), 16) }
}
