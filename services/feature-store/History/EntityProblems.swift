import FeatureEngine
import ServiceRuntime

/// The rows of a file that cannot be used. All of them are found before anything is computed, so that they are mended at once.
struct EntityProblems {
    /// How many are told by line.
    private static let told = 10

    private let file: String
    private var count = 0
    private var sentences: [String] = []

    init(file: String) { self.file = file }

    var isEmpty: Bool { count == 0 }

    mutating func add(line: Int, _ error: FieldError) {
        count += 1
        if count <= Self.told { sentences.append("line \(line): \(error)") }
    }

    /// Throws where there were any.
    func judge() throws(CommandError) {
        guard count > 0 else { return }
        let more = count > Self.told ? "; and \(count - Self.told) more rows" : ""
        throw CommandError(.dataError, "\(file): \(sentences.joined(separator: "; "))\(more).")
    }
}
