public import JSON

/// Holds JSON values against the JSON Schemas of an OpenAPI document: the keywords that ours has, and no other. A keyword that it
/// does not know is a problem, so that nothing passes unlooked at.
public struct JSONSchema {
    private let document: JSONTree
    /// Whether an object may have only the members that its schema names, also where the schema leaves that open.
    private let isClosed: Bool
    private static let annotations: Set = ["description", "default"]

    /// For the schemas of a document.
    public init(_ document: JSONTree, isClosed: Bool = false) {
        self.document = document
        self.isClosed = isClosed
    }

    /// What a reference such as `#/components/schemas/Error` stands for.
    public func resolve(_ reference: String) -> JSONTree? {
        guard reference.hasPrefix("#/") else { return nil }
        return reference.split(separator: "/").dropFirst().reduce(document) { $0?[String($1)] }
    }

    /// What is wrong with a value, each with its place; empty when nothing is.
    public func problems(_ value: JSONTree, _ schema: JSONTree, at place: String = "$") -> [String] {
        guard let keywords = schema.object else { return ["\(place): the schema is no object"] }
        return keywords.flatMap { keyword -> [String] in
            switch keyword.key {
            case "$ref":
                guard let target = keyword.value.string.flatMap(resolve) else {
                    return ["\(place): \(keyword.value.text()) leads nowhere"]
                }
                return problems(value, target, at: place)
            case "anyOf":
                let tries = (keyword.value.array ?? []).map { problems(value, $0, at: place) }
                return tries.contains { $0.isEmpty } ? [] : ["\(place): is none of \(tries)"]
            case "type":
                let types = keyword.value.array ?? [keyword.value]
                let isOne = types.contains { Self.isOf($0.string ?? "", value) }
                return isOne ? [] : ["\(place): \(value.text()) is not \(keyword.value.text())"]
            case "enum":
                return keyword.value.array?.contains(value) == true ? [] : ["\(place): \(value.text()) is not listed"]
            case "properties", "required", "additionalProperties", "items", "maxItems":
                return structure(value, schema, keyword, place)
            case "minimum", "maximum", "minLength", "maxLength", "format": return bound(value, keyword, place)
            default: return Self.annotations.contains(keyword.key) ? [] : ["\(place): unknown keyword \(keyword.key)"]
            }
        }
    }

    private func structure(
        _ value: JSONTree, _ schema: JSONTree, _ keyword: JSONTree.Member, _ place: String
    ) -> [String] {
        if let elements = value.array {
            switch keyword.key {
            case "items": return elements.enumerated().flatMap { problems($1, keyword.value, at: "\(place)[\($0)]") }
            case "maxItems": return elements.count <= keyword.value.int ?? 0 ? [] : ["\(place): has too many"]
            default: return []
            }
        }
        guard let members = value.object else { return [] }
        let known = schema["properties"]?.object ?? []
        switch keyword.key {
        case "properties":
            let extra = members.filter { member in !known.contains { $0.key == member.key } }
            let isOpen = !isClosed || schema["additionalProperties"] != nil
            return (isOpen ? [] : extra.map { "\(place).\($0.key): is not described" })
                + members.flatMap { member in
                    keyword.value[member.key].map { problems(member.value, $0, at: "\(place).\(member.key)") } ?? []
                }
        case "required":
            let missing = (keyword.value.array ?? []).compactMap(\.string).filter { value[$0] == nil }
            return missing.map { "\(place).\($0): is missing" }
        case "additionalProperties":
            return members.filter { member in !known.contains { $0.key == member.key } }.flatMap { member in
                keyword.value == false
                    ? ["\(place).\(member.key): is not allowed"]
                    : problems(member.value, keyword.value, at: "\(place).\(member.key)")
            }
        default: return []
        }
    }

    private func bound(_ value: JSONTree, _ keyword: JSONTree.Member, _ place: String) -> [String] {
        let limit = keyword.value.double ?? .nan
        let isGood: Bool
        switch (keyword.key, value) {
        case ("minimum", .number): isGood = value.double ?? .nan >= limit
        case ("maximum", .number): isGood = value.double ?? .nan <= limit
        case ("minLength", .string(let text)): isGood = Double(text.unicodeScalars.count) >= limit
        case ("maxLength", .string(let text)): isGood = Double(text.unicodeScalars.count) <= limit
        case ("format", .string(let text)):
            isGood = keyword.value == "date" && text.wholeMatch(of: /\d{4}-\d\d-\d\d/) != nil
        default: isGood = true
        }
        return isGood ? [] : ["\(place): \(value.text()) is against \(keyword.key) \(keyword.value.text())"]
    }

    private static func isOf(_ type: String, _ value: JSONTree) -> Bool {
        switch value {
        case .null: type == "null"
        case .bool: type == "boolean"
        case .number: type == "number" || type == "integer" && (value.double.map { $0 == $0.rounded() } ?? false)
        case .string: type == "string"
        case .array: type == "array"
        case .object: type == "object"
        }
    }
}
