/// Batches, and what becomes of those that fail.
extension PartitionProtocol {
    // MARK: A batch

    mutating func offered(_ event: Event) -> Step {
        switch (phase, event) {
        case (.ready, .records(let count, let first)):
            if comparesNext { return go(.comparing, .compareRecord) }
            hand = (count, first)
            unreadableTo = nil
            return attempt(isRepeat: false)
        case (.ready, .unreadable(let to)):
            precondition(to > claim.next, "what cannot be read begins at N")
            hand = (1, claim.next)
            unreadableTo = to
            return attempt(isRepeat: false)
        case (.ready, .quiet): return isOnline ? go(.asking, .readMark) : noteFlushed()
        case (.asking, .mark(let stored)): return stored == mark ? noteFlushed() : retreat(.overtaken)
        case (.notingFlushed, .done):
            claim.published = flushed
            return settle()
        default: return unexpected(event)
        }
    }

    /// Nothing else would tell a later owner that the last dead letters are out.
    mutating func noteFlushed() -> Step {
        failures = 0
        return claim.published < flushed ? go(.notingFlushed, .notePublished(flushed)) : settle()
    }

    mutating func attempt(isRepeat: Bool) -> Step {
        let half = max(1, min(suspects, hand.records) / 2)
        var attempt = BatchAttempt(limit: suspects > 0 ? half : hand.records)
        attempt.unreadableTo = unreadableTo
        attempt.isCareful = carefulRecords > 0
        attempt.isRepeat = isRepeat
        attempt.refusals = refusals
        attempted = attempt.limit
        return go(.preparing, .prepare(attempt))
    }

    mutating func batched(_ event: Event) -> Step {
        switch (phase, event) {
        case (.preparing, .prepared(let batch)):
            if isOnline, batch.mark != mark { return retreat(.overtaken) }
            prepared = batch
            filter?.unanswered = batch.to
            return go(.committing, .commit(published: flushed))
        case (.committing, .done): return prepared.outgoing > 0 ? go(.publishing, .publish) : writeBatch()
        case (.publishing, .done): return writeBatch()
        case (.writing, .done):
            mark = OnlineMark.whole(mark.generation, prepared.to)
            return advance()
        default: return unexpected(event)
        }
    }

    mutating func writeBatch() -> Step {
        guard isOnline else { return advance() }
        return go(.writing, .writeOnline(from: mark, to: .whole(mark.generation, prepared.to)))
    }

    mutating func advance() -> Step {
        claim.published = flushed
        flushed = prepared.to
        claim.next = prepared.to
        claim.knowsRecordBefore = unreadableTo == nil
        if unreadableTo != nil { isDisturbed = true }  // The reader stands before what it cannot read.
        filter?.next = prepared.to
        filter?.unanswered = nil
        failures = 0
        carefulRecords = max(0, carefulRecords - prepared.records)
        suspects = max(0, suspects - prepared.records)
        if !refusals.isEmpty { refusals = refusals.filter { $0.key >= prepared.to } }
        repeatedAlone = nil
        return settle()
    }

    // MARK: Failures

    var isInBatch: Bool { phase == .preparing || phase == .committing }

    /// Something of the batch's content was refused. An id that the filter did not know: look every id up. Otherwise try half
    /// of the records, until the one is found: at most two more transactions than the logarithm of their number.
    mutating func refuse(_ isUnique: Bool, _ reason: String) -> Step {
        if isUnique, carefulRecords == 0 {
            carefulRecords = hand.records
        } else if attempted > 1 {
            suspects = attempted
        } else if isUnique, repeatedAlone != hand.first {
            repeatedAlone = hand.first  // Another partition may have stored the id between look-up and commit.
        } else {
            switch refusals[hand.first] {
            case nil: refusals[hand.first] = .whole(reason)
            case .whole where rules.contains(.baresLetters): refusals[hand.first] = .bare(reason)
            case .whole, .bare: return retreat(.refused(isUnique: isUnique, reason: reason))
            }
        }
        failures = 0  // What is learnt is progress.
        return attempt(isRepeat: true)
    }

    mutating func retreat(_ failure: StepFailure) -> Step {
        if case .unusable(let generation) = failure,
            rules.contains(.remembers) || phase == .preparing
        {
            rebuildAbove = max(rebuildAbove ?? 0, generation)
        }
        if phase == .loadingIDs { filter = nil }
        failures = failures == Int.max ? failures : failures + 1
        var closes: Set<StreamServer> = []
        if case .lost(let server) = failure { closes.insert(server) }
        // What a new session would cure is not always known by its error.
        if failures.isMultiple(of: 2), failure != .fenced { closes.formUnion([.postgres, .redis]) }
        phase = .retreating
        return .retreat(
            Retreat(failure: failure, failures: failures, pauseMillis: pause(after: failure), closes: closes))
    }

    /// A fenced owner does not take the partition back at once: whoever has it now would only be fenced in turn. The first pause is
    /// two looks at the group long: one of the two owners knows by then that the partition is not its own.
    func pause(after failure: StepFailure) -> Int64 {
        failure == .fenced
            ? min(30_000, 500 << Int64(min(failures - 1, 6))) : min(2_000, 25 << Int64(min(failures, 7)))
    }
}
