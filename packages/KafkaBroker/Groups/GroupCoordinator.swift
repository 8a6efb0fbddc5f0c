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

    private(set) var store: OffsetStore
    let initialDelayMillis: Int64
    private(set) var groups: [String: GroupState] = [:]
    private var parked: [UInt64: Parked] = [:]
    private var nextToken: UInt64 = 1
    private var isDirty = false
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
    mutating func takeDirtyFile() -> LogFile? {
        guard isDirty else { return nil }
        isDirty = false
        return store.currentFile
    }

    mutating func park(_ request: Parked) -> UInt64 {
        defer { nextToken += 1 }
        parked[nextToken] = request
        return nextToken
    }

    /// Lets `change` act on a group, made if need be, and carries out what follows. Answers go out after the state is
    /// settled, so that what they set off meets a consistent group.
    mutating func change(
        _ name: String, creating: Bool, nowMillis: Int64, _ change: (inout GroupState) -> [GroupState.Action]
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
                            generation: group.generation, protocolType: group.protocolType, changedMillis: nowMillis))
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
            try store.rewriteIfWorthwhile()
        } catch {
            lastFailure = error
            return false
        }
        isDirty = true
        return true
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

    /// Removes positions in partitions of a topic that is gone.
    mutating func forget(topic: String) {
        for (name, positions) in store.offsets {
            let gone = positions.keys.filter { $0.topic == topic }
            if !gone.isEmpty { write { store throws(LogError) in try store.forget(name, gone) } }
        }
    }

    /// Removes what groups left that have been empty for long.
    mutating func forgetOld(nowMillis: Int64, retentionMillis: Int64) {
        for (name, group) in groups where group.phase == .empty && group.pending.isEmpty {
            let positions = store.offsets[name] ?? [:]
            let patience = positions.isEmpty ? min(retentionMillis, Self.idleGroupMillis) : retentionMillis
            guard nowMillis - group.emptySinceMillis > patience else { continue }
            let old = positions.filter { nowMillis - $0.value.committedMillis > retentionMillis }.map(\.key)
            if old.count == positions.count {
                _ = delete(name)
            } else if !old.isEmpty {
                write { store throws(LogError) in try store.forget(name, old) }
            }
        }
    }
}
