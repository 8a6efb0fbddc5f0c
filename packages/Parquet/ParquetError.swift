public import Compression

/// Why a Parquet file cannot be read or written. `place` is where in the file, in words: `the footer`, `column amt, byte 4,711`.
public enum ParquetError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The file is no Parquet file, or its bytes contradict one another.
    case damaged(file: String, place: String, reason: String)
    /// The file is whole, but uses what is not read here.
    case unsupported(file: String, place: String, reason: String)
    /// The file itself could not be read or written.
    case file(CompressionError)

    /// One sentence that names the file and the place.
    public var description: String {
        switch self {
        case .damaged(let file, let place, let reason): "\(file): damaged in \(place): \(reason)"
        case .unsupported(let file, let place, let reason): "\(file): cannot be read in \(place): \(reason)"
        case .file(let error): error.description
        }
    }
}

/// What is wrong with bytes, before anybody knows the file they are of.
enum PageError: Error, Hashable {
    case damaged(String)
    case unsupported(String)

    func at(_ place: String, of file: String) -> ParquetError {
        switch self {
        case .damaged(let reason): .damaged(file: file, place: place, reason: reason)
        case .unsupported(let reason): .unsupported(file: file, place: place, reason: reason)
        }
    }
}
