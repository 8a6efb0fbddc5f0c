package import FeatureEngine

/// What a screen wants to know beyond the rounds of observing; asked again every few seconds while the screen is open.
package enum Question: Hashable, Sendable {
    /// The newest open cases, at most so many.
    case cases(limit: Int)
    case file(CaseKey)
    /// An entity's features, as of a moment (ms UTC) or of now.
    case entity(String, atMillis: Int64?)
    case model
    case pipeline
    case logs

    /// Answers are kept by kind: an older one is shown until the new one comes.
    package enum Kind: Hashable, Sendable { case cases, file, entity, model, pipeline, logs }

    package var kind: Kind {
        switch self {
        case .cases: .cases
        case .file: .file
        case .entity: .entity
        case .model: .model
        case .pipeline: .pipeline
        case .logs: .logs
        }
    }

    /// Time between two askings, ms.
    var restMillis: Int64 {
        switch self {
        case .logs, .entity: 1_000
        case .cases, .pipeline, .file: 2_000
        case .model: 5_000
        }
    }
}

/// What came of a question.
package enum Answer: Sendable {
    case cases([CaseRow])
    /// Nil when there is no such prediction in the tables, or not yet.
    case file(CaseFile?)
    case entity(EntityFile)
    case model(ModelFile)
    case pipeline(PipelineFile)
    case logs([LogLine])
    /// Why there is no answer, in a few words.
    case failed(String)
}

/// How far people are with a case.
package struct CaseState: Hashable, Sendable {
    package enum Status: String, Sendable { case open, claimed, snoozed, fraud, legitimate }
    package var status = Status.open
    /// Who has claimed or judged it; empty for nobody.
    package var owner = ""
    /// When a claim or a snooze ends, ms UTC.
    package var untilMillis: Int64?

    package init(status: Status = .open, owner: String = "", untilMillis: Int64? = nil) {
        (self.status, self.owner, self.untilMillis) = (status, owner, untilMillis)
    }

    /// A claim or snooze that ran out is none.
    package func atMillis(_ now: Int64) -> CaseState {
        guard status == .claimed || status == .snoozed, let untilMillis, untilMillis <= now else { return self }
        return CaseState()
    }
}

/// One case of the list.
package struct CaseRow: Hashable, Sendable {
    package let prediction: Prediction
    /// When it was answered, ms UTC.
    package let createdMillis: Int64
    package let state: CaseState

    package init(prediction: Prediction, createdMillis: Int64, state: CaseState) {
        (self.prediction, self.createdMillis, self.state) = (prediction, createdMillis, state)
    }
}

/// A named value and its text as it may be shown.
package struct NamedText: Hashable, Sendable {
    package let name: String, text: String

    package init(_ name: String, _ text: String) { (self.name, self.text) = (name, text) }
}

/// What one feature did to a score: its share of the margin, exact (SHAP).
package struct Contribution: Hashable, Sendable {
    package let feature: String, value: String, effect: Double

    package init(feature: String, value: String, effect: Double) {
        (self.feature, self.value, self.effect) = (feature, value, effect)
    }
}

/// One line of a case's journal.
package struct JournalLine: Hashable, Sendable {
    package let id: Int64, timeMillis: Int64, action: String, reviewer: String, note: String

    package init(id: Int64, timeMillis: Int64, action: String, reviewer: String, note: String) {
        (self.id, self.timeMillis, self.action, self.reviewer, self.note) = (id, timeMillis, action, reviewer, note)
    }
}

/// Everything about one case.
package struct CaseFile: Hashable, Sendable {
    package var row: CaseRow
    /// The key as the log has it: to find its entity. Never shown without masking.
    package var entityKey: ByteString
    package var fields: [NamedText]
    /// The largest effect first; empty with `reasonsRemark` saying why.
    package var contributions: [Contribution] = []
    package var reasonsRemark = ""
    /// Other answers about the same entity, newest first, this one among them.
    package var history: [CaseRow] = []
    package var journal: [JournalLine] = []

    package init(row: CaseRow, entityKey: ByteString, fields: [NamedText]) {
        (self.row, self.entityKey, self.fields) = (row, entityKey, fields)
    }
}

/// One feature of an entity, online and offline; nil is missing.
package struct FeaturePair: Hashable, Sendable {
    package let view: String, name: String
    /// Now, or at the moment asked for; and at the time of the newest row stored up to then, online and as it was stored.
    package let now: String?, online: String?, offline: String?
    /// Whether the two sides say different things, as far as both can know.
    package let isDifferent: Bool

    /// `canCompare` is false where the online state does not reach back to the row's time.
    package init(
        view: String, name: String, now: String?, online: String?, offline: String?, canCompare: Bool = true,
        shown: (String) -> String = { $0 }
    ) {
        (self.view, self.name, self.now) = (view, name, now.map(shown))
        isDifferent = canCompare && online != offline
        (self.online, self.offline) = (online.map(shown), offline.map(shown))
    }
}

/// An entity's features.
package struct EntityFile: Hashable, Sendable {
    /// As it may be shown.
    package var key: String
    /// When `now` is, ms UTC, and whether that moment was asked for.
    package var atMillis: Int64, isPast: Bool
    package var features: [FeaturePair] = []
    /// The event time of the newest row stored up to that moment, ms UTC; nil when none of its events was scored and stored.
    package var storedMillis: Int64?
    /// Whether the online state reaches back to that row, so that the two can be compared.
    package var canCompare = true
    /// How the online state stands, in a few words.
    package var position = ""
    package var history: [CaseRow] = []

    package init(key: String, atMillis: Int64, isPast: Bool = false) {
        (self.key, self.atMillis, self.isPast) = (key, atMillis, isPast)
    }
}

/// One version of the registry.
package struct ModelVersion: Hashable, Sendable {
    package let version: String, service: String, registeredMillis: Int64, metrics: [Figure]
    /// champion, challenger or nothing.
    package let aliases: [String]

    package init(version: String, service: String, aliases: [String], registeredMillis: Int64, metrics: [Figure]) {
        (self.version, self.service, self.aliases) = (version, service, aliases)
        (self.registeredMillis, self.metrics) = (registeredMillis, metrics)
    }
}

/// One entry of a drift report.
package struct DriftLine: Hashable, Sendable {
    package let name: String, stability: Double?, distance: Double?, missing: Double?, isDrifted: Bool

    package init(name: String, stability: Double?, distance: Double?, missing: Double?, isDrifted: Bool) {
        (self.name, self.stability, self.distance) = (name, stability, distance)
        (self.missing, self.isDrifted) = (missing, isDrifted)
    }
}

/// A change of champion.
package struct PromotionLine: Hashable, Sendable {
    package let timeMillis: Int64, version: String, previous: String, reason: String

    package init(timeMillis: Int64, version: String, previous: String, reason: String) {
        (self.timeMillis, self.version, self.previous, self.reason) = (timeMillis, version, previous, reason)
    }
}

/// What the registry, the newest drift report and the verdicts say.
package struct ModelFile: Sendable {
    package var versions: [ModelVersion] = []
    package var drift: [DriftLine] = []
    package var driftMillis: Int64?
    package var promotions: [PromotionLine] = []
    /// Verdicts by tenth of the score: frauds and legitimates.
    package var verdicts: [Int: (frauds: Int, legitimates: Int)] = [:]

    package init() {}
}

/// One partition as its owner left it in the tables.
package struct PartitionLine: Hashable, Sendable {
    package let topic: String, partition: Int, next: Int64, owner: String, epoch: Int64
    package let duplicates: Int64, gaps: Int64, updatedMillis: Int64

    package init(
        topic: String, partition: Int, next: Int64, owner: String, epoch: Int64, duplicates: Int64, gaps: Int64,
        updatedMillis: Int64
    ) {
        (self.topic, self.partition, self.next, self.owner) = (topic, partition, next, owner)
        (self.epoch, self.duplicates, self.gaps, self.updatedMillis) = (epoch, duplicates, gaps, updatedMillis)
    }
}

/// One refused record.
package struct LetterLine: Hashable, Sendable {
    package let topic: String, partition: Int, offset: Int64, createdMillis: Int64, reason: String, value: String

    package init(topic: String, partition: Int, offset: Int64, createdMillis: Int64, reason: String, value: String) {
        (self.topic, self.partition, self.offset) = (topic, partition, offset)
        (self.createdMillis, self.reason, self.value) = (createdMillis, reason, value)
    }
}

/// What the tables say of the pipeline.
package struct PipelineFile: Hashable, Sendable {
    package var partitions: [PartitionLine] = []
    /// The newest refused records.
    package var letters: [LetterLine] = []
    /// Verdicts that wait to be sent, at most 1,000.
    package var waitingVerdicts = 0

    package init() {}
}

/// One line of a service's log.
package struct LogLine: Hashable, Sendable {
    /// As written, `2026-01-31T23:59:59.999Z`; empty when the line is no JSON.
    package let time: String, level: String, service: String, message: String, fields: String
    /// Its file and place there.
    package let id: String

    package init(time: String, level: String, service: String, message: String, fields: String, id: String) {
        (self.time, self.level, self.service) = (time, level, service)
        (self.message, self.fields, self.id) = (message, fields, id)
    }
}
