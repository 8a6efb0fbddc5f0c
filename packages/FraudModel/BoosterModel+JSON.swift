import JSON

/// Reads XGBoost's model files in JSON and Universal Binary JSON, of versions 1.x to 3.x.
///
/// One rule about early stopping, everywhere a model is used: where the file has the attribute `best_iteration`, the rounds
/// after it do not count (as in Python's `XGBClassifier`; `Booster.predict` without a range would use them). A model that
/// is trained here is cut to its best round and has no such attribute, so every client agrees about it.
extension BoosterModel {
    /// Reads the bytes of a `model.json` or `model.ubj`; `file` is its name for errors.
    public init(_ bytes: [UInt8], file: String) throws(ModelError) {
        guard UniversalBinaryJSON.isLikely(bytes) else {
            try self.init(json: bytes, file: file)
            return
        }
        let tree: JSONTree
        do throws(UniversalBinaryJSON.Damage) {
            tree = try UniversalBinaryJSON.parse(bytes)
        } catch {
            throw .malformed(file, error.reason)
        }
        try self.init(tree, file: file)
    }

    /// Reads the bytes of a `model.json`; `file` is its name for errors.
    public init(json bytes: [UInt8], file: String) throws(ModelError) {
        let tree: JSONTree
        do {
            tree = try JSONTree.parse(bytes)
        } catch {
            let quoted = Self.quotingSpecialNumbers(bytes)
            guard quoted.count > bytes.count, let reread = try? JSONTree.parse(quoted) else {
                throw .malformed(file, error.description)
            }
            tree = reread
        }
        try self.init(tree, file: file)
    }

    /// XGBoost 1.x writes `NaN`, `Infinity` and `-Infinity` where a float is one (a weight of a node that no row reached), which
    /// no JSON reader takes. Here they become strings; `floats` reads them back, and the compiler refuses them where they count.
    private static func quotingSpecialNumbers(_ bytes: [UInt8]) -> [UInt8] {
        var quoted: [UInt8] = []
        quoted.reserveCapacity(bytes.count + 64)
        var (index, isInString) = (0, false)
        while index < bytes.count {
            let byte = bytes[index]
            if isInString {
                if byte == UInt8(ascii: "\\"), index + 1 < bytes.count {  // whatever it escapes ends nothing
                    quoted.append(byte)
                    index += 1
                } else if byte == UInt8(ascii: "\"") {
                    isInString = false
                }
            } else if byte == UInt8(ascii: "\"") {
                isInString = true
            } else if let word = specialNumbers.first(where: { bytes[index...].starts(with: $0) }) {
                quoted += [UInt8(ascii: "\"")] + word + [UInt8(ascii: "\"")]
                index += word.count
                continue
            }
            quoted.append(bytes[index])
            index += 1
        }
        return quoted
    }

    private static let specialNumbers = ["-Infinity", "Infinity", "-NaN", "NaN"].map { Array($0.utf8) }

    /// Features a model may have: more than any service has, and few enough that a file's word alone takes no memory to speak of.
    static let mostFeatures = 65_536

    init(_ root: JSONTree, file: String) throws(ModelError) {
        guard let learner = root["learner"], let parameters = learner["learner_model_param"],
            let booster = learner["gradient_booster"], let name = booster["name"]?.string
        else { throw .malformed(file, "it has no learner with a gradient_booster") }
        let objective = learner["objective"]?["name"]?.string ?? "none"
        guard objective == "binary:logistic" || objective == "reg:logistic" else {
            throw .unsupported("\(file) has the objective \(objective); only binary:logistic is scored")
        }
        let classes = Self.integer(parameters["num_class"]) ?? 0
        guard classes <= 1, (Self.integer(parameters["num_target"]) ?? 1) <= 1 else {
            throw .unsupported("\(file) has more than one output; only one probability is scored")
        }
        guard let count = Self.integer(parameters["num_feature"]), (1...Self.mostFeatures).contains(count) else {
            throw .malformed(file, "num_feature is missing or not between 1 and \(Self.mostFeatures)")
        }
        featureCount = count
        baseScore = try Self.baseScore(parameters["base_score"], file)
        featureNames = (learner["feature_names"]?.array ?? []).compactMap(\.string)
        guard featureNames.isEmpty || featureNames.count == count else {
            throw .malformed(file, "it names \(featureNames.count) of its \(count) features")
        }
        version = (root["version"]?.array ?? []).compactMap(\.int)

        let bestRound = Self.integer(learner["attributes"]?["best_iteration"])
        switch name {
        case "gbtree":
            self.booster = .trees(try Self.trees(booster["model"], bestRound, file))
        case "dart":
            let trees = try Self.trees(booster["gbtree"]?["model"], bestRound, file)
            let weights = try Self.floats(booster["weight_drop"], "weight_drop", file)
            guard weights.count >= trees.count else { throw .malformed(file, "weight_drop is shorter than the trees") }
            self.booster = .weightedTrees(trees, weights: Array(weights.prefix(trees.count)))
        case "gblinear":
            self.booster = .linear(try Self.floats(booster["model"]?["weights"], "weights", file))
        default:
            throw .unsupported("\(file) has the booster \(name); gbtree, dart and gblinear are scored")
        }
    }

    /// `5E-1`, or `[5E-1]` since version 3.
    private static func baseScore(_ value: JSONTree?, _ file: String) throws(ModelError) -> Float {
        var text = value?.string ?? ""
        if text.hasPrefix("["), text.hasSuffix("]") { text = String(text.dropFirst().dropLast()) }
        guard let score = Float(text), score > 0, score < 1 else {
            throw .malformed(file, "base_score is \"\(text)\", not one probability between 0 and 1")
        }
        return score
    }

    private static func trees(_ model: JSONTree?, _ bestRound: Int?, _ file: String) throws(ModelError)
        -> [DecisionTree]
    {
        guard let described = model?["trees"]?.array else { throw .malformed(file, "it has no trees") }
        let perRound = max(1, integer(model?["gbtree_model_param"]?["num_parallel_tree"]) ?? 1)
        var count = described.count
        // Compared without multiplying: the attribute is any text somebody wrote.
        if let bestRound, bestRound >= 0, bestRound < described.count / perRound { count = (bestRound + 1) * perRound }
        var trees: [DecisionTree] = []
        trees.reserveCapacity(count)
        for tree in described.prefix(count) { trees.append(try self.tree(tree, file)) }
        return trees
    }

    private static func tree(_ tree: JSONTree, _ file: String) throws(ModelError) -> DecisionTree {
        guard (integer(tree["tree_param"]?["size_leaf_vector"]) ?? 0) <= 1 else {
            throw .unsupported("\(file) has trees with more than one output; only one probability is scored")
        }
        var described = DecisionTree(
            left: try integers(tree["left_children"], "left_children", file),
            right: try integers(tree["right_children"], "right_children", file),
            feature: try integers(tree["split_indices"], "split_indices", file),
            condition: try floats(tree["split_conditions"], "split_conditions", file),
            defaultLeft: try integers(tree["default_left"], "default_left", file).map { $0 != 0 },
            cover: try floats(tree["sum_hessian"], "sum_hessian", file), categories: try categories(tree, file))
        // What stands there for a split on categories means nothing.
        for node in described.categories.keys where described.condition.indices.contains(Int(node)) {
            described.condition[Int(node)] = 0
        }
        return described
    }

    /// The categories that go right, by the nodes that split on them: parts of one array, as `categories_segments` and
    /// `categories_sizes` say.
    private static func categories(_ tree: JSONTree, _ file: String) throws(ModelError) -> [Int32: [Int32]] {
        let kinds = tree["split_type"] == nil ? [] : try integers(tree["split_type"], "split_type", file)
        guard kinds.contains(where: { $0 != 0 }) else { return [:] }
        let all = try integers(tree["categories"], "categories", file)
        let nodes = try integers(tree["categories_nodes"], "categories_nodes", file)
        let starts = try integers(tree["categories_segments"], "categories_segments", file)
        let sizes = try integers(tree["categories_sizes"], "categories_sizes", file)
        // Added up too: parts of parts could take more memory than the file's text.
        guard starts.count == nodes.count, sizes.count == nodes.count, sizes.allSatisfy({ $0 >= 0 }),
            sizes.reduce(0, { $0 + Int($1) }) <= all.count
        else { throw .malformed(file, "its categories are not where it says") }
        var parts: [Int32: Range<Int>] = [:]
        for ((node, start), size) in zip(zip(nodes, starts), sizes) {
            guard start >= 0, Int(start) + Int(size) <= all.count else {
                throw .malformed(file, "its categories are not where it says")
            }
            parts[node] = Int(start)..<Int(start) + Int(size)
        }
        var sets: [Int32: [Int32]] = [:]
        for (node, kind) in kinds.enumerated() where kind != 0 {
            guard kind == 1, node <= Int32.max, let part = parts[Int32(node)] else {
                throw .malformed(file, "node \(node) splits on categories that it does not list")
            }
            sets[Int32(node)] = Array(all[part])
        }
        return sets
    }

    /// Parameters are numbers in strings; some writers leave the quotes out.
    private static func integer(_ value: JSONTree?) -> Int? {
        switch value {
        case .string(let text), .number(let text): Int(text)
        default: nil
        }
    }

    private static func integers(_ value: JSONTree?, _ name: String, _ file: String) throws(ModelError) -> [Int32] {
        try elements(value, name, file) { element in
            switch element {
            case .number(let text): Int32(text)
            case .bool(let flag): flag ? 1 : 0
            default: nil
            }
        }
    }

    private static func floats(_ value: JSONTree?, _ name: String, _ file: String) throws(ModelError) -> [Float] {
        try elements(value, name, file) { element in
            switch element {
            case .number(let text): Float(text)
            case .string("NaN"), .string("-NaN"): .nan
            case .string("Infinity"): .infinity
            case .string("-Infinity"): -.infinity
            default: nil
            }
        }
    }

    private static func elements<Element>(
        _ value: JSONTree?, _ name: String, _ file: String, _ read: (JSONTree) -> Element?
    ) throws(ModelError) -> [Element] {
        guard let array = value?.array else { throw .malformed(file, "\(name) is missing") }
        var elements: [Element] = []
        elements.reserveCapacity(array.count)
        for element in array {
            guard let read = read(element) else { throw .malformed(file, "\(name) holds something that is no number") }
            elements.append(read)
        }
        return elements
    }
}
