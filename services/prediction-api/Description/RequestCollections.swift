import JSON

/// The samples as files that other programs send requests from.
struct RequestCollections {
    let samples: [APISample]
    /// Whether keys must be shown.
    let needsKey: Bool
    /// Where the API is: `http://127.0.0.1:8000`.
    let address: String

    // MARK: Postman

    /// A Postman collection, v2.1: its variables are `baseUrl` and `apiKey`.
    var postman: JSONTree {
        var folders: [(name: String, items: [JSONTree])] = []
        for sample in samples {
            let group = sample.operation.group
            let place = folders.firstIndex { $0.name == group } ?? folders.endIndex
            if place == folders.endIndex { folders.append((group, [])) }
            folders[place].items.append(item(sample))
        }
        var members: [JSONTree.Member] = [
            .init(
                "info",
                [
                    "name": "Needletail prediction API",
                    "schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json",
                ]),
            .init("item", .array(folders.map { ["name": .string($0.name), "item": .array($0.items)] })),
            .init(
                "variable",
                .array(variables.map { ["key": .string($0.name), "value": .string($0.value), "type": "string"] })),
        ]
        if needsKey {
            members.append(
                .init(
                    "auth",
                    [
                        "type": "apikey",
                        "apikey": [
                            ["key": "key", "value": "X-API-Key", "type": "string"],
                            ["key": "value", "value": "{{apiKey}}", "type": "string"],
                            ["key": "in", "value": "header", "type": "string"],
                        ],
                    ]))
        }
        return .object(members)
    }

    private var variables: [(name: String, value: String)] {
        [("baseUrl", address)] + (needsKey ? [("apiKey", "")] : [])
    }

    private func item(_ sample: APISample) -> JSONTree {
        let parts = sample.operation.path.split(separator: "/").map { JSONTree.string(String($0)) }
        let query = sample.query.split(separator: "&").map { pair -> JSONTree in
            let sides = pair.split(separator: "=", maxSplits: 1).map(String.init)
            return ["key": .string(sides[0]), "value": .string(sides.count > 1 ? sides[1] : "")]
        }
        var request: [JSONTree.Member] = [
            .init("method", .string(sample.operation.verb)),
            .init(
                "url",
                [
                    "raw": .string("{{baseUrl}}" + sample.target), "host": ["{{baseUrl}}"], "path": .array(parts),
                    "query": .array(query),
                ]),
            .init("description", .string(sample.operation.details ?? sample.operation.summary)),
        ]
        if let text = sample.text {
            request.append(.init("header", [["key": "Content-Type", "value": .string(sample.mediaType)]]))
            request.append(
                .init(
                    "body",
                    [
                        "mode": "raw", "raw": .string(text),
                        "options": [
                            "raw": ["language": .string(sample.mediaType == LinePrediction.mediaType ? "text" : "json")]
                        ],
                    ]))
        } else {
            request.append(.init("header", []))
        }
        return ["name": .string(title(sample)), "request": .object(request), "response": []]
    }

    private func title(_ sample: APISample) -> String {
        sample.name == sample.operation.summary ? sample.name : "\(sample.operation.path): \(sample.name)"
    }

    // MARK: .http

    /// The requests as editors send them: variables first, then requests between lines of `###`.
    var http: String {
        var text = variables.map { "@\($0.name) = \($0.value)\n" }.joined()
        for sample in samples {
            let name = sample.operation.rawValue
            text += "\n### \(title(sample))\n# @name \(sample.id == name ? name : "\(name)_\(sample.id)")\n"
            text += "\(sample.operation.verb) {{baseUrl}}\(sample.target)\n"
            if needsKey, sample.operation.isGuarded { text += "X-API-Key: {{apiKey}}\n" }
            if let body = sample.text { text += "Content-Type: \(sample.mediaType)\n\n\(body)\n" }
        }
        return text
    }
}
