public import JSON

extension ModelCard {
    /// The version of the layout below.
    static let format = 1

    /// The card as JSON: members in a fixed order.
    public var json: JSONTree {
        [
            "format": .number(Self.format),
            "service": .string(serviceName),
            "definition_hash": .string(definitionHash),
            "threshold": .number("\(threshold)"),
            "threshold_rule": .string(thresholdRule),
            "rounds": .number(rounds),
            "parameters": .object(parameters.sorted { $0.key < $1.key }.map { .init($0.key, .string($0.value)) }),
            "data": [
                "fingerprint": .string(fingerprint), "fit": fit.json, "stopping": stopping.json,
                "holdout": holdout.json,
            ],
            "metrics": metrics.json,
            "calibration": calibration.map {
                ["method": "platt", "slope": .number($0.slope), "intercept": .number($0.intercept)]
            } ?? .null,
            "baselines": .array(baselines.map(\.json)),
            "revision": .string(revision),
            "features": .array(
                zip(features, reference).map { feature, reference in
                    ["name": .string(feature.name), "reference": reference.json]
                }),
            "score_reference": scoreReference.json,
        ]
    }

    /// Reads what `json` wrote; `file` is its name for errors.
    public init(_ tree: JSONTree, file: String) throws(ModelError) {
        let reader = CardReader(tree: tree, file: file)
        guard tree["format"]?.int == Self.format else {
            throw .malformed(file, "its format is not \(Self.format), the one this version reads")
        }
        guard let described = tree["features"]?.array else { throw .malformed(file, "features is missing") }
        var features: [ModelFeature] = []
        var references: [ReferenceDistribution] = []
        for feature in described {
            let reference = try ReferenceDistribution(try reader.member("reference", of: feature), file: file)
            var categories: [String]?
            if case .category(let values, _, _) = reference { categories = values }
            features.append(ModelFeature(name: try reader.string("name", of: feature), categories: categories))
            references.append(reference)
        }
        var parameters: [String: String] = [:]
        for member in tree["parameters"]?.object ?? [] { parameters[member.key] = member.value.string }
        guard case .number(let text)? = tree["threshold"], let threshold = Float(text), threshold >= 0, threshold <= 1
        else { throw .malformed(file, "threshold is no number between 0 and 1") }
        let data = try reader.member("data", of: tree)
        self.init(
            serviceName: try reader.string("service", of: tree),
            definitionHash: try reader.string("definition_hash", of: tree), features: features)
        (self.threshold, thresholdRule) = (threshold, try reader.string("threshold_rule", of: tree))
        (rounds, self.parameters) = (max(0, tree["rounds"]?.int ?? 0), parameters)
        fingerprint = try reader.string("fingerprint", of: data)
        (fit, stopping, holdout) = (DataPart(data["fit"]), DataPart(data["stopping"]), DataPart(data["holdout"]))
        (metrics, reference) = (ModelMetrics(tree["metrics"]), references)
        scoreReference = try ReferenceDistribution(try reader.member("score_reference", of: tree), file: file)
        // Cards written before these were known do not have them.
        if let slope = tree["calibration"]?["slope"]?.double, let intercept = tree["calibration"]?["intercept"]?.double
        {
            calibration = PlattScaling(slope: slope, intercept: intercept)
        }
        baselines = (tree["baselines"]?.array ?? []).map(Baseline.init)
        revision = tree["revision"]?.string ?? ""
    }
}

extension Baseline {
    var json: JSONTree {
        [
            "name": .string(name), "features": .number(features), "metrics": metrics.json,
            "reason": reason.map { .string($0) } ?? .null,
        ]
    }

    init(_ tree: JSONTree) {
        self.init(
            name: tree["name"]?.string ?? "", features: tree["features"]?.int ?? 0,
            metrics: ModelMetrics(tree["metrics"]), reason: tree["reason"]?.string)
    }
}

/// Reads members that must be there.
private struct CardReader {
    let tree: JSONTree
    let file: String

    func member(_ name: String, of tree: JSONTree) throws(ModelError) -> JSONTree {
        guard let value = tree[name] else { throw .malformed(file, "\(name) is missing") }
        return value
    }

    func string(_ name: String, of tree: JSONTree) throws(ModelError) -> String {
        guard let text = tree[name]?.string else { throw .malformed(file, "\(name) is missing or no text") }
        return text
    }
}

extension ModelMetrics {
    /// The metrics by name; null where not defined.
    public var json: JSONTree {
        func number(_ value: Double?) -> JSONTree { value.map { .number($0) } ?? .null }
        return [
            "rows": .number(rows), "frauds": .number(frauds),
            "average_precision": number(averagePrecision), "roc_auc": number(rocAUC),
            "recall_at_fpr_0_001": number(recallAtLowFalsePositives),
            "recall_at_precision_0_9": number(recallAtHighPrecision), "best_f1": number(bestF1),
            "precision": number(precision), "recall": number(recall), "f1": number(f1),
            "calibration_error": number(calibrationError), "brier": number(brier),
        ]
    }

    /// Reads what `json` wrote.
    public init(_ tree: JSONTree?) {
        rows = tree?["rows"]?.int ?? 0
        frauds = tree?["frauds"]?.int ?? 0
        averagePrecision = tree?["average_precision"]?.double
        rocAUC = tree?["roc_auc"]?.double
        recallAtLowFalsePositives = tree?["recall_at_fpr_0_001"]?.double
        recallAtHighPrecision = tree?["recall_at_precision_0_9"]?.double
        bestF1 = tree?["best_f1"]?.double
        precision = tree?["precision"]?.double
        recall = tree?["recall"]?.double
        f1 = tree?["f1"]?.double
        calibrationError = tree?["calibration_error"]?.double
        brier = tree?["brier"]?.double
    }
}

extension DataPart {
    var json: JSONTree {
        [
            "rows": .number(rows), "frauds": .number(frauds),
            "from": .number(String(fromMillis)), "to": .number(String(toMillis)),
        ]
    }

    init(_ tree: JSONTree?) {
        rows = tree?["rows"]?.int ?? 0
        frauds = tree?["frauds"]?.int ?? 0
        // A moment that no calendar has would trap where it is printed: it is none.
        func moment(_ name: String) -> Int64 {
            let millis = tree?[name]?.int.map(Int64.init) ?? 0
            return (-62_135_596_800_000..<253_402_300_800_000).contains(millis) ? millis : 0
        }
        (fromMillis, toMillis) = (moment("from"), moment("to"))
    }
}

extension ReferenceDistribution {
    var json: JSONTree {
        func integers(_ values: [Int]) -> JSONTree { .array(values.map { .number($0) }) }
        // The values are float32: their shortest text as such reads back to the same.
        func floats(_ values: [Double]) -> JSONTree { .array(values.map { .number("\(Float($0))") }) }
        switch self {
        case .number(let sample, let edges, let counts, let missing):
            return [
                "kind": "number", "missing": .number(missing), "edges": floats(edges), "counts": integers(counts),
                "sample": floats(sample.values), "sample_counts": integers(sample.counts),
            ]
        case .category(let values, let counts, let missing):
            return [
                "kind": "category", "missing": .number(missing), "values": .array(values.map { .string($0) }),
                "counts": integers(counts),
            ]
        }
    }

    /// What a card may say is what `init(numbers:)` and `init(indexes:values:)` make: bins and samples in order, categories sorted
    /// by bytes and each there once, counts whose sum is a number.
    init(_ tree: JSONTree, file: String) throws(ModelError) {
        let reader = DistributionReader(tree: tree, file: file)
        let counts = try reader.counts("counts")
        let missing = try reader.count("missing")
        try reader.require(
            (counts + [missing]).reduce(into: 0) { $0 += $1 } <= DistributionReader.mostRows, "counts too many rows")
        switch tree["kind"]?.string {
        case "number":
            let edges = try reader.floats("edges")
            let values = try reader.floats("sample")
            let sampleCounts = try reader.counts("sample_counts")
            try reader.require(
                counts.count == edges.count + 1 && sampleCounts.count == values.count,
                "has bins or samples without counts")
            self = .number(
                sample: .init(values: values, counts: sampleCounts), edges: edges, counts: counts, missing: missing)
        case "category":
            let values = try reader.texts("values")
            try reader.require(counts.count == values.count, "has values without counts")
            self = .category(values: values, counts: counts, missing: missing)
        default: throw .malformed(file, "a reference distribution is of no known kind")
        }
    }
}

/// Reads one reference distribution: everything that is not what was written is refused.
private struct DistributionReader {
    /// Rows a distribution may be of; so few that no sum of counts overflows.
    static let mostRows = 1 << 48
    /// Bins, samples or categories it may have.
    static let mostElements = 1 << 20

    let tree: JSONTree
    let file: String

    func require(_ isTrue: Bool, _ what: String) throws(ModelError) {
        guard isTrue else { throw .malformed(file, "a reference distribution \(what)") }
    }

    func count(_ name: String) throws(ModelError) -> Int {
        let count = tree[name]?.int ?? -1
        try require((0...Self.mostRows).contains(count), "has no count \(name)")
        return count
    }

    func counts(_ name: String) throws(ModelError) -> [Int] {
        let elements = try array(name)
        let counts = elements.compactMap(\.int)
        try require(
            counts.count == elements.count
                && counts.allSatisfy { (0...Self.mostRows / Self.mostElements).contains($0) },
            "has \(name) that count nothing")
        return counts
    }

    /// Ascending, as float32: the shortest text of a float32 is another double.
    func floats(_ name: String) throws(ModelError) -> [Double] {
        let elements = try array(name)
        let values = elements.compactMap { element in
            if case .number(let text) = element { Float(text).map(Double.init) } else { nil }
        }
        try require(
            values.count == elements.count && values.allSatisfy(\.isFinite)
                && zip(values, values.dropFirst()).allSatisfy { $0 < $1 }, "has \(name) that are not ascending numbers")
        return values
    }

    func texts(_ name: String) throws(ModelError) -> [String] {
        let elements = try array(name)
        let values = elements.compactMap(\.string)
        try require(
            values.count == elements.count
                && zip(values, values.dropFirst()).allSatisfy { $0.utf8.lexicographicallyPrecedes($1.utf8) },
            "has \(name) that are not sorted by their bytes, each once")
        return values
    }

    private func array(_ name: String) throws(ModelError) -> [JSONTree] {
        let elements = tree[name]?.array ?? []
        try require(elements.count <= Self.mostElements, "has too many \(name)")
        return elements
    }
}
