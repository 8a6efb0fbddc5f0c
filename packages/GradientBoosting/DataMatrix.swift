internal import CXGBoost

/// Sole owner of one libxgboost matrix. Not `Sendable`: the library's result memory and last error belong to the calling
/// thread, so a matrix and the boosters that read it stay on one.
@safe public final class DataMatrix {
    /// Rows of the matrix.
    public let rowCount: Int
    /// Columns of the matrix.
    public let columnCount: Int

    let handle: DMatrixHandle

    /// Copies rows that stand one after the other; NaN is missing. libxgboost refuses infinities: clamp them before.
    /// `rows` takes a part of them, `threads` is 0 for all cores.
    public init(
        _ values: [Float], columnCount: Int, rows: Range<Int>? = nil, labels: [Float]? = nil,
        threads: Int = 0
    ) throws(BoostingError) {
        guard columnCount > 0, values.count.isMultiple(of: columnCount) else {
            throw .invalidInput("\(values.count) values do not make rows of \(columnCount) columns")
        }
        let rows = rows ?? 0..<values.count / columnCount
        guard !rows.isEmpty, rows.lowerBound >= 0, rows.upperBound * columnCount <= values.count else {
            throw .invalidInput("a matrix needs at least one row")
        }
        var created: DMatrixHandle?
        let status = unsafe values.withUnsafeBufferPointer { buffer in
            let part = unsafe UnsafeBufferPointer(
                rebasing: buffer[rows.lowerBound * columnCount..<rows.upperBound * columnCount])
            return unsafe XGDMatrixCreateFromMat_omp(
                part.baseAddress, bst_ulong(rows.count), bst_ulong(columnCount), .nan, &created, Int32(threads))
        }
        try check(status)
        guard let handle = unsafe created else { throw .library("no matrix was made") }
        unsafe self.handle = handle
        self.columnCount = columnCount
        rowCount = rows.count
        if let labels { try setLabels(labels) }
    }

    deinit { _ = unsafe XGDMatrixFree(handle) }

    /// Sets one label a row, each 0 or 1.
    private func setLabels(_ labels: [Float]) throws(BoostingError) {
        guard labels.count == rowCount else {
            throw .invalidInput("\(labels.count) labels for \(rowCount) rows")
        }
        guard labels.allSatisfy({ $0 == 0 || $0 == 1 }) else { throw .invalidInput("a label is neither 0 nor 1") }
        try check(unsafe XGDMatrixSetFloatInfo(handle, "label", labels, bst_ulong(labels.count)))
    }
}
