import EventLoop
import KafkaProtocol

/// The groups, their parked requests and their timers. Belongs to the broker's loop.
struct GroupCoordinator {
    /// What waits for a group: answered once.
    enum Parked {
        case join((JoinGroupResponse) -> Void)
        case sync((SyncGroupResponse) -> Void)
    }

    /// How long a group without members and positions is remembered.
    static let idleGroupMillis: Int64 = 600_000
    /// Most groups; above it those without members and positions go, the longest idle first.
    static let maxGroups = 10_000
    /// Most bytes held for the members of all groups.
    static let maxBytes = 512 << 20

    private(set) var store: OffsetStore
    let initialDelayMillis: Int64
    private(set) var groups: [String: GroupState] = [:]
    private var parked: [UInt64: Parked] = [:]
    private var nextToken: UInt64 = 1
    private var isDirty = false
    /// Whether the file came into its place since it was last synchronised.
    private var isRenamed = false
    /// Bytes that members brought along since they were last counted, and those that were counted then.
    private var heldBytes = 0
    /// Why the last write failed, for the caller to report.
    private(set) var lastFailure: LogError?

    init(store: OffsetStore, initialDelayMillis: Int64, nowMillis: Int64) {
        self.store = store
        self.initialDelayMillis = initialDelayMillis
        for name in Set(store.groups.keys).union(store.offsets.keys) {
            var group = GroupState(id: name, initialDelayMillis: initialDelayMillis, nowMillis: nowMillis)
            group.generation = store.groups[name]?.generation ?? 0
            group.protocolType = store.groups[name]?.protocolType ?? ""
            groups[name] = group
        }
    }

    /// The file to synchronise when something was written since the last time.
    mutating func takeDirtyFile() -> (file: LogFile, hasNewName: Bool)? {
        guard isDirty else { return nil }
        isDirty = false
        defer { isRenamed = false }
        return (store.currentFile, isRenamed)
    }

    mutating func park(_ request: Parked) -> UInt64 {
        defer { nextToken += 1 }
        parked[nextToken] = request
        return nextToken
    }

    /// Lets `change` act on a group, made if need be, and carries out what follows. Answers go out after the state is
    /// settled, so that what they set off meets a consistent group.
    ///
    /// `nowMillis` is monotonic time, for a wall clock that is set would end or prolong everybody's session; what goes to
    /// the disk carries `wallMillis`.
    mutating func change(
        _ name: String, creating: Bool, nowMillis: Int64, wallMillis: Int64,
        _ change: (inout GroupState) -> [GroupState.Action]
    ) -> [() -> Void] {
        guard
            var group = groups[name]
                ?? (creating
                    ? GroupState(id: name, initialDelayMillis: initialDelayMillis, nowMillis: nowMillis) : nil)
        else { return [] }
        let actions = change(&group)
        groups[name] = group
        var answers: [() -> Void] = []
        for action in actions {
            switch action {
            case .joined(let token, let response):
                if case .join(let answer)? = parked.removeValue(forKey: token) { answers.append { answer(response) } }
            case .synced(let token, let response):
                if case .sync(let answer)? = parked.removeValue(forKey: token) { answers.append { answer(response) } }
            case .generationChanged:
                write { store throws(LogError) in
                    try store.note(
                        name,
                        GroupRecord(
                            generation: group.generation, protocolType: group.protocolType, changedMillis: wallMillis))
                }
            }
        }
        return answers
    }

    /// Changes the stored positions; false when the disk did not take it.
    @discardableResult
    mutating func write(_ change: (inout OffsetStore) throws(LogError) -> Void) -> Bool {
        do throws(LogError) {
            try change(&store)
        } catch {
            lastFailure = error
            return false
        }
        isDirty = true
        return true
    }

    /// Whether a group of this name is there or may be made; makes room by forgetting one that nobody needs.
    mutating func hasRoom(for name: String) -> Bool {
        guard groups[name] == nil, groups.count >= Self.maxGroups else { return true }
        let idle = groups.values.filter {
            $0.phase == .empty && $0.pending.isEmpty && (store.offsets[$0.id] ?? [:]).isEmpty
        }
        // Several at once: looking for them costs more than making them again.
        for group in idle.sorted(by: { $0.emptySinceMillis < $1.emptySinceMillis }).prefix(Self.maxGroups / 100) {
            _ = delete(group.id)
        }
        return groups.count < Self.maxGroups
    }

    /// Whether a member may bring along `count` more bytes.
    mutating func mayHold(_ count: Int) -> Bool {
        guard count <= Self.maxBytes else { return false }
        if heldBytes > Self.maxBytes - count { heldBytes = groups.values.reduce(0) { $0 + $1.heldBytes() } }
        guard heldBytes <= Self.maxBytes - count else { return false }
        heldBytes += count
        return true
    }

    /// The job that rewrites the file of positions without its history, when that is most of it; on another thread.
    mutating func beginRewrite() -> OffsetStore.RewriteJob? { store.beginRewrite() }

    /// Takes the rewritten file into use, or goes on with the old one.
    mutating func endRewrite(_ job: OffsetStore.RewriteJob, isWritten: Bool) {
        store.endRewrite(job, isWritten: isWritten)
        (isDirty, isRenamed) = (true, true)
    }

    mutating func takeFailure() -> LogError? {
        defer { lastFailure = nil }
        return lastFailure
    }

    /// Removes an empty group with its positions.
    mutating func delete(_ name: String) -> ErrorCode {
        guard let group = groups[name] else { return .groupIDNotFound }
        guard group.phase == .empty else { return .nonEmptyGroup }
        guard write({ store throws(LogError) in try store.forget(group: name) }) else { return .kafkaStorageError }
        groups[name] = nil
        return .none
    }

    /// Removes positions in partitions of topics that are gone.
    mutating func forget(topics: Set<String>) {
        for (name, positions) in store.offsets {
            let gone = positions.keys.filter { topics.contains($0.topic) }
            if !gone.isEmpty { write { store throws(LogError) in try store.forget(name, gone) } }
        }
    }

    /// Removes what groups left that have been empty for long, by both clocks: a wall clock that is set forward forgets
    /// nothing. The names of groups that are gone.
    mutating func forgetOld(nowMillis: Int64, wallMillis: Int64, retentionMillis: Int64) -> [String] {
        var gone: [String] = []
        for (name, group) in groups where group.phase == .empty && group.pending.isEmpty {
            let positions = store.offsets[name] ?? [:]
            let patience = positions.isEmpty ? min(retentionMillis, Self.idleGroupMillis) : retentionMillis
            guard nowMillis - group.emptySinceMillis > patience else { continue }
            let old = positions.filter { wallMillis &- $0.value.committedMillis > retentionMillis }.map(\.key)
            if old.count == positions.count {
                if delete(name) == .none { gone.append(name) }
            } else if !old.isEmpty {
                write { store throws(LogError) in try store.forget(name, old) }
            }
        }
        return gone
    }
}
