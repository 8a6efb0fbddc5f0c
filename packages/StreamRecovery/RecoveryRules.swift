/// The rules that recovery rests on. All hold in production; a simulation leaves single ones out to see that each is needed.
public struct RecoveryRules: OptionSet, Sendable {
    /// One bit a rule.
    public let rawValue: Int
    /// Rules by their bits.
    public init(rawValue: Int) { self.rawValue = rawValue }

    // Kept by the protocol.

    /// At a claim, the dead letters of [P, N) are published again, out of Postgres.
    public static let republishes = RecoveryRules(rawValue: 1 << 0)
    /// What a failure taught is known at the next claim, in whatever phase it was met.
    public static let remembers = RecoveryRules(rawValue: 1 << 1)
    /// A refused batch is halved until the one record is found.
    public static let halves = RecoveryRules(rawValue: 1 << 2)
    /// A dead letter that is refused itself is stored without key and value.
    public static let baresLetters = RecoveryRules(rawValue: 1 << 3)
    /// Whenever the log may be another one, the record before N is compared.
    public static let comparesRecordBefore = RecoveryRules(rawValue: 1 << 4)
    /// A planted watermark names the position that the rebuild must reach.
    public static let plantsTarget = RecoveryRules(rawValue: 1 << 5)
    /// The filter of ids is kept over a claim only when nobody claimed between.
    public static let followsEpochs = RecoveryRules(rawValue: 1 << 6)
    /// A log that ends before N, and whose last record is stored, goes on behind N.
    public static let rebases = RecoveryRules(rawValue: 1 << 7)
    /// A rebuild begins above every generation that was seen.
    public static let rebuildsAbove = RecoveryRules(rawValue: 1 << 8)

    // Kept by the stores and by whoever computes the rows.

    /// The watermark only moves from where its owner left it.
    public static let comparesMark = RecoveryRules(rawValue: 1 << 9)
    /// A blob is written only over an older position.
    public static let comparesBlobs = RecoveryRules(rawValue: 1 << 10)
    /// Postgres refuses a write whose epoch or N is not the newest.
    public static let fences = RecoveryRules(rawValue: 1 << 11)
    /// A record in a partition that is not its key's is refused.
    public static let checksHome = RecoveryRules(rawValue: 1 << 12)
    /// An entity that has events and no blob is computed from Postgres.
    public static let loadsLostEntities = RecoveryRules(rawValue: 1 << 13)
    /// What is stored online and cannot be right is written over.
    public static let overwritesDamage = RecoveryRules(rawValue: 1 << 14)
    /// A watermark carries a checksum, so that no damage makes it another possible one.
    public static let checksumsMark = RecoveryRules(rawValue: 1 << 15)
    /// Stored events that a topic by another key lacks are brought there again.
    public static let bringsMissing = RecoveryRules(rawValue: 1 << 16)

    /// Every rule.
    public static let all = RecoveryRules(rawValue: (1 << 17) - 1)
}
