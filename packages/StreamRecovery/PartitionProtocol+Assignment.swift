/// From the claim to the first record: who owns the partition, what is stored of it, what is online, and where the log goes on.
extension PartitionProtocol {
    // MARK: Claim

    mutating func claimed(_ event: Event) -> Step {
        switch (phase, event) {
        case (.claiming, .claimed(let claim, let count)):
            self.claim = claim
            flushed = claim.next
            guard claim.partitionCount == 0 || claim.partitionCount == count else {
                return stop(.partitionCount(stored: claim.partitionCount, found: count))
            }
            return claim.partitionCount == 0 ? go(.notingCount, .noteCount(count)) : loadIDs()
        case (.notingCount, .done): return loadIDs()
        case (.loadingIDs, .counted(let rows, let letters, let removed)):
            claim.removed = removed
            let sum = [rows, letters, claim.duplicates, claim.gaps, removed].reduce(Int64(0)) {
                $0.addingSaturating($1)
            }
            guard sum == claim.next else { return stop(.totals(rows: rows, letters: letters, claim)) }
            filter = (claim.epoch, claim.next, nil)
            return republish()
        case (.republishing, .done): return go(.notingPublished, .notePublished(claim.next))
        case (.notingPublished, .done):
            claim.published = claim.next
            return restore()
        default: return unexpected(event)
        }
    }

    /// A filter that was right stays right while nobody else claims: it has what this owner stored, and what it tried to. N must
    /// be where this owner left it, or where its last commit would bring it: otherwise Postgres was set back or forth.
    mutating func loadIDs() -> Step {
        if let filter, !rules.contains(.followsEpochs) || filter.epoch + 1 == claim.epoch,
            claim.next == filter.next || claim.next == filter.unanswered
        {
            self.filter = (claim.epoch, claim.next, nil)
            return republish()
        }
        filter = nil
        return go(.loadingIDs, .loadIDs)
    }

    mutating func republish() -> Step {
        guard claim.published < claim.next else { return restore() }
        guard rules.contains(.republishes) else { return go(.notingPublished, .notePublished(claim.next)) }
        return go(.republishing, .republish(claim.published..<claim.next))
    }

    // MARK: The online state

    mutating func restore() -> Step { isOnline ? go(.readingMark, .readMark) : inspect() }

    mutating func restored(_ event: Event) -> Step {
        switch (phase, event) {
        case (.readingMark, .mark(let stored)): return plan(stored)
        case (.beginningGeneration, .done):
            claim.generation = mark.generation
            return go(.planting, .plant(mark))
        case (.planting, .done): return replay()
        case (.replaying, .replayed(let stored, let next)):
            if stored != mark { return retreat(.overtaken) }
            precondition(next > mark.next, "a replay goes on")
            let isLast = !isRebuild || next >= claim.next || !rules.contains(.plantsTarget)
            return write(OnlineMark(generation: mark.generation, next: next, target: isLast ? next : claim.next))
        case (.writingReplay(let to), .done):
            mark = to
            return replay()
        default: return unexpected(event)
        }
    }

    mutating func write(_ to: OnlineMark) -> Step { go(.writingReplay(to), .writeOnline(from: mark, to: to)) }

    /// Goes on from the watermark where Postgres has every event that the blobs may lack; otherwise begins anew.
    mutating func plan(_ stored: OnlineMark?) -> Step {
        let isKnownBad = rebuildAbove.map { $0 >= claim.generation } ?? false
        if let stored, !isKnownBad, claim.generation > 0, stored.generation == claim.generation,
            (0...claim.next).contains(stored.next)
        {
            mark = stored
            isRebuild = !stored.isWhole
            return replay()
        }
        var above = claim.generation
        if rules.contains(.rebuildsAbove) {
            for seen in [stored?.generation ?? 0, rebuildAbove ?? 0] where seen < OnlineMark.generationLimit {
                above = max(above, seen)
            }
        }
        let target = rules.contains(.plantsTarget) ? claim.next : 0
        mark = OnlineMark(generation: above + 1, next: 0, target: target)
        isRebuild = true
        return go(.beginningGeneration, .beginGeneration(mark.generation))
    }

    mutating func replay() -> Step {
        if mark.next < claim.next { return go(.replaying, .replay(from: mark.next, to: claim.next)) }
        let whole = OnlineMark.whole(mark.generation, claim.next)
        return mark == whole ? inspect() : write(whole)  // A target beyond N is of before Postgres was set back.
    }

    // MARK: The log

    mutating func inspect() -> Step {
        if isDisturbed { refusals = [:] }  // Other records may stand at these positions.
        isDisturbed = false
        return go(.inspecting, .inspectLog)
    }

    mutating func located(_ event: Event) -> Step {
        switch (phase, event) {
        case (.inspecting, .log(let low, let high)):
            common = (low, min(high, claim.next))
            isCommonKnown = false
            switch LogStart.plan(next: claim.next, low: low, high: high, knowsRecordBefore: claim.knowsRecordBefore) {
            case .refuse(let mismatch): return stop(mismatch)
            case .begin(let position, let isBefore):
                comparesNext = isBefore && rules.contains(.comparesRecordBefore)
                return go(.seeking, .seek(position))
            case .shortened(let last):
                return rules.contains(.rebases) ? identify(last) : stop(.otherRecord(position: last))
            }
        case (.identifying(let position), .verdict(let isStored)):
            common = isStored ? (position + 1, common.end) : (common.low, position)
            if isStored { isCommonKnown = true }
            return findCommon()
        case (.rebasing(let base), .done):
            claim.base = base
            comparesNext = rules.contains(.comparesRecordBefore)
            return go(.seeking, .seek(claim.next - 1))
        case (.seeking, .done): return settle()
        case (.comparing, .verdict(let isSame)):
            comparesNext = false
            if isSame { return settle() }
            guard rules.contains(.rebases), common.low < claim.next - 1 else {
                return stop(.otherRecord(position: claim.next - 1))
            }
            common.end = claim.next - 1
            return findCommon()
        default: return unexpected(event)
        }
    }

    mutating func identify(_ position: Int64) -> Step { go(.identifying(position), .identify(position)) }

    /// Looks for the end of what log and tables have in common, by halves. Records before `common.low` are stored, those from
    /// `common.end` on are not: a log that lost its tail took other records in its place. The tables have all that was lost, so
    /// the first new record simply becomes N. A log without a common record is another one.
    mutating func findCommon() -> Step {
        if common.low < common.end { return identify(common.low + (common.end - common.low - 1) / 2) }
        guard isCommonKnown else { return stop(.otherRecord(position: claim.next - 1)) }
        let base = claim.base.addingSaturating(claim.next - common.low)
        return go(.rebasing(base), .rebase(base))
    }

    /// To rest, unless the log was disturbed meanwhile.
    mutating func settle() -> Step { isDisturbed ? inspect() : go(.ready, .wait) }

    mutating func disturb() -> Step {
        guard rules.contains(.comparesRecordBefore) else { return .wait }
        isDisturbed = true
        return phase == .ready ? inspect() : .wait
    }
}
