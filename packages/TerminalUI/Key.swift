/// A key the user pressed.
public enum Key: Hashable, Sendable {
    /// A printable character.
    case character(Character)
    /// Named keys.
    case up, down, left, right, pageUp, pageDown, home, end, enter, tab, escape, backspace
    /// A letter with Ctrl.
    case control(Character)
}

/// Turns the bytes of a terminal into keys; keeps the start of a sequence that has not arrived whole.
public struct KeyDecoder: Sendable {
    private var pending: [UInt8] = []
    static let longestSequence = 32

    /// A decoder with nothing pending.
    public init() {}

    /// The keys completed by more bytes.
    public mutating func decode(_ bytes: some Sequence<UInt8>) -> [Key] {
        pending.append(contentsOf: bytes)
        var keys: [Key] = []
        while let first = pending.first {
            switch first {
            case 0x1B:
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
    var isPending: Bool { !pending.isEmpty }

    /// What a lone ESC was, once no more bytes have followed it for a moment.
    public mutating func flush() -> [Key] {
        guard pending.first == 0x1B else { return [] }
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
            default: nil
            }
        return (key, end + 1)
    }
}
