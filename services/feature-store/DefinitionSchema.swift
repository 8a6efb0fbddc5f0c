import FeatureStore
import JSON

/// The definitions' language as a JSON Schema (draft 7), for editors: what is a key, which words it takes, what it means. What only
/// the whole of the definitions can say, such as whether a source exists, is left to `features apply`.
enum DefinitionSchema {
    static var text: String {
        var json = JSONWriter()
        json.beginObject()
        member("$schema", "http://json-schema.org/draft-07/schema#", &json)
        member("title", "Needletail's definitions: sources, views and services", &json)
        json.key("anyOf")
        json.beginArray()
        for kind in DefinitionKind.all { write(kind, &json) }
        json.endArray()
        json.endObject()
        return json.text
    }

    private static func member(_ name: String, _ value: String, _ json: inout JSONWriter) {
        json.key(name)
        json.value(value)
    }

    private static func write(_ kind: DefinitionKind, _ json: inout JSONWriter) {
        json.beginObject()
        member("title", kind.name ?? "project", &json)
        member("description", kind.meaning, &json)
        write(keys: kind.keys, kind: kind.name, &json)
        json.endObject()
    }

    private static func write(keys: [DefinitionKey], kind: String? = nil, _ json: inout JSONWriter) {
        member("type", "object", &json)
        json.key("properties")
        json.beginObject()
        for key in keys {
            json.key(key.name)
            json.beginObject()
            member("description", key.meaning, &json)
            if key.name == "kind", let kind {
                member("const", kind, &json)
            } else {
                write(key.shape, &json)
            }
            json.endObject()
        }
        json.endObject()
        json.key("required")
        json.beginArray()
        for key in keys where key.isRequired { json.value(key.name) }
        json.endArray()
        json.key("additionalProperties")
        json.value(false)
    }

    private static let names = "^[A-Za-z_](?!.*__)[A-Za-z0-9_]*$"
    private static let durations = "^[0-9]+(\(DefinitionReference.durationUnits.joined(separator: "|")))$"
    private static let types =
        "^(string|integer|int|double|float|boolean|bool|decimal\\([0-9]\\)|decimal\\([0-9], *round\\))\\??$"

    private static func write(_ shape: DefinitionKey.Shape, _ json: inout JSONWriter) {
        switch shape {
        // An editor takes what is a number to YAML for one; a definition takes its text.
        case .text, .expression: types(["string", "number", "boolean"], &json)
        case .identifier: pattern(names, &json)
        case .duration: pattern(durations, &json)
        case .fieldType: pattern(types, &json)
        case .integer: member("type", "integer", &json)
        case .truth: member("type", "boolean", &json)
        case .choice(let words):
            json.key("enum")
            json.beginArray()
            for word in words { json.value(word) }
            json.endArray()
        case .list(.keys(let keys)): list(.keys(keys), &json)
        // One text alone is a list of one.
        case .list(let item): alternatives([.list(item), item], &json)
        case .either(let left, let right): alternatives([left, right], &json)
        case .names(let value):
            member("type", "object", &json)
            json.key("minProperties")
            json.value(1)
            json.key("additionalProperties")
            object(value, &json)
        case .keys(let keys): write(keys: keys, &json)
        }
    }

    /// One of several shapes. A list stands for the list alone here; one item without its brackets is another alternative.
    private static func alternatives(_ shapes: [DefinitionKey.Shape], _ json: inout JSONWriter) {
        json.key("anyOf")
        json.beginArray()
        for shape in shapes {
            guard case .list(let item) = shape else {
                object(shape, &json)
                continue
            }
            json.beginObject()
            list(item, &json)
            json.endObject()
        }
        json.endArray()
    }

    private static func list(_ item: DefinitionKey.Shape, _ json: inout JSONWriter) {
        member("type", "array", &json)
        json.key("minItems")
        json.value(1)
        json.key("items")
        object(item, &json)
    }

    private static func object(_ shape: DefinitionKey.Shape, _ json: inout JSONWriter) {
        json.beginObject()
        write(shape, &json)
        json.endObject()
    }

    private static func types(_ names: [String], _ json: inout JSONWriter) {
        json.key("type")
        json.beginArray()
        for name in names { json.value(name) }
        json.endArray()
    }

    /// A text of a form, or one that holds a variable.
    private static func pattern(_ form: String, _ json: inout JSONWriter) {
        member("type", "string", &json)
        member("pattern", "\(form)|\\$\\{", &json)
    }
}
