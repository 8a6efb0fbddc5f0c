/// A key the user pressed, or what else came from the terminal.
public enum Key: Hashable, Sendable {
    /// A printable character.
    case character(Character)
    /// Named keys.
    case up, down, left, right, pageUp, pageDown, home, end, enter, tab, escape, backspace
    /// A letter with Ctrl.
    case control(Character)
    /// Text was pasted; never keys, whatever is in it.
    case pasted(String)
    /// The terminal says whether its background is light.
    case background(isLight: Bool)
}

/// Turns the bytes of a terminal into keys; keeps the start of a sequence that has not arrived whole.
public struct KeyDecoder: Sendable {
    private var pending: [UInt8] = []
    private var paste: [UInt8]?
    static let longestSequence = 32
    /// What is kept of a paste, bytes.
    static let longestPaste = 8_192
    private static let pasteStart = Array("\u{1B}[200~".utf8), pasteEnd = Array("\u{1B}[201~".utf8)
    private static let background = Array("\u{1B}]11;rgb:".utf8)

    /// A decoder with nothing pending.
    public init() {}

    /// The keys completed by more bytes.
    public mutating func decode(_ bytes: some Sequence<UInt8>) -> [Key] {
        pending.append(contentsOf: bytes)
        var keys: [Key] = []
        while let first = pending.first {
            if paste != nil {
                guard let key = pasted() else { return keys }
                // What stands behind the end of a paste was pasted, too: a text may have an end of its own in it.
                pending.removeAll()
                return keys + [key]
            }
            switch first {
            case 0x1B:
                if pending.starts(with: Self.pasteStart) {
                    pending.removeFirst(Self.pasteStart.count)
                    paste = []
                    continue
                }
                guard let (key, length) = escapeSequence() else { return keys }
                if let key { keys.append(key) }
                pending.removeFirst(length)
            case 0x0D, 0x0A: take(.enter, &keys)
            case 0x09: take(.tab, &keys)
            case 0x7F, 0x08: take(.backspace, &keys)
            case 0x01...0x1A: take(.control(Character(Unicode.Scalar(first + 0x60))), &keys)
            case 0x20..<0x7F: take(.character(Character(Unicode.Scalar(first))), &keys)
            case 0xC2...0xF4:
                let length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2
                guard pending.count >= length else { return keys }
                if let text = String(validating: pending.prefix(length), as: UTF8.self), let character = text.first {
                    keys.append(.character(character))
                    pending.removeFirst(length)
                } else {
                    pending.removeFirst()
                }
            default: pending.removeFirst()
            }
        }
        return keys
    }

    /// Whether the start of a sequence waits for its rest.
    var isPending: Bool { paste == nil && !pending.isEmpty }

    /// The paste, once its end is there. Until then what arrived of it is moved away from `pending`, but for what may be the start of
    /// its end.
    private mutating func pasted() -> Key? {
        guard var text = paste else { return nil }
        let end = Self.pasteEnd
        let found = pending.indices.first { pending[$0...].starts(with: end) }
        let kept = found ?? max(0, pending.count - (end.count - 1))
        text += pending[..<kept].prefix(max(0, Self.longestPaste - text.count))
        pending.removeFirst(found == nil ? kept : kept + end.count)
        paste = found == nil ? text : nil
        return found == nil ? nil : .pasted(String(decoding: text, as: UTF8.self))
    }

    /// What a lone ESC was, once no more bytes have followed it for a moment.
    public mutating func flush() -> [Key] {
        guard paste == nil, pending.first == 0x1B else { return [] }
        pending.removeAll()
        return [.escape]
    }

    private mutating func take(_ key: Key, _ keys: inout [Key]) {
        keys.append(key)
        pending.removeFirst()
    }

    /// The key of the sequence at the front and its length; nil when it has not arrived whole.
    private func escapeSequence() -> (Key?, Int)? {
        guard pending.count >= 2 else { return nil }
        if pending[1] == 0x5D { return backgroundReport() }
        guard pending[1] == 0x5B || pending[1] == 0x4F else { return (.escape, 1) }
        guard let end = pending.dropFirst(2).firstIndex(where: { (0x40...0x7E).contains($0) }) else {
            return pending.count > Self.longestSequence ? (nil, pending.count) : nil
        }
        let key: Key? =
            switch (pending[end], pending[2..<end].first) {
            case (0x41, _): .up
            case (0x42, _): .down
            case (0x43, _): .right
            case (0x44, _): .left
            case (0x48, _), (0x7E, 0x31), (0x7E, 0x37): .home
            case (0x46, _), (0x7E, 0x34), (0x7E, 0x38): .end
            case (0x7E, 0x35): .pageUp
            case (0x7E, 0x36): .pageDown
            case (0x4D, 0x3C): Self.wheel(pending[3..<end])
            default: nil
            }
        return (key, end + 1)
    }

    /// A wheel's step as the mouse reports it (SGR, mode 1006); other buttons do nothing.
    private static func wheel(_ numbers: ArraySlice<UInt8>) -> Key? {
        switch String(decoding: numbers.prefix { $0 != 0x3B }, as: UTF8.self) {
        case "64": .up
        case "65": .down
        default: nil
        }
    }

    /// The answer to OSC 11, `ESC ] 11 ; rgb:hhhh/hhhh/hhhh` and BEL or ST; ESC before any other `]` is the key.
    private func backgroundReport() -> (Key?, Int)? {
        let start = Self.background
        guard pending.prefix(start.count).elementsEqual(start.prefix(pending.count)) else { return (.escape, 1) }
        guard let end = pending.dropFirst(2).firstIndex(where: { $0 == 0x07 || $0 == 0x1B }) else {
            return pending.count > 2 * Self.longestSequence ? (nil, pending.count) : nil
        }
        if pending[end] == 0x1B, end + 1 >= pending.count { return nil }
        let length = pending[end] == 0x07 ? end + 1 : end + 2
        guard end > start.count else { return (nil, length) }
        let parts = String(decoding: pending[start.count..<end], as: UTF8.self).split(separator: "/")
        let levels = parts.compactMap { UInt8($0.prefix(2), radix: 16) }.map { Double($0) / 255 }
        guard levels.count == 3 else { return (nil, length) }
        // How bright it is to the eye (ITU-R BT.709).
        let light = 0.2126 * levels[0] + 0.7152 * levels[1] + 0.0722 * levels[2]
        return (.background(isLight: light > 0.5), length)
    }
}
