/// One registered model: what is written about it when it is registered, and what became of it.
public struct RegisteredModel: Hashable, Sendable {
    /// Its version, from `nextVersion`.
    public let version: Int64
    /// The service it scores.
    public let service: String
    /// The definitions it was trained on.
    public let definitionHash: String
    /// Its folder, below the models folder.
    public let folder: String
    /// A hash of the rows it was made from.
    public let fingerprint: String
    /// What was measured on its holdout, as JSON.
    public let metrics: String
    /// Its `needletail.json` without the reference distributions, as JSON; `null` of a champion or a list, which are read without it.
    public let card: String
    /// When it was registered, ms UTC.
    public var registeredMillis: Int64 = 0
    /// Whether it is out of the way: it is not listed and takes no alias.
    public var isArchived = false
    /// Whether its folder is gone.
    public var isDeleted = false

    /// The name predictions carry.
    public var name: String { String(version) }

    /// A model that is about to be registered.
    public init(
        version: Int64, service: String, definitionHash: String, folder: String, fingerprint: String, metrics: String,
        card: String
    ) {
        self.version = version
        self.service = service
        self.definitionHash = definitionHash
        self.folder = folder
        self.fingerprint = fingerprint
        self.metrics = metrics
        self.card = card
    }
}

/// Who changes something about a model, and why.
public struct ChangeNote: Hashable, Sendable {
    /// Who.
    public var actor: String
    /// Why.
    public var reason: String
    /// Who agreed; nil where nobody was asked.
    public var approver: String?
    /// Whether it is done against what a comparison says.
    public var isForced: Bool

    /// Somebody's reason.
    public init(actor: String, reason: String, approver: String? = nil, isForced: Bool = false) {
        self.actor = actor
        self.reason = reason
        self.approver = approver
        self.isForced = isForced
    }
}

/// One line of a service's history.
public struct ModelChange: Hashable, Sendable {
    /// What happened.
    public enum Action: String, Sendable {
        /// An alias moved to a model.
        case promote
        /// A former champion came back.
        case rollback
        /// Somebody asked for a promotion that needs a second person.
        case request
        /// An alias was taken from its model.
        case clear
        case archive, restore, delete
    }
    /// What happened.
    public let action: Action
    /// The alias that moved; nil where none did.
    public let alias: String?
    /// The model it happened to, nil for `clear`; and the one that had the alias before.
    public let version: Int64?, previous: Int64?
    /// Who and why.
    public let note: ChangeNote
    /// When, ms UTC.
    public let changedMillis: Int64
}

/// A promotion that waits for a second person.
public struct PromotionRequest: Hashable, Sendable {
    /// The model that is to be champion, and the champion it was compared with.
    public let version: Int64, replacing: Int64?
    /// Who asked, and why.
    public let note: ChangeNote

    /// A request as it is stored.
    public init(version: Int64, replacing: Int64?, note: ChangeNote) {
        self.version = version
        self.replacing = replacing
        self.note = note
    }
}

/// One comparison of recent rows with a model's reference.
public struct DriftEntry: Hashable, Sendable {
    /// Event times of the recent rows, ms UTC.
    public var fromMillis: Int64, toMillis: Int64
    /// How many they are.
    public var rows: Int
    /// What was decided.
    public var isDrifted: Bool
    /// All figures, as JSON.
    public var report: String

    /// Describes a comparison.
    public init(fromMillis: Int64, toMillis: Int64, rows: Int, isDrifted: Bool, report: String) {
        self.fromMillis = fromMillis
        self.toMillis = toMillis
        self.rows = rows
        self.isDrifted = isDrifted
        self.report = report
    }
}

/// What became of the question whether to train again.
public struct RetrainDecision: Hashable, Sendable {
    /// The service, and its champion then; nil for none.
    public var service: String, champion: Int64?
    /// `stayed`, `failed`, or what became of the model that was trained.
    public var decision: String
    /// The model that was registered; nil for none.
    public var version: Int64?
    /// The fingerprint of the rows that were trained on; nil for none.
    public var fingerprint: String?
    /// Why.
    public var reason: String

    /// Describes a decision.
    public init(
        service: String, champion: Int64?, decision: String, version: Int64? = nil, fingerprint: String? = nil,
        reason: String
    ) {
        self.service = service
        self.champion = champion
        self.decision = decision
        self.version = version
        self.fingerprint = fingerprint
        self.reason = reason
    }
}

/// Another model became champion in the meantime, so the comparison that was made does not count.
public struct ChampionChanged: Error, Hashable, Sendable, CustomStringConvertible {
    /// The champion now.
    public let champion: Int64?

    /// Names the champion now.
    public init(champion: Int64?) { self.champion = champion }

    public var description: String { "another model became champion meanwhile: \(champion.map(String.init) ?? "none")" }
}

/// The registry does not allow a change; the sentence says why.
public struct ModelChangeRefused: Error, Hashable, Sendable, CustomStringConvertible {
    /// The sentence.
    public let description: String

    /// Says why.
    public init(_ description: String) { self.description = description }
}
