internal import CXGBoost

/// Why libxgboost did not do what it was asked.
public enum BoostingError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The caller passed something that cannot be: an empty matrix, rows of another width, a label that is not 0 or 1.
    case invalidInput(String)
    /// libxgboost refused; the first line of its reason.
    case library(String)

    public var description: String {
        switch self {
        case .invalidInput(let reason): reason
        case .library(let reason): "libxgboost: \(reason)"
        }
    }
}

/// Turns a status of the library into an error, with the first line of its message: the lines after it are a stack trace.
func check(_ status: Int32) throws(BoostingError) {
    guard status != 0 else { return }
    guard let message = unsafe XGBGetLastError() else { throw .library("it gave no reason (status \(status))") }
    let line = unsafe String(cString: message).split(separator: "\n").first.map(String.init) ?? ""
    // `[12:00:00] ./src/learner.cc:123: the reason`: the time and place would make every message another one.
    guard line.hasPrefix("["), let place = line.firstRange(of: ".cc:") ?? line.firstRange(of: ".h:"),
        let colon = line[place.upperBound...].firstIndex(of: ":")
    else { throw .library(line) }
    throw .library(String(line[line.index(after: colon)...].drop { $0 == " " }))
}

/// Lends the strings as C strings for one call.
func withCStrings<Result>(
    _ strings: [String], _ body: (UnsafeMutablePointer<UnsafePointer<CChar>?>?) -> Result
) -> Result {
    var bytes: [CChar] = []
    var starts: [Int] = []
    for string in strings {
        starts.append(bytes.count)
        bytes.append(contentsOf: string.utf8CString)
    }
    return unsafe bytes.withUnsafeBufferPointer { buffer in
        var pointers: [UnsafePointer<CChar>?] = unsafe []
        for start in starts { unsafe pointers.append(buffer.baseAddress.map { unsafe $0 + start }) }
        return unsafe pointers.withUnsafeMutableBufferPointer { unsafe body($0.baseAddress) }
    }
}
