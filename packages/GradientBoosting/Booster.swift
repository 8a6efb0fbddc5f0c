internal import CXGBoost

/// How a model is written to bytes.
public enum ModelFormat: String, Sendable {
    /// Text, as `model.json`.
    case json
    /// Universal Binary JSON, as `model.ubj`.
    case ubj
}

/// One gradient-boosted model of libxgboost. Not `Sendable`, as `DataMatrix`: one thread, one booster.
///
/// Models are written and read as bytes, never by file name: the library takes a name for an address (`s3://…`), and would
/// trip over a colon in a path.
@safe public final class Booster {
    private let handle: BoosterHandle

    /// An empty booster over the matrices it will be trained on and evaluated with.
    public init(_ matrices: [DataMatrix] = [], parameters: [(String, String)] = []) throws(BoostingError) {
        var handles: [DMatrixHandle?] = unsafe matrices.map { unsafe $0.handle }
        var created: BoosterHandle?
        let count = bst_ulong(matrices.count)
        try check(
            unsafe handles.withUnsafeMutableBufferPointer { unsafe XGBoosterCreate($0.baseAddress, count, &created) })
        guard let handle = unsafe created else { throw .library("no booster was made") }
        unsafe self.handle = handle
        try set("verbosity", "0")
        for (name, value) in parameters { try set(name, value) }
    }

    /// Reads a model from the bytes of a file; JSON and UBJ are told apart by the library.
    public convenience init(model bytes: [UInt8], threads: Int = 0) throws(BoostingError) {
        try self.init()
        if threads > 0 { try set("nthread", String(threads)) }
        try check(
            unsafe bytes.withUnsafeBufferPointer { buffer in
                unsafe XGBoosterLoadModelFromBuffer(handle, buffer.baseAddress, bst_ulong(buffer.count))
            })
    }

    private init(taking handle: BoosterHandle) { unsafe self.handle = handle }

    deinit { _ = unsafe XGBoosterFree(handle) }

    /// Sets a parameter by the library's name for it.
    public func set(_ name: String, _ value: String) throws(BoostingError) {
        try check(unsafe XGBoosterSetParam(handle, name, value))
    }

    /// One round of boosting; rounds count from 0.
    public func update(round: Int, on matrix: DataMatrix) throws(BoostingError) {
        try check(unsafe XGBoosterUpdateOneIter(handle, Int32(round), matrix.handle))
    }

    /// A model of the first `rounds` rounds only.
    public func prefix(rounds: Int) throws(BoostingError) -> Booster {
        guard let end = Int32(exactly: rounds), end > 0 else {
            throw .invalidInput("\(rounds) rounds are no part of a model")
        }
        var sliced: BoosterHandle?
        let status = unsafe XGBoosterSlice(handle, 0, end, 1, &sliced)
        guard status != -2 else { throw .invalidInput("the model has fewer than \(rounds) rounds") }
        try check(status)
        guard let handle = unsafe sliced else { throw .library("no booster was made") }
        return unsafe Booster(taking: handle)
    }

    /// Rounds the model was boosted for.
    public func roundCount() throws(BoostingError) -> Int {
        var count: Int32 = 0
        try check(unsafe XGBoosterBoostedRounds(handle, &count))
        return Int(count)
    }

    /// Probabilities (for a logistic objective), one a row.
    public func predict(_ matrix: DataMatrix, rounds: Int = 0) throws(BoostingError) -> [Float] {
        try predict(matrix, type: 0, rounds: rounds)
    }

    /// Margins: the sum before the logistic function.
    public func predictMargin(_ matrix: DataMatrix, rounds: Int = 0) throws(BoostingError) -> [Float] {
        try predict(matrix, type: 1, rounds: rounds)
    }

    /// SHAP values: for each row one a feature, then the bias. They add up to the margin.
    public func predictContributions(_ matrix: DataMatrix, rounds: Int = 0) throws(BoostingError) -> [Float] {
        try predict(matrix, type: 2, rounds: rounds)
    }

    private func predict(_ matrix: DataMatrix, type: Int, rounds: Int) throws(BoostingError) -> [Float] {
        let options =
            #"{"type":\#(type),"training":false,"iteration_begin":0,"iteration_end":\#(rounds),"strict_shape":false}"#
        var shape: UnsafePointer<bst_ulong>?
        var dimensions: bst_ulong = 0
        var result: UnsafePointer<Float>?
        try check(unsafe XGBoosterPredictFromDMatrix(handle, matrix.handle, options, &shape, &dimensions, &result))
        var count = 1
        for index in 0..<Int(dimensions) { count *= Int(unsafe shape?[index] ?? 0) }
        // The library's memory is valid until the next call on this thread.
        return unsafe Array(UnsafeBufferPointer(start: result, count: count))
    }

    /// The model as the bytes of a file.
    public func model(format: ModelFormat) throws(BoostingError) -> [UInt8] {
        var count: bst_ulong = 0
        var bytes: UnsafePointer<CChar>?
        try check(unsafe XGBoosterSaveModelToBuffer(handle, #"{"format":"\#(format.rawValue)"}"#, &count, &bytes))
        guard let bytes = unsafe bytes else { return [] }
        return unsafe Array(UnsafeRawBufferPointer(start: bytes, count: Int(count)))
    }

    /// Names the features in the model: readers then refuse columns in another order instead of scoring them wrongly.
    public func setFeatureNames(_ names: [String]) throws(BoostingError) {
        try check(
            unsafe withCStrings(names) { pointers in
                unsafe XGBoosterSetStrFeatureInfo(handle, "feature_name", pointers, bst_ulong(names.count))
            })
    }

    /// The names the model gives its features; empty when it has none.
    public func featureNames() throws(BoostingError) -> [String] {
        var count: bst_ulong = 0
        var names: UnsafeMutablePointer<UnsafePointer<CChar>?>?
        try check(unsafe XGBoosterGetStrFeatureInfo(handle, "feature_name", &count, &names))
        return (0..<Int(count)).map { index in
            unsafe names?[index].map { unsafe String(cString: $0) } ?? ""
        }
    }
}
