import FeatureEngine
import FeatureStore
import JSON

/// Why a request for features is refused.
enum FeatureRefusal: Error, Equatable {
    /// There is no such view, service or feature: 404, said as Feast says it.
    case unknown(class: String, message: String)
    /// The request is malformed: 422, with the place of it.
    case invalid(at: String, String)
}

/// Which features a request wants, of which entities at which moments.
struct FeatureQuery {
    /// Where a wanted feature comes from.
    enum Column {
        case stream(view: Int, slot: Int)
        case service(Int, slot: Int)
    }

    /// Most entities of one request.
    static let mostRows = 10_000

    /// The views that are read, and the services that are computed.
    let views: [StreamView]
    let services: [FeatureService]
    /// What is answered after the join keys, in the order it was asked for.
    let columns: [(name: String, column: Column)]
    /// The views that were named, in that order.
    let viewNames: [String]
    /// The fields that entities go by, in the order they were sent.
    let keys: [(field: Int, name: String)]
    /// One row an entity, of `EntityColumns.schema`.
    let rows: [SourceRow]
    let wantsViewNames: Bool

    /// Reads a request's body; a row without a time of its own is of `nowMillis`.
    init(_ body: [UInt8], _ repository: FeatureRepository, nowMillis: Int64) throws(FeatureRefusal) {
        let tree: JSONTree
        do throws(JSONError) { tree = try JSONTree.parse(body) } catch {
            throw .invalid(at: "body", "\(error)")
        }
        let isFull = try Self.flag(tree, "full_feature_names")
        wantsViewNames = try Self.flag(tree, "include_feature_view_version_metadata")
        let wanted = try Self.wanted(tree, repository)
        var names = FeatureNames(repository)
        for (view, feature) in wanted { try names.add(view, feature, isFull: isFull) }
        (columns, viewNames) = (names.columns, names.viewNames)
        (services, views) = (names.services, names.allViews)
        guard let source = views.first?.source ?? services.first?.source else {
            throw .invalid(at: "features", "names no feature")
        }
        guard views.allSatisfy({ $0.source === source }), services.allSatisfy({ $0.source === source }) else {
            throw .invalid(at: "features", "are of several sources; a request is of one")
        }
        let entities = try EntityMembers(tree["entities"])
        (keys, rows) = try entities.rows(of: source, views, nowMillis: nowMillis)
    }

    private static func flag(_ tree: JSONTree, _ name: String) throws(FeatureRefusal) -> Bool {
        guard let value = tree[name], !value.isNull else { return false }
        guard let flag = value.bool else { throw .invalid(at: name, "is neither true nor false") }
        return flag
    }

    /// The views and features that are asked for.
    private static func wanted(
        _ tree: JSONTree, _ repository: FeatureRepository
    ) throws(FeatureRefusal) -> [(view: String, feature: String)] {
        if let name = tree["feature_service"], !name.isNull {
            guard let text = name.string else { throw .invalid(at: "feature_service", "is no text") }
            guard let service = repository.service(named: text) else {
                throw .unknown(
                    class: "FeatureServiceNotFoundException", message: "Feature service \(text) does not exist")
            }
            let views =
                repository.views.map { ($0.name, $0.features.map(\.name)) }
                + repository.onDemandViews.map { ($0.name, $0.features.map(\.name)) }
            return service.featureNames.compactMap { full in
                for (view, features) in views {
                    if let feature = features.first(where: { "\(view)__\($0)" == full }) { return (view, feature) }
                }
                return nil
            }
        }
        guard let list = tree["features"]?.array, !list.isEmpty else {
            throw .invalid(at: "features", "is missing: a list of view:feature, or feature_service")
        }
        var wanted: [(view: String, feature: String)] = []
        for item in list {
            let parts = (item.string ?? "").split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count == 2 else { throw .invalid(at: "features", "has an item that is no view:feature") }
            wanted.append((String(parts[0]), String(parts[1])))
        }
        return wanted
    }
}

/// Turns names into columns.
private struct FeatureNames {
    private let repository: FeatureRepository
    private(set) var columns: [(name: String, column: FeatureQuery.Column)] = []
    private(set) var viewNames: [String] = []
    private(set) var services: [FeatureService] = []
    private var views: [StreamView] = []

    init(_ repository: FeatureRepository) { self.repository = repository }

    /// Those that were named, then those that services need.
    var allViews: [StreamView] {
        var all = views
        for view in services.flatMap(\.views) where !all.contains(where: { $0 === view }) { all.append(view) }
        return all
    }

    mutating func add(_ view: String, _ feature: String, isFull: Bool) throws(FeatureRefusal) {
        let name = isFull ? "\(view)__\(feature)" : feature
        guard !columns.contains(where: { $0.name.utf8.elementsEqual(name.utf8) }) else {
            throw .invalid(at: "features", "name \(name) twice; full_feature_names tells views apart")
        }
        columns.append((name, try column(view, feature)))
        if !viewNames.contains(view) { viewNames.append(view) }
    }

    private mutating func column(_ name: String, _ feature: String) throws(FeatureRefusal) -> FeatureQuery.Column {
        if let view = repository.view(named: name) {
            guard let slot = view.features.firstIndex(where: { $0.name == feature }) else {
                throw .unknown(
                    class: "FeatureNotFoundException", message: "Feature \(feature) does not exist in \(name)")
            }
            if !views.contains(where: { $0 === view }) { views.append(view) }
            return .stream(view: views.firstIndex { $0 === view } ?? 0, slot: slot)
        }
        guard repository.onDemandViews.contains(where: { $0.name == name }) else {
            throw .unknown(
                class: "FeatureViewNotFoundException",
                message: "Feature view \(name) does not exist in project \(repository.project)")
        }
        // On-demand features are computed by the services that take them.
        guard let service = repository.services.first(where: { $0.index(of: "\(name)__\(feature)") != nil }),
            let slot = service.index(of: "\(name)__\(feature)")
        else {
            throw .unknown(
                class: "FeatureNotFoundException", message: "Feature \(feature) of \(name) is in no feature service")
        }
        if !services.contains(where: { $0 === service }) { services.append(service) }
        return .service(services.firstIndex { $0 === service } ?? 0, slot: slot)
    }
}
