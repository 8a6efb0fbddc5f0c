import FeatureEngine
import Observability
import Pipeline
import ServiceRuntime

/// What was compared with the log.
enum VerifiedKind: String, CaseIterable {
    /// Records of a partition that are accounted for.
    case total
    /// Feature rows.
    case row
    /// Online states.
    case blob
    /// Served answers.
    case prediction
}

/// What a verification has found: every mismatch is printed as it comes, so that memory does not grow with them.
final class VerifyReport {
    /// How many of each kind were compared.
    private(set) var checked: [VerifiedKind: Int] = [:]
    /// How many of each kind are not what the log gives.
    private(set) var mismatches: [VerifiedKind: Int] = [:]
    /// How many were mended.
    private(set) var repaired = 0
    /// What was not compared, by the reason.
    private(set) var leftOut: [String: Int] = [:]
    private let print: (String) throws -> Void

    init(_ print: @escaping (String) throws -> Void) { self.print = print }

    var mismatchCount: Int { mismatches.values.reduce(0, +) }

    func check(_ kind: VerifiedKind) { checked[kind, default: 0] += 1 }

    func leaveOut(_ reason: String) { leftOut[reason, default: 0] += 1 }

    /// Notes one mismatch: what it is, and all that differs in it.
    func add(_ kind: VerifiedKind, _ subject: String, _ differences: [String]) throws {
        mismatches[kind, default: 0] += 1
        for difference in differences {
            try print(TerminalText.visible("\(kind.rawValue) \(subject): \(difference)"))
        }
    }

    func noteRepaired(_ count: Int = 1) { repaired += count }

    // MARK: Differences

    /// Every feature whose bits differ, with both. `stored` is named by what it is: "is stored", "was served".
    static func differences(
        _ names: [String], _ kinds: [FeatureKind], _ stored: FeatureVector, _ right: FeatureVector, _ verb: String
    ) -> [String] {
        var differences: [String] = []
        for (slot, name) in names.enumerated() {
            if kinds[slot] == .category {
                guard stored.texts[slot].map({ ByteString($0) }) != right.texts[slot].map({ ByteString($0) }) else {
                    continue
                }
                func text(_ value: String?) -> String { value.map { "\"\($0)\"" } ?? "missing" }
                differences.append(
                    "\(name): \(text(stored.texts[slot])) \(verb), the log gives \(text(right.texts[slot]))")
            } else {
                let (left, right) = (stored.numbers[slot], right.numbers[slot])
                guard left.bitPattern != right.bitPattern, !(left.isNaN && right.isNaN) else { continue }
                differences.append("\(name): \(number(left)) \(verb), the log gives \(number(right))")
            }
        }
        return differences
    }

    private static func number(_ value: Double) -> String {
        value.isNaN ? "missing" : "\(value) (\(String(value.bitPattern, radix: 16)))"
    }

    static func place(_ position: LogPosition) -> String {
        "\(position.topic)/\(position.partition) at \(position.offset)"
    }
}
