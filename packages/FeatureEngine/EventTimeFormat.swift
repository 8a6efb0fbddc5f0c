import Text

/// How a source writes its event time. Everything is UTC; the machine's zone is never asked.
public enum EventTimeFormat: Hashable, Sendable {
    /// Whole seconds since 1970.
    case unixSeconds
    /// Whole milliseconds since 1970.
    case unixMillis
    /// ISO 8601, with `T` or a space, optional fraction, optional `Z` or ±hh:mm (none means UTC).
    case iso8601
    /// A pattern of `yyyy MM dd HH mm ss SSS` and literal characters.
    case pattern(TimePattern)

    /// Reads the YAML spelling: `unix_seconds`, `unix_millis`, `iso8601`, or a pattern.
    public init?(_ text: String) {
        switch text {
        case "unix_seconds": self = .unixSeconds
        case "unix_millis": self = .unixMillis
        case "iso8601": self = .iso8601
        default:
            guard let pattern = TimePattern(text) else { return nil }
            self = .pattern(pattern)
        }
    }

    /// The YAML spelling, for messages.
    public var name: String {
        switch self {
        case .unixSeconds: "unix_seconds"
        case .unixMillis: "unix_millis"
        case .iso8601: "iso8601"
        case .pattern(let pattern): pattern.text
        }
    }

    /// Whether the event time is an integer (in JSON a number), not text.
    public var isNumeric: Bool {
        switch self {
        case .unixSeconds, .unixMillis: true
        case .iso8601, .pattern: false
        }
    }

    /// The latest accepted time, ms UTC: ±10⁸ days from 1970, as in ECMA-262.
    public static let latestMillis: Int64 = 8_640_000_000_000_000

    /// Milliseconds UTC of the text, or nil when it is not of this format or before 1970.
    public func millis(_ text: Span<UInt8>) -> Int64? {
        switch self {
        case .unixSeconds: Decimals.integer(text).flatMap { Self.millis($0, scale: 1_000) }
        case .unixMillis: Decimals.integer(text).flatMap { Self.millis($0, scale: 1) }
        case .iso8601: CivilTime.parseISO8601(text)
        case .pattern(let pattern): pattern.millis(text)
        }
    }

    /// Whether a text is a date or a time of this form; other than of an event's time, its year may be any after 0.
    func isForm(of text: Span<UInt8>) -> Bool {
        switch self {
        case .unixSeconds, .unixMillis: millis(text) != nil
        case .iso8601: CivilTime.parseDate(text) != nil
        case .pattern(let pattern): pattern.civilTime(text).map(CivilTime.isDate) ?? false
        }
    }

    private static func millis(_ value: Int64, scale: Int64) -> Int64? {
        let (millis, overflow) = value.multipliedReportingOverflow(by: scale)
        return overflow || millis < 0 || millis > latestMillis ? nil : millis
    }

    /// The text of a time in this format: what `millis` reads back.
    public func text(_ millis: Int64) -> String {
        switch self {
        case .unixSeconds: String(millis / 1_000)
        case .unixMillis: String(millis)
        case .iso8601: CivilTime.iso8601(millis)
        case .pattern(let pattern): pattern.text(millis)
        }
    }
}

/// A compiled date pattern: fixed-width digits and literal characters.
public struct TimePattern: Hashable, Sendable {
    enum Part: Hashable, Sendable {
        case year, month, day, hour, minute, second, milli
        case literal(UInt8)
    }

    /// The pattern as written.
    public let text: String
    private let parts: [Part]

    /// Compiles a pattern; nil unless it holds year, month and day once each and only known letters.
    public init?(_ text: String) {
        let fields: [(String, Part)] = [
            ("yyyy", .year), ("MM", .month), ("dd", .day), ("HH", .hour), ("mm", .minute), ("ss", .second),
            ("SSS", .milli),
        ]
        var parts: [Part] = []
        var rest = Substring(text)
        while let first = rest.first {
            if let (letters, part) = fields.first(where: { rest.hasPrefix($0.0) }) {
                guard !parts.contains(part) else { return nil }
                parts.append(part)
                rest = rest.dropFirst(letters.count)
            } else {
                guard let ascii = first.asciiValue, !first.isLetter || first == "T" || first == "Z" else { return nil }
                parts.append(.literal(ascii))
                rest = rest.dropFirst()
            }
        }
        guard parts.contains(.year), parts.contains(.month), parts.contains(.day) else { return nil }
        self.text = text
        self.parts = parts
    }

    func millis(_ text: Span<UInt8>) -> Int64? { civilTime(text)?.millis }

    /// The fields of a text of this form, whatever they are; nil when it is of another.
    func civilTime(_ text: Span<UInt8>) -> CivilTime? {
        var time = CivilTime()
        var cursor = 0
        for part in parts {
            switch part {
            case .literal(let byte):
                guard cursor < text.count, text[cursor] == byte else { return nil }
                cursor += 1
            case .year:
                guard let value = CivilTime.digits(text, at: &cursor, count: 4) else { return nil }
                time.year = value
            case .month:
                guard let value = CivilTime.digits(text, at: &cursor, count: 2) else { return nil }
                time.month = value
            case .day:
                guard let value = CivilTime.digits(text, at: &cursor, count: 2) else { return nil }
                time.day = value
            case .hour:
                guard let value = CivilTime.digits(text, at: &cursor, count: 2) else { return nil }
                time.hour = value
            case .minute:
                guard let value = CivilTime.digits(text, at: &cursor, count: 2) else { return nil }
                time.minute = value
            case .second:
                guard let value = CivilTime.digits(text, at: &cursor, count: 2) else { return nil }
                time.second = value
            case .milli:
                guard let value = CivilTime.digits(text, at: &cursor, count: 3) else { return nil }
                time.milli = value
            }
        }
        return cursor == text.count ? time : nil
    }

    func text(_ millis: Int64) -> String {
        let time = CivilTime(millis: millis)
        var result = ""
        for part in parts {
            switch part {
            case .literal(let byte): result.unicodeScalars.append(Unicode.Scalar(byte))
            case .year: result += Padding.zeros(time.year, 4)
            case .month: result += Padding.zeros(time.month, 2)
            case .day: result += Padding.zeros(time.day, 2)
            case .hour: result += Padding.zeros(time.hour, 2)
            case .minute: result += Padding.zeros(time.minute, 2)
            case .second: result += Padding.zeros(time.second, 2)
            case .milli: result += Padding.zeros(time.milli, 3)
            }
        }
        return result
    }
}
