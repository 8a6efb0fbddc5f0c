/// Commands waiting to be sent together, already in the server's protocol. Reused: emptied by `RedisConnection.run`.
public struct RedisPipeline: Sendable {
    var bytes: [UInt8] = []
    /// Commands added so far, which is the number of answers to come.
    public private(set) var count = 0
    private var missing = 0

    /// An empty pipeline.
    public init() {}

    /// Starts a command of `arguments` parts, its name included; each part is then one call of `add`.
    public mutating func begin(arguments: Int) {
        precondition(missing == 0 && arguments > 0, "the command before is complete")
        header(UInt8(ascii: "*"), arguments)
        missing = arguments
        count += 1
    }

    /// One part of the command, any bytes.
    public mutating func add(_ argument: some Collection<UInt8>) {
        missing -= 1
        header(UInt8(ascii: "$"), argument.count)
        bytes.append(contentsOf: argument)
        bytes.append(13)
        bytes.append(10)
    }

    /// One part of the command, text.
    public mutating func add(_ argument: String) { add(argument.utf8) }

    /// A whole command of text parts.
    public mutating func command(_ arguments: String...) {
        begin(arguments: arguments.count)
        for argument in arguments { add(argument) }
    }

    /// Forgets everything, keeping the room.
    public mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        (count, missing) = (0, 0)
    }

    var isComplete: Bool { missing == 0 }

    private mutating func header(_ kind: UInt8, _ number: Int) {
        bytes.append(kind)
        var place = 1
        while number / place > 9 { place *= 10 }
        while place > 0 {
            bytes.append(0x30 + UInt8(number / place % 10))
            place /= 10
        }
        bytes.append(13)
        bytes.append(10)
    }
}
