public import FeatureEngine
public import FeatureStore
internal import Text

/// Labelled point-in-time rows of one feature service, dense. Rows whose label has not arrived never come in here.
public struct TrainingSet: Sendable {
    /// The service's name, its definitions and its features.
    public let serviceName: String, definitionHash: String, featureNames: [String]
    /// The columns of features that need the request alone.
    public let requestOnly: [Int]
    /// Different values a category may have; float32 counts no further, and what comes then is missing.
    static let mostCategories = 1 << 24

    /// Rows in the set.
    public var count: Int { labels.count }
    /// One label a row, 1 for fraud.
    public private(set) var labels: [Float] = []
    /// Event time of each row, ms UTC.
    public private(set) var timesMillis: [Int64] = []
    /// A hash of each row's event id: what finds the same event in another set.
    public private(set) var ids: [UInt64] = []

    /// Row after row; NaN is missing, a category is the number of its first occurrence.
    private(set) var values: [Float] = []
    /// By feature, for categories: the values in the order of their first occurrence.
    private(set) var occurring: [[String]?]
    private var codes: [[ByteString: Int]?]

    /// A set without rows.
    public init(_ service: FeatureService) {
        self.init(
            serviceName: service.name, definitionHash: service.definitionHash, featureNames: service.featureNames,
            kinds: service.kinds, requestOnly: service.requestOnly)
    }

    /// A set without rows, of features that need no service.
    public init(
        serviceName: String, definitionHash: String, featureNames: [String], kinds: [FeatureKind],
        requestOnly: [Int] = []
    ) {
        self.serviceName = serviceName
        self.definitionHash = definitionHash
        self.featureNames = featureNames
        self.requestOnly = requestOnly
        occurring = kinds.map { $0 == .category ? [] : nil }
        codes = kinds.map { $0 == .category ? [:] : nil }
    }

    /// The hash that `ids` holds of an event's id.
    public static func id(of row: borrowing SourceRow) -> UInt64 { FNV1a64.hash(row.bytes(row.schema.eventIDIndex)) }

    /// Adds a row. The vector is in the service's order, the label 0 or 1, the time plausible.
    public mutating func append(_ vector: FeatureVector, label: UInt8, timeMillis: Int64, id: UInt64 = 0) {
        precondition(vector.count == featureNames.count && label <= 1, "a row of another service")
        for index in 0..<vector.count {
            guard codes[index] != nil else {
                values.append(ModelInputs.float(vector.numbers[index]))
                continue
            }
            guard let text = vector.texts[index] else {
                values.append(.nan)
                continue
            }
            let value = ByteString(text)
            if let code = codes[index]?[value] {
                values.append(Float(code))
            } else {
                let code = occurring[index]?.count ?? 0
                guard code < Self.mostCategories else {
                    values.append(.nan)
                    continue
                }
                codes[index]?[value] = code
                occurring[index]?.append(text)
                values.append(Float(code))
            }
        }
        labels.append(Float(label))
        timesMillis.append(timeMillis)
        ids.append(id)
    }

    /// Makes other numbers of a column.
    mutating func change(_ column: Int, _ body: (Float) -> Float) {
        for place in stride(from: column, to: values.count, by: featureNames.count) {
            values[place] = body(values[place])
        }
    }

    /// Takes rows that were checked, in place of those there are. Nothing is appended to them.
    mutating func take(
        times: [Int64], ids: [UInt64], labels: [Float], values: [Float], categories: [[String]?]
    ) {
        (timesMillis, self.ids, self.labels, self.values) = (times, ids, labels, values)
        occurring = categories
        codes = categories.map { names in
            names.map {
                Dictionary($0.enumerated().map { (ByteString($1), $0) }, uniquingKeysWith: { first, _ in first })
            }
        }
    }

    /// Takes out rows later than a moment; returns how many. For rows whose label has not arrived by then.
    public mutating func removeRows(after millis: Int64) -> Int {
        let columns = featureNames.count
        var kept = 0
        for row in 0..<count where timesMillis[row] <= millis {
            if kept < row {
                labels[kept] = labels[row]
                timesMillis[kept] = timesMillis[row]
                ids[kept] = ids[row]
                for column in 0..<columns { values[kept * columns + column] = values[row * columns + column] }
            }
            kept += 1
        }
        let removed = count - kept
        labels.removeLast(removed)
        timesMillis.removeLast(removed)
        ids.removeLast(removed)
        values.removeLast(removed * columns)
        return removed
    }

    /// The places in another set of the same events, in the order of `rows`; nil where one is not there.
    public func places(of rows: [Int], in other: TrainingSet) -> [Int]? {
        let known = Dictionary(zip(other.ids, 0..<other.count), uniquingKeysWith: { first, _ in first })
        let found = rows.compactMap { known[ids[$0]] }
        return found.count == rows.count ? found : nil
    }

    /// Rows in the order of their event times; ties keep their order.
    func order() -> [Int] {
        (0..<count).sorted { (timesMillis[$0], $0) < (timesMillis[$1], $1) }
    }

    /// A hash over all values, labels and times that does not depend on the order the rows came in: the same rows have the same,
    /// whether they are read from a file, packed or not, or from the store.
    public func fingerprint() -> String {
        // A category counts by its text: the number of its first occurrence depends on the order of the rows.
        let texts = occurring.map { $0.map { $0.map { FNV1a64.hash($0.utf8) } } }
        let hashes = (0..<count).map { row in
            var hash = FNV1a64()
            func combine(_ bits: some FixedWidthInteger) {
                withUnsafeBytes(of: bits.littleEndian) { hash.combine($0) }
            }
            combine(timesMillis[row])
            combine(labels[row].bitPattern)
            for column in 0..<featureNames.count {
                let value = values[row * featureNames.count + column]
                if value.isNaN {
                    combine(Float.nan.bitPattern)
                } else if let texts = texts[column] {
                    combine(texts[Int(value)])
                } else {
                    combine(value.bitPattern)
                }
            }
            return hash.value
        }
        var hash = FNV1a64()
        for name in featureNames {
            hash.combine(name.utf8)
            hash.combine(0)
        }
        for value in hashes.sorted() { withUnsafeBytes(of: value.littleEndian) { hash.combine($0) } }
        return Padding.hexadecimal(hash.value, 16)
    }

    /// The values of `feature` that occur in the rows, sorted by bytes; nil for a number.
    func categories(_ feature: Int, in rows: some Sequence<Int>) -> [String]? {
        guard let names = occurring[feature] else { return nil }
        var occurs = Array(repeating: false, count: names.count)
        for row in rows {
            let code = values[row * featureNames.count + feature]
            if !code.isNaN { occurs[Int(code)] = true }
        }
        let found = names.indices.filter { occurs[$0] }.map { names[$0] }
        return found.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    /// The features of a model fitted on some rows.
    func features(in rows: [Int]) -> [ModelFeature] {
        featureNames.enumerated().map { ModelFeature(name: $1, categories: categories($0, in: rows)) }
    }

    /// The inputs of a model with these features: rows one after the other, categories as the model's indexes.
    func inputs(_ rows: some Collection<Int>, for features: [ModelFeature]) -> [Float] {
        let columns = featureNames.count
        let recoded: [[Float]?] = features.indices.map { index in
            guard let names = occurring[index] else { return nil }
            let known = CategoryIndex(features[index].categories ?? [])
            return names.map { name in known?.place(of: name).map(Float.init) ?? .nan }
        }
        var inputs: [Float] = []
        inputs.reserveCapacity(rows.count * columns)
        for row in rows {
            for column in 0..<columns {
                let value = values[row * columns + column]
                if let recoded = recoded[column], !value.isNaN {
                    inputs.append(recoded[Int(value)])
                } else {
                    inputs.append(value)
                }
            }
        }
        return inputs
    }

    /// Rows as a trainer takes them; of some features only, where `columns` says which.
    func rows(_ rows: [Int], for features: [ModelFeature], columns: [Int]? = nil) -> TrainingRows {
        var inputs = inputs(rows, for: features)
        if let columns {
            let all = featureNames.count
            inputs = rows.indices.flatMap { row in columns.map { inputs[row * all + $0] } }
        }
        return TrainingRows(inputs: inputs, labels: rows.map { labels[$0] })
    }

    /// The number of a feature in some rows, NaN where it is missing; nil when it is no number of this set.
    func numbers(of name: String, in rows: [Int]) -> [Float]? {
        guard let column = featureNames.firstIndex(of: name), occurring[column] == nil else { return nil }
        return rows.map { values[$0 * featureNames.count + column] }
    }

    /// Scores rows with a model of the same definitions.
    public func probabilities(_ rows: some Collection<Int>, of model: ScoringModel) throws(ModelError) -> [Float] {
        try requireDefinitions(of: model)
        return model.predictor.margins(of: inputs(rows, for: model.features)).map(Predictor.logistic)
    }

    /// By feature, the mean size of its contributions to the margin over some rows: how much a model heeds it.
    public func importance(_ rows: [Int], of model: ScoringModel) throws(ModelError) -> [Double] {
        try requireDefinitions(of: model)
        let inputs = inputs(rows, for: model.features)
        let columns = featureNames.count
        var slots = model.predictor.makeInputs()
        var contributions: [Double] = []
        var sums = Array(repeating: 0.0, count: columns)
        for row in rows.indices {
            for column in 0..<columns { slots.set(column, Double(inputs[row * columns + column])) }
            _ = model.predictor.contributions(&slots, into: &contributions)
            for column in 0..<columns { sums[column] += abs(contributions[column]) }
        }
        return sums.map { $0 / Double(max(1, rows.count)) }
    }

    private func requireDefinitions(of model: ScoringModel) throws(ModelError) {
        guard model.featureNames == featureNames, model.definitionHash == definitionHash else {
            throw .mismatch("model \(model.version) was trained on other definitions than these rows")
        }
    }

    /// Rows, frauds and event times of a part.
    func describe(_ rows: some Collection<Int>) -> DataPart {
        var part = DataPart()
        part.rows = rows.count
        part.frauds = rows.count { labels[$0] == 1 }
        part.fromMillis = rows.lazy.map { timesMillis[$0] }.min() ?? 0
        part.toMillis = rows.lazy.map { timesMillis[$0] }.max() ?? 0
        return part
    }
}
