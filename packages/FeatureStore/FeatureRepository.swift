public import FeatureEngine
import FoundationEssentials
import Text
import YAML

/// Everything a feature_repo defines, validated as a whole.
public struct FeatureRepository: Sendable {
    /// The folder, in a model's own, of the definitions that the model was trained on.
    public static let folderInModel = "feature_repo"

    /// The project's name, the first part of online keys.
    public let project: String
    /// Where the online store is; nil when the file leaves it to the environment and that is silent.
    public let onlineStoreURL: String?
    /// Where the offline store is; nil when the file leaves it to the environment and that is silent.
    public let offlineStoreURL: String?
    /// The sources, by file and place.
    public let sources: [SourceSchema]
    /// The stream views, by file and place.
    public let views: [StreamView]
    /// The on-demand views, by file and place.
    public let onDemandViews: [OnDemandView]
    /// The services, by file and place.
    public let services: [FeatureService]
    /// What people see of each source's events, by its name.
    let displays: [String: SourceDisplay]
    /// 16 hex digits over sources and stream views: what decides a blob and a stored row.
    public let streamHash: String

    /// The first eight digits of `streamHash`, as keys carry it.
    public var hash8: String { String(streamHash.prefix(8)) }

    /// The source of a name.
    public func source(named name: String) -> SourceSchema? { sources.first { $0.name == name } }
    /// The stream view of a name.
    public func view(named name: String) -> StreamView? { views.first { $0.name == name } }
    /// The on-demand view of a name.
    public func onDemandView(named name: String) -> OnDemandView? { onDemandViews.first { $0.name == name } }
    /// The service of a name.
    public func service(named name: String) -> FeatureService? { services.first { $0.name == name } }
    /// What people see of a source's events.
    public func display(of source: SourceSchema) -> SourceDisplay { displays[source.name] ?? .plain }
    /// The stream views fed by a source.
    public func views(of source: SourceSchema) -> [StreamView] { views.filter { $0.source === source } }

    /// Reads every `*.yaml` of a folder; `${NAME}` stands for a variable of `environment`.
    public static func load(directory: String, environment: [String: String]) throws(DefinitionError)
        -> FeatureRepository
    {
        let names: [String]
        do {
            names = try FileManager.default.contentsOfDirectory(atPath: directory)
        } catch {
            throw DefinitionError(
                file: directory, message: "the folder of feature definitions cannot be read",
                fix: "Run in the repository's folder, or give --feature-repo the right one")
        }
        let base = directory.hasSuffix("/") ? String(directory.dropLast()) : directory
        if let other = names.sorted().first(where: { $0.hasSuffix(".yml") && !$0.hasPrefix(".") }) {
            throw DefinitionError(
                file: "\(base)/\(other)", message: "only *.yaml files are read, and this one ends in .yml",
                fix: "Rename it to \(other.dropLast(4)).yaml")
        }
        let files = definitionFiles(among: names).map { "\(base)/\($0)" }
        guard !files.isEmpty else {
            throw DefinitionError(
                file: directory, message: "the folder holds no *.yaml file",
                fix: "Give --feature-repo a folder with feature_store.yaml and the definitions")
        }
        var texts: [(file: String, text: String)] = []
        for file in files {
            guard let data = FileManager.default.contents(atPath: file) else {
                throw DefinitionError(file: file, message: "the file cannot be read", fix: "Check its permissions")
            }
            guard let text = String(validating: data, as: UTF8.self) else {
                throw DefinitionError(file: file, message: "the file is not UTF-8", fix: "Save it as UTF-8")
            }
            texts.append((file, text))
        }
        return try load(files: texts, environment: environment, called: base)
    }

    /// Reads definitions that lie somewhere else than in a folder; `called` is what messages call the place.
    public static func load(
        files: [(file: String, text: String)], environment: [String: String], called place: String
    ) throws(DefinitionError) -> FeatureRepository {
        var loader = RepositoryLoader(environment: environment, directory: place)
        return try loader.load(files)
    }
}

/// Reads and joins the definitions of all files.
struct RepositoryLoader {
    let reader: DefinitionReader
    private let directory: String
    private var store: Definition?
    private var sources: [Definition] = []
    private var views: [Definition] = []
    private var onDemandViews: [Definition] = []
    private var services: [Definition] = []

    init(environment: [String: String], directory: String) {
        reader = DefinitionReader(environment: environment)
        self.directory = directory
    }

    mutating func load(_ texts: [(file: String, text: String)]) throws(DefinitionError) -> FeatureRepository {
        for (file, text) in texts {
            do throws(YAMLError) {
                for document in try YAMLNode.documents(text) { sort(document, file) }
            } catch {
                reader.fail(file, line: error.line, column: error.column, error.message, fix: Self.fix(error))
            }
        }
        let settings = readStore()
        checkNames()
        let sourceDefinitions = sources.compactMap { SourceDefinition($0) }
        checkTopics(sourceDefinitions)
        let sourceNames = sources.compactMap { $0.node["name"]?.text }
        let viewDefinitions = views.compactMap {
            StreamViewDefinition($0, sources: sourceDefinitions, allSourceNames: sourceNames)
        }
        let schemas = finish(sourceDefinitions, viewDefinitions)
        let streamViews = viewDefinitions.compactMap { definition -> StreamView? in
            guard let schema = schemas.first(where: { $0.name == definition.source.name }),
                let joinKeyIndex = schema.index(of: definition.joinKey), !definition.features.isEmpty
            else { return nil }
            return StreamView(
                name: definition.name, entityName: definition.entityName, source: schema, joinKeyIndex: joinKeyIndex,
                features: definition.features, isRightClosed: definition.isRightClosed,
                includesCurrentEvent: definition.includesCurrentEvent)
        }
        let definitions = onDemandViews.compactMap { OnDemandViewDefinition($0) }
        let serviceDefinitions = services.compactMap { FeatureServiceDefinition($0) }
        // Names can only be looked up where everything they may mean could be read.
        if !reader.problems.isEmpty { throw DefinitionError(reader.problems) }
        let computed = OnDemandResolver(definitions: definitions, views: streamViews, sources: schemas).resolve()
        let streamHash = CanonicalHash.stream(sources: schemas, views: streamViews)
        let knownNames = streamViews.map(\.name) + definitions.map(\.name)
        let built = serviceDefinitions.compactMap {
            $0.service(views: streamViews, onDemandViews: computed, knownNames: knownNames, streamHash: streamHash)
        }
        guard reader.problems.isEmpty, let settings else { throw DefinitionError(reader.problems) }
        return FeatureRepository(
            project: settings.project, onlineStoreURL: settings.online, offlineStoreURL: settings.offline,
            sources: schemas, views: streamViews, onDemandViews: computed, services: built,
            displays: Dictionary(sourceDefinitions.map { ($0.name, $0.display) }) { first, _ in first },
            streamHash: streamHash)
    }

    private mutating func sort(_ node: YAMLNode, _ file: String) {
        var definition = Definition(reader: reader, file: file, node: node, title: "the definition")
        guard definition.mapping(node, "a definition", like: "`kind: source`") != nil else { return }
        guard let kindNode = node["kind"] else {
            if node["project"] != nil {
                if let store {
                    definition.fail(
                        node, "the project is defined twice, first in \(store.file)", fix: "Keep one feature_store.yaml"
                    )
                }
                definition.title = "the project"
                store = store ?? definition
            } else {
                definition.fail(
                    node, "the definition lacks `kind`",
                    fix: "Add kind: source, stream_feature_view, on_demand_feature_view or feature_service")
            }
            return
        }
        enum Kind { case source, view, onDemandView, service }
        let kinds: [(DefinitionKind, Kind)] = [
            (.source, .source), (.streamView, .view), (.onDemandView, .onDemandView), (.service, .service),
        ]
        let choices = kinds.compactMap { kind, choice in kind.name.map { ($0, choice) } }
        guard let kind = definition.choice(kindNode, "`kind`", choices) else { return }
        switch kind {
        case .source:
            definition.title = "the source"
            sources.append(definition)
        case .view:
            definition.title = "the view"
            views.append(definition)
        case .onDemandView:
            definition.title = "the view"
            onDemandViews.append(definition)
        case .service:
            definition.title = "the service"
            services.append(definition)
        }
    }

    private func readStore() -> (project: String, online: String?, offline: String?)? {
        guard let store else {
            reader.fail(
                "\(directory)/feature_store.yaml", line: 0, column: 0, "no file defines the project",
                fix: "Write `project: fraud` into it")
            return nil
        }
        store.check(keys: DefinitionKind.project.keys)
        guard let node = store.required("project", fix: "Write `project: fraud`"),
            let project = store.identifier(node, "the project's name")
        else { return nil }
        return (project, url("online_store", "redis", in: store), url("offline_store", "postgres", in: store))
    }

    private func url(_ key: String, _ type: String, in store: Definition) -> String? {
        guard let node = store.node[key] else { return nil }
        guard store.mapping(node, "`\(key)`", like: "`{type: \(type), url: \"${NAME}\"}`") != nil else { return nil }
        store.check(keys: DefinitionKind.store(type), in: node, of: "`\(key)`")
        if let typeNode = node["type"] { _ = store.choice(typeNode, "the type of `\(key)`", [(type, true)]) }
        // The command's own variable, when it is not set, leaves the address to its setting.
        guard let urlNode = node["url"], let text = urlNode.text else { return nil }
        let (expanded, unset) = reader.expand(text)
        let own = ["REDIS_URL", "DATABASE_URL"]
        if let unset, !own.contains(unset) {
            store.fail(
                urlNode, "the environment variable `\(unset)` is not set",
                fix: Suggestion.nearest(to: unset, among: own).map { "Did you mean `${\($0)}`?" }
                    ?? "Set it, or write ${\(unset):-an address}")
        }
        return expanded.flatMap { $0.isEmpty ? nil : $0 }
    }

    /// Sources, views and services share tables and prefixes, so a name stands for one thing.
    private func checkNames() {
        var first: [String: Definition] = [:]
        for definition in sources + views + onDemandViews {
            guard let node = definition.node["name"], let name = node.text else { continue }
            if let other = first[name] {
                let place = other.node["name"] ?? other.node
                definition.fail(
                    node, "the name `\(name)` is taken by \(other.title) in \(other.file):\(place.line)",
                    fix: "Choose another name")
            } else {
                first[name] = definition
            }
        }
        var services: [String: Definition] = [:]
        for definition in self.services {
            guard let node = definition.node["name"], let name = node.text else { continue }
            if let other = services[name] {
                let place = other.node["name"] ?? other.node
                definition.fail(
                    node, "the name `\(name)` is taken by \(other.title) in \(other.file):\(place.line)",
                    fix: "Choose another name")
            } else {
                services[name] = definition
            }
        }
    }

    private func checkTopics(_ sources: [SourceDefinition]) {
        for (index, source) in sources.enumerated() {
            let earlier = sources[..<index]
            if let other = earlier.first(where: { $0.topic == source.topic }) {
                source.definition.fail(
                    source.definition.node["topic"] ?? source.definition.node,
                    "\(source.definition.title) reads the topic `\(source.topic)`, which feeds source `\(other.name)`",
                    fix: "Give each source a topic of its own")
            }
            if let other = sources.first(where: { $0.name != source.name && $0.label?.topic == source.topic }) {
                source.definition.fail(
                    source.definition.node["topic"] ?? source.definition.node,
                    "\(source.definition.title) reads the topic `\(source.topic)`, which carries labels of source `\(other.name)`",
                    fix: "Give each source a topic of its own")
            }
        }
    }

    private static func fix(_ error: YAMLError) -> String {
        switch error.reason {
        case .syntax: "Check indentation, quotes and brackets up to this place"
        case .tab: "Put spaces in its place: YAML allows no tabs there"
        case .duplicateKey: "Remove one of them"
        case .complexKey: "Write `name: value`"
        case .unsupported: "Repeat the value"
        case .tooDeep, .tooLong, .outOfMemory: "Make it smaller"
        }
    }
}
