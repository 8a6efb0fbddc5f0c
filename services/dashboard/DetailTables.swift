import FeatureEngine
import TerminalUI

/// The tables of a case, an entity and the help.
extension DashboardModel {
    package var fileTables: [Table] {
        let file = caseFile
        var isKnown = false
        if case .file(let key) = place, answers[.file]?.question == .file(key) { isKnown = true }
        let missing =
            failures[.file].map { "not known: \($0)" } ?? (isKnown ? "not in the tables, or not yet" : "asking …")
        let fields = (file?.fields ?? []).map { TableRow(ByteString($0.name), [$0.name, $0.text]) }
        let transaction = Table(
            .transaction, "transaction", [TableColumn("field", 20, least: 12), TableColumn("value", 10, grows: true)],
            fields,
            remark: missing, isStale: isStale(.file))
        let largest = file?.contributions.first?.effect.magnitude ?? 0
        let reasons = Table(
            .reasons, "why this score",
            [
                TableColumn("feature", 12, grows: true), TableColumn("value", 12, right: true),
                TableColumn("effect", 6, right: true), TableColumn("", 10, rank: 2),
                TableColumn("in words", 14, rank: 1),
            ],
            (file?.contributions ?? []).map { Self.reason($0, largest: largest) },
            remark: file?.reasonsRemark ?? missing, isStale: isStale(.file))
        let this = file?.row.prediction.predictionID
        let history = historyTable(
            .history, "the same \(columns.keyCaption), newest first", file?.history ?? [], of: this, .file)
        let journal = Table(
            .journal, "journal and notes",
            [
                TableColumn.time("time"), TableColumn("what", 10), TableColumn("who", 12, least: 8),
                TableColumn("note", 8, grows: true),
            ],
            (file?.journal ?? []).map {
                TableRow(
                    ByteString("\($0.id)"), [clock($0.timeMillis), $0.action, $0.reviewer, columns.shown($0.note)])
            }, remark: file == nil ? missing : "nobody has done anything yet", isStale: isStale(.file))
        return [transaction, reasons, history, journal]
    }

    private static func reason(_ contribution: Contribution, largest: Double) -> TableRow {
        let effect = contribution.effect
        let share = largest > 0 ? effect.magnitude / largest : 0
        let strength = share > 0.6 ? "much " : share > 0.2 ? "" : share > 0.02 ? "a little " : "hardly "
        let words = share == 0 ? "nothing" : "\(strength)\(effect > 0 ? "more" : "less") likely"
        return TableRow(
            ByteString(contribution.feature),
            [
                contribution.feature, contribution.value, (effect > 0 ? "+" : "") + decimal(effect, 2), bar(share, 10),
                words,
            ], numbers: [2: effect, 3: share], style: share < 0.02 ? label : effect > 0 ? Style(.red) : Style(.green))
    }

    package var entityTables: [Table] {
        var file: EntityFile?
        if let known = answers[.entity], case .entity(let entity) = known.answer { file = entity }
        let empty = entityKey.isEmpty ? "type : and a key, or e in a case" : remark(.entity, "no view is kept")
        let differing = (file?.features ?? []).filter(\.isDifferent).count
        let stored = file?.storedMillis.map { clock($0) } ?? "no stored row"
        var title = "features of \(file?.key ?? "…")"
        if let file {
            let isSame = file.canCompare ? ", online = offline" : ", the row is older than what is kept online"
            title += differing > 0 ? ", \(differing) differ" : file.storedMillis == nil ? "" : isSame
        }
        let features = Table(
            .features, title,
            [
                TableColumn("feature", 16, grows: true),
                TableColumn(file?.isPast == true ? "then" : "now", 14, right: true),
                TableColumn("online", 14, right: true), TableColumn("offline", 14, right: true),
                TableColumn("", 1),
            ],
            (file?.features ?? []).map { pair in
                TableRow(
                    ByteString("\(pair.view).\(pair.name)"),
                    [
                        pair.name, pair.now ?? "missing", pair.online ?? "missing", pair.offline ?? "missing",
                        pair.isDifferent ? "≠" : "",
                    ], style: pair.isDifferent ? Style(.yellow, bold: true) : .plain)
            }, remark: empty, isStale: isStale(.entity))
        let history = historyTable(
            .entityHistory, "answers; offline row of \(stored)", file?.history ?? [], of: nil, .entity)
        return [features, history]
    }

    var helpTable: Table {
        Table(
            .help, "keys and figures: Enter on a line presses its key, any other key goes back",
            [TableColumn("key", 13), TableColumn("what it does", 20, grows: true)],
            HelpLine.all.enumerated().map { TableRow(ByteString("\($0)"), [$1.keys, $1.text]) })
    }
}
