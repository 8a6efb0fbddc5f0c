import JSON

/// A JSON Schema of the dialect that OpenAPI 3.1 takes (2020-12).
struct APISchema {
    /// One member of an object.
    struct Property {
        let name: String
        let schema: APISchema
        let isRequired: Bool

        /// A member that is always there.
        static func always(_ name: String, _ schema: APISchema) -> Property {
            Property(name: name, schema: schema, isRequired: true)
        }

        /// A member that may be missing.
        static func maybe(_ name: String, _ schema: APISchema) -> Property {
            Property(name: name, schema: schema, isRequired: false)
        }
    }

    private var members: [JSONTree.Member]

    /// As it stands in the document.
    var json: JSONTree { .object(members) }

    static let string = APISchema(type: "string")
    static let number = APISchema(type: "number")
    static let integer = APISchema(type: "integer")
    static let boolean = APISchema(type: "boolean")

    private init(members: [JSONTree.Member]) { self.members = members }

    /// A schema of one or several types.
    init(type: String...) {
        members = [.init("type", type.count == 1 ? .string(type[0]) : .array(type.map { .string($0) }))]
    }

    /// One of these texts.
    static func one(of values: String...) -> APISchema {
        string.with("enum", .array(values.map { .string($0) }))
    }

    /// The schema of a name among the document's components.
    static func named(_ name: String) -> APISchema {
        APISchema(members: [.init("$ref", .string("#/components/schemas/\(name)"))])
    }

    /// A list.
    static func list(_ element: APISchema) -> APISchema { APISchema(type: "array").with("items", element.json) }

    /// An object whose members have names of their own and values of one kind.
    static func map(_ value: APISchema) -> APISchema {
        APISchema(type: "object").with("additionalProperties", value.json)
    }

    /// An object.
    static func object(_ properties: [Property]) -> APISchema {
        let required = properties.filter(\.isRequired).map { JSONTree.string($0.name) }
        let schema = APISchema(type: "object").with(
            "properties", .object(properties.map { .init($0.name, $0.schema.json) }))
        return required.isEmpty ? schema : schema.with("required", .array(required))
    }

    /// One of several.
    static func any(of schemas: APISchema...) -> APISchema {
        APISchema(members: [.init("anyOf", .array(schemas.map(\.json)))])
    }

    /// The same with a keyword set; unchanged for nil.
    func with(_ keyword: String, _ value: JSONTree?) -> APISchema {
        guard let value else { return self }
        var copy = self
        copy.members.removeAll { $0.key == keyword }
        copy.members.append(.init(keyword, value))
        return copy
    }

    /// The same with what it means.
    func described(_ text: String) -> APISchema { with("description", .string(text)) }
}
