import PostgresOfflineStore

/// Which of a project's rollouts is brought back.
enum RollbackChoice {
    /// A rollout as the choice sees it.
    struct Row {
        /// Its set of definitions; larger is later.
        let set: Int64
        /// Whether models are noted with it: they are at its end.
        let hasChampions: Bool
    }

    /// The place of what is brought back among `rows`, newest first; nil when there is nothing before the last one.
    ///
    /// A taking back that was cut off left a row of the older set without champions, one for each time it began. The same
    /// command goes on with it then, instead of taking the taking back back. A project without models never has champions:
    /// its taking back is done again, which changes nothing.
    static func place(in rows: [Row]) -> Int? {
        guard let last = rows.first, let other = rows.firstIndex(where: { $0.set != last.set }) else { return nil }
        guard !last.hasChampions, last.set < rows[other].set else { return other }
        // How it ended when it last served says which models come back.
        let ended = rows.firstIndex { $0.set == last.set && $0.hasChampions }
        return ended ?? rows.lastIndex { $0.set == last.set }
    }

    /// The rollout that is brought back, of those of a project, newest first.
    static func before(_ rollouts: [DefinitionRollout]) -> DefinitionRollout? {
        place(in: rollouts.map { Row(set: $0.setID, hasChampions: !$0.champions.isEmpty) }).map { rollouts[$0] }
    }
}
