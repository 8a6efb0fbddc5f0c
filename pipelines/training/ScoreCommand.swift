internal import Compression
internal import FeatureEngine
internal import FraudModel
internal import JSON
internal import Observability
public import ServiceRuntime
internal import TransactionData

/// Scores a table of features.
public struct ScoreCommand: Command {
    public static let name = "score"
    public static let summary = "Score a CSV file whose columns are a model's features."
    public static let example =
        "needletail backfill --input transactions.csv --output - | needletail score --model var/models/1 --input - --output scores.csv"
    /// More lines of help.
    public static let details = """
        Columns go by name, in any order; others are ignored with a note, a missing one is named and refused. An
        empty cell, NaN and null are missing; 0 is a value. Infinities, and numbers past float32's range, count as
        the largest float32, which falls on the same side of every split (libxgboost itself refuses them).

        The model is a directory that train wrote, an MLflow directory with a model.json, or a bare model.json of
        XGBoost 1 to 3 with the boosters gbtree, dart or gblinear. Where such a file has the attribute best_iteration,
        the rounds after it do not count, as in Python's XGBClassifier.

        The output has one row a row, in order: probability, is_fraud (1 at or above the model's threshold, 0.5 for a bare
        file), margin with --margin, and with --contributions one column a feature and the bias: exact SHAP values that
        add up to the margin.
        """
    public static let settings: [any SettingProtocol] = [model, input, output, margin, contributions]

    static let model = Setting<String>(
        required: "model", help: "A model directory, or a model file of XGBoost.", flagOnly: true,
        placeholder: "DIR|FILE")
    static let input = Setting<String>(
        required: "input", help: "The CSV file (.gz and .zst are unpacked), or - for standard input.", flagOnly: true,
        placeholder: "FILE|-")
    static let output = Setting<String>(
        "output", default: "-", help: "The CSV file to write (.gz and .zst are packed), or - for standard output.",
        flagOnly: true, placeholder: "FILE|-")
    static let margin = Setting<Bool>(
        "margin", default: false, help: "Add the sum before the logistic function.", flagOnly: true)
    static let contributions = Setting<Bool>(
        "contributions", default: false, help: "Add what each feature contributed to the margin.", flagOnly: true)

    public init() {}

    /// Scores every row.
    public func run(_ settings: Settings, _ runtime: ServiceRuntime) async throws {
        if let problem = CompressionFormat.problem(ofOutputName: settings[Self.output]) {
            throw CommandError(.usage, "--output \(problem).")
        }
        let model: ScoringModel
        do {
            model = try ScoringModel.load(directory: settings[Self.model])
        } catch {
            if case .notFound = error { throw CommandError(.noInput, "\(error).") }
            throw CommandError(.dataError, "\(error).")
        }
        let job = ScoringJob(
            model: model, input: settings[Self.input], output: settings[Self.output],
            writesMargin: settings[Self.margin], writesContributions: settings[Self.contributions])
        let summary = try await runtime.onThread("score") { try job.run(runtime) }
        guard !runtime.isStopping else {
            throw CommandError(.temporaryFailure, "stopped before the end; nothing was written.")
        }
        runtime.log.info(
            "rows scored", ["rows": summary.rows, "fraud": summary.frauds, "model": model.version])
    }
}

/// Reads rows, scores them, writes what comes out.
struct ScoringJob: Sendable {
    let model: ScoringModel
    let input: String
    let output: String
    let writesMargin: Bool
    let writesContributions: Bool

    func run(_ runtime: ServiceRuntime) throws -> (rows: Int, frauds: Int) {
        do {
            return try score(runtime)
        } catch let error as CompressionError {
            if case .closedPipe = error { throw CommandError(.success, "") }
            throw CommandError(.noInput, "\(error).")
        } catch let error as CSVError {
            throw CommandError(.dataError, "\(error).")
        } catch let error as ModelError {
            throw CommandError(.dataError, "\(input): \(error).")
        }
    }

    private func score(_ runtime: ServiceRuntime) throws -> (rows: Int, frauds: Int) {
        let reader = try CSVReader(try ByteSource.open(input))
        let columns = try FeatureColumns(header: reader.header, of: model)
        if !columns.ignored.isEmpty {
            let names = columns.ignored.prefix(10).joined(separator: ", ")
            runtime.log.warning("columns ignored", ["count": columns.ignored.count, "columns": names])
        }
        let sink = try ByteSink.create(output)
        var scorer = model.makeScorer()
        var vector = FeatureVector(count: model.featureNames.count)
        var bytes = Array(header.utf8)
        var values: [Double] = []
        var (rows, frauds) = (0, 0)
        let progress = runtime.progress("scoring \(reader.name)")
        defer { progress.finish() }
        while !runtime.isStopping, try reader.next() {
            if let defect = reader.defect {
                throw CommandError(.dataError, "\(reader.name), line \(reader.line): the row \(defect).")
            }
            guard reader.cellCount == reader.header.count else {
                throw CommandError(
                    .dataError,
                    "\(reader.name), line \(reader.line): the row has \(reader.cellCount) cells, the header \(reader.header.count)."
                )
            }
            try fill(&vector, from: reader, columns)
            let margin = scorer.margin(of: vector)
            let probability = Predictor.logistic(margin)
            let isFraud = model.isFraud(probability)
            rows += 1
            if isFraud { frauds += 1 }
            bytes.append(contentsOf: probability.description.utf8)
            bytes.append(contentsOf: isFraud ? ",1".utf8 : ",0".utf8)
            if writesMargin { bytes.append(contentsOf: ",\(margin)".utf8) }
            if writesContributions {
                let bias = scorer.contributions(of: vector, into: &values)
                for value in values { bytes.append(contentsOf: ",\(Float(value))".utf8) }
                bytes.append(contentsOf: ",\(Float(bias))".utf8)
            }
            bytes.append(0x0A)
            if bytes.count >= 1 << 16 {
                try sink.write(bytes)
                bytes.removeAll(keepingCapacity: true)
                progress.update(to: rows)
            }
        }
        // An output that was broken off is no output.
        guard !runtime.isStopping else {
            sink.discard()
            return (rows, frauds)
        }
        try sink.write(bytes)
        try sink.close()
        progress.update(to: rows)
        return (rows, frauds)
    }

    private var header: String {
        var names = ["probability", "is_fraud"]
        if writesMargin { names.append("margin") }
        if writesContributions { names += model.featureNames.map { "contribution:\($0)" } + ["contribution:bias"] }
        return names.map(CSVText.cell).joined(separator: ",") + "\n"
    }

    private func fill(_ vector: inout FeatureVector, from reader: CSVReader, _ columns: FeatureColumns) throws {
        for (index, column) in columns.columns.enumerated() {
            if model.categories[index] != nil {
                let text = reader.text(column)
                vector.texts[index] = text.isEmpty ? nil : text
                continue
            }
            guard let number = reader.withCell(column, { FeatureColumns.number($0) }) else {
                throw CommandError(
                    .dataError,
                    "\(reader.name), line \(reader.line): \(model.featureNames[index]) is no number: \"\(reader.text(column).prefix(40))\"."
                )
            }
            vector.numbers[index] = number
        }
    }
}
