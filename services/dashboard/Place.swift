import Observability
import ServiceRuntime

/// A screen, by the digit that opens it.
package enum ScreenName: String, SettingChoice {
    case overview, stream, alerts, entity, model, pipeline, logs

    /// 1 to 7.
    package var digit: Int { (Self.allCases.firstIndex(of: self) ?? 0) + 1 }
}

/// Which answer of the API a case is about.
package enum CaseKey: Hashable, Sendable {
    /// By the answer's own id.
    case prediction(String)
    /// The newest answer about a transaction.
    case transaction(String)
}

/// Where the user is.
package enum Place: Hashable, Sendable {
    case screen(ScreenName)
    case file(CaseKey)
}

/// A line of text that is being typed.
package struct Prompt: Sendable {
    /// What becomes of it.
    package enum Purpose: Hashable, Sendable { case filter, go, moment, note }
    /// A paste longer than this is cut, scalars.
    static let longest = 500

    package let purpose: Purpose
    package internal(set) var text: String

    init(_ purpose: Purpose, _ text: String = "") {
        self.purpose = purpose
        self.text = text
    }

    /// Adds typed or pasted text; line ends become spaces.
    mutating func add(_ more: String) {
        let scalars = more.unicodeScalars.map { $0 == "\n" || $0 == "\r" || $0 == "\t" ? " " : $0 }
        let room = max(0, Self.longest - text.unicodeScalars.count)
        text.unicodeScalars.append(contentsOf: scalars.prefix(room).filter { !TerminalText.isUnsafe($0) })
    }
}
