/// The keys clients must show, where any are set.
struct APIKeys: Sendable {
    private let keys: [[UInt8]]

    /// Keys separated by commas; none means that everybody may ask.
    init(_ text: String?) {
        keys = (text ?? "").split(separator: ",").map { part in
            Array(part.utf8.drop { $0 == 0x20 }.reversed().drop { $0 == 0x20 }.reversed())
        }.filter { !$0.isEmpty }
    }

    var areNeeded: Bool { !keys.isEmpty }

    /// Whether the key is one of ours. Looks at every byte of every key, so that the time tells nothing of how much is right.
    func allow(_ key: String) -> Bool {
        let given = Array(key.utf8)
        guard !given.isEmpty else { return false }
        var isAllowed = false
        for key in keys {
            var difference = UInt64(truncatingIfNeeded: key.count ^ given.count)
            for index in key.indices { difference |= UInt64(key[index] ^ given[index % given.count]) }
            isAllowed = (difference == 0) || isAllowed
        }
        return isAllowed
    }
}
