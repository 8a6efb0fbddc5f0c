import FeatureEngine
import TerminalUI

/// A line of the help: the key, what it does, and whether Enter on it presses the key.
struct HelpLine {
    let keys: String, text: String
    let runs: Key?

    init(_ keys: String, _ text: String, _ runs: Key? = nil) { (self.keys, self.text, self.runs) = (keys, text, runs) }

    static let all: [HelpLine] =
        ScreenName.allCases.map {
            HelpLine("\($0.digit)", "the screen \($0.rawValue)", .character(Character("\($0.digit)")))
        } + [
            HelpLine("← → h l", "the screen before, the screen after"),
            HelpLine("Tab", "the next table of the screen", .tab),
            HelpLine("↑ ↓ k j", "choose a row"), HelpLine("PgUp PgDn g G", "by ten, to the first, to the last"),
            HelpLine("Enter", "open what is chosen", .enter),
            HelpLine("Esc", "back: from here, from the filter, from a pause, to the first row"),
            HelpLine("q", "back; on the first screen: leave", .character("q")),
            HelpLine("/", "filter: word  column:word  column>1  !word  /regex/", .character("/")),
            HelpLine("n N", "the next row, the row before", .character("n")),
            HelpLine("s S", "sort by the next column; the other way round", .character("s")),
            HelpLine(":", "go to a transaction by its id; on entity: to a key", .character(":")),
            HelpLine("@", "on entity: as of a moment instead of now", .character("@")),
            HelpLine("p, Space", "freeze the stream; what comes waits and is counted", .character("p")),
            HelpLine("w", "plots over 5 min, 1 h, 24 h", .character("w")),
            HelpLine("F L", "in a case: it is a fraud; it is legitimate"),
            HelpLine("c a z u", "in a case: note, claim, snooze, undo"),
            HelpLine("e", "in a case: its entity", .character("e")),
            HelpLine("y", "copy the chosen row's id", .character("y")),
            HelpLine("t", "the next colour theme", .character("t")),
            HelpLine("m", "the mouse on or off", .character("m")),
            HelpLine("Ctrl-C", "leave"), HelpLine("Ctrl-Z", "stop; fg brings it back"),
            HelpLine("shares", "of the last minutes; what is older is labelled \"since start\""),
            HelpLine("lag", "records not yet stored, by partition"),
            HelpLine("! red", "an alert in the upper half between threshold and 1"),
            HelpLine("~ yellow", "scored without all of its features"),
        ]
}

func press(_ key: Key, _ model: inout DashboardModel) {
    switch key {
    case .control("c"): model.isDone = true
    case .pasted(let text):
        model.prompt?.add(text)
        return
    case .background(let isLight):
        if !model.hasChosenTheme { model.themeIndex = isLight ? 1 : 0 }
        return
    default: break
    }
    if model.prompt != nil { return edit(key, &model) }
    model.remark = ""
    if model.showsHelp { return pressInHelp(key, &model) }
    if moves(key, &model) || judges(key, &model) { return }
    switch key {
    case .character("q"): if model.trail.isEmpty { model.isDone = true } else { back(&model) }
    case .escape: escape(&model)
    case .character("?"): (model.showsHelp, model.states[.help]) = (true, nil)
    case .character(let digit) where ("1"..."7").contains(digit):
        open(.screen(ScreenName.allCases[(digit.wholeNumberValue ?? 1) - 1]), &model)
    case .left, .character("h"): turn(-1, &model)
    case .right, .character("l"): turn(1, &model)
    case .tab: model.focus = (model.focus + 1) % model.tables.count
    case .enter: enter(&model)
    case .character("/"): model.prompt = Prompt(.filter, model.state(model.focused.id).filter?.text ?? "")
    case .character(":"): model.prompt = Prompt(.go)
    case .character("@"): if model.place == .screen(.entity) { model.prompt = Prompt(.moment) }
    case .character("s"): sort(&model)
    case .character("S"): model.change { $0.isDescending.toggle() }
    case .character("p"), .character(" "): togglePause(&model)
    case .character("w"): model.plotWindow = model.plotWindow.next
    case .character("t"): nextTheme(&model)
    case .character("m"):
        model.usesMouse.toggle()
        model.remark = "the mouse is \(model.usesMouse ? "on: the wheel chooses rows" : "off")"
    case .character("y"): copy(&model)
    case .character("e"): openEntity(&model)
    default: break
    }
}

private func pressInHelp(_ key: Key, _ model: inout DashboardModel) {
    if moves(key, &model) { return }
    let table = model.helpTable
    let place = model.state(.help).place(in: table.rows)
    model.showsHelp = false
    guard key == .enter, HelpLine.all.indices.contains(place), let runs = HelpLine.all[place].runs else { return }
    press(runs, &model)
}

/// Whether the key chooses a row.
private func moves(_ key: Key, _ model: inout DashboardModel) -> Bool {
    let step: Int
    switch key {
    case .up, .character("k"), .character("N"): step = -1
    case .down, .character("j"), .character("n"): step = 1
    case .pageUp: step = -10
    case .pageDown: step = 10
    case .home, .character("g"): step = .min
    case .end, .character("G"): step = .max
    default: return false
    }
    // The rows are made for a key that needs them only.
    let table = model.focused
    var state = model.state(table.id)
    let rows = table.shown(state)
    let place = state.place(in: rows)
    let wanted = step == .min ? 0 : step == .max ? rows.count - 1 : place + step
    if table.id == .cases, wanted >= rows.count - 1, model.caseLimit < 1_000, rows.count >= model.caseLimit / 2 {
        model.caseLimit += 200  // The next page of cases, oldest last.
    }
    guard !rows.isEmpty else { return true }
    state.choose(wanted, in: rows)
    model.states[table.id] = state
    return true
}

/// Esc goes back from where one is, and from a first screen nowhere: only q leaves.
private func escape(_ model: inout DashboardModel) {
    let id = model.focused.id
    if model.state(id).filter != nil {
        model.change { $0.filter = nil }
    } else if model.isPaused {
        togglePause(&model)
    } else if !model.trail.isEmpty {
        back(&model)
    } else {
        model.change { ($0.selected, $0.index) = (nil, 0) }
    }
}

func back(_ model: inout DashboardModel) {
    guard let place = model.trail.popLast() else { return }
    model.place = place
    model.focus = 0
    model.forgetFile()
}

private func open(_ place: Place, _ model: inout DashboardModel) {
    guard place != model.place else { return }
    // A screen opened by its digit is a first one; a case goes back to where it was opened.
    if case .file = place {
        if model.trail.count > 30 { model.trail.removeFirst() }
        model.trail.append(model.place)
    } else {
        model.trail = []
    }
    model.place = place
    model.focus = 0
    model.forgetFile()
}

private func turn(_ by: Int, _ model: inout DashboardModel) {
    guard case .screen(let name) = model.place else { return }
    let all = ScreenName.allCases
    open(.screen(all[(name.digit - 1 + by + all.count) % all.count]), &model)
}

private func enter(_ model: inout DashboardModel) {
    let table = model.focused
    switch table.id {
    case .newest, .stream, .cases, .history, .entityHistory:
        guard let id = model.chosenID else { return }
        open(.file(.prediction(id.description)), &model)
    default: break
    }
}

private func openEntity(_ model: inout DashboardModel) {
    guard let file = model.caseFile else { return }
    model.entityKey = file.entityKey.description
    model.entityMillis = nil
    let trail = model.trail + [model.place]
    open(.screen(.entity), &model)
    model.trail = trail
}

private func copy(_ model: inout DashboardModel) {
    let table = model.focused
    let rows = table.shown(model.state(table.id))
    guard !rows.isEmpty else { return }
    model.copied = String(rows[model.state(table.id).place(in: rows)].id.description.unicodeScalars.prefix(300))
    model.remark = "copied"
}

private func sort(_ model: inout DashboardModel) {
    let table = model.focused
    let next = (model.state(table.id).sort.map { $0 + 1 } ?? 0)
    model.change { state in
        state.sort = next < table.columns.count ? next : nil
        state.isDescending = true
    }
    model.remark =
        next < table.columns.count ? "by \(cleaned(table.columns[next].name)), S turns it round" : "as it comes"
}

private func nextTheme(_ model: inout DashboardModel) {
    model.choose(theme: (model.themeIndex + 1) % Theme.all.count)
    model.remark = "theme \(Theme.all[model.themeIndex].name)"
}

private func togglePause(_ model: inout DashboardModel) {
    model.isPaused.toggle()
    guard !model.isPaused else { return }
    show(model.waiting, &model)
    model.waiting = []
    model.waitingBeyond = 0
}

private func edit(_ key: Key, _ model: inout DashboardModel) {
    guard var prompt = model.prompt else { return }
    switch key {
    case .escape: model.prompt = nil
    case .backspace:
        if prompt.text.isEmpty {
            model.prompt = nil
        } else {
            prompt.text.removeLast()
            model.prompt = prompt
        }
    case .control("u"): model.prompt?.text = ""
    case .character(let character): model.prompt?.add(String(character))
    case .enter:
        model.prompt = nil
        submit(prompt, &model)
    default: break
    }
}

private func submit(_ prompt: Prompt, _ model: inout DashboardModel) {
    let text = prompt.text
    switch prompt.purpose {
    case .filter:
        let filter = Filter(text)
        if let problem = filter?.problem { model.remark = problem } else { model.change { $0.filter = filter } }
    case .go:
        guard !text.isEmpty else { return }
        if model.place == .screen(.entity) {
            (model.entityKey, model.entityMillis) = (text, nil)
            model.answers[.entity] = nil
        } else {
            open(.file(.transaction(text)), &model)
        }
    case .moment: look(at: text, &model)
    case .note: if !text.isEmpty { model.order(.note(text)) }
    }
}

/// Looks at the entity as of a moment, or of now again. What was known is of another moment.
private func look(at text: String, _ model: inout DashboardModel) {
    let bytes = Array(text.utf8)
    let millis = [EventTimeFormat.iso8601, .unixMillis].lazy.compactMap { $0.millis(bytes.span) }.first
    guard millis != nil || text.isEmpty else {
        model.remark = "that is no moment: write 2026-01-31 23:59:59, or milliseconds since 1970"
        return
    }
    model.entityMillis = millis
    model.answers[.entity] = nil
}

/// Whether the key is one of a case.
private func judges(_ key: Key, _ model: inout DashboardModel) -> Bool {
    guard case .file = model.place else { return false }
    switch key {
    case .character("F"): model.order(.fraud)
    case .character("L"): model.order(.legitimate)
    case .character("a"): model.order(.claim)
    case .character("z"): model.order(.snooze)
    case .character("u"): model.undo()
    case .character("c"):
        if let refusal = model.rights.refusal { model.remark = refusal } else { model.prompt = Prompt(.note) }
    default: return false
    }
    return true
}

extension DashboardModel {
    /// The chosen row's id; nil in an empty table.
    var chosenID: ByteString? {
        let table = focused
        let rows = table.shown(state(table.id))
        return rows.isEmpty ? nil : rows[state(table.id).place(in: rows)].id
    }

    /// The open case, once it is there.
    var caseFile: CaseFile? {
        guard case .file(let key) = place, let known = answers[.file], known.question == .file(key),
            case .file(let file) = known.answer
        else { return nil }
        return file
    }

    mutating func change(_ body: (inout TableState) -> Void) {
        let id = focused.id
        var state = state(id)
        body(&state)
        states[id] = state
    }

    /// Another case opens: nothing of the one before may look like its own.
    mutating func forgetFile() {
        for id in [TableID.transaction, .reasons, .history, .journal] { states[id] = nil }
    }

    /// Takes back what the user did to the open case. Where that is nothing it is the verdict before, which opened this case.
    mutating func undo() {
        let state = caseFile?.row.state
        let isOurs = state.map { $0.status != .open && $0.owner.utf8.elementsEqual(rights.reviewer.utf8) } ?? false
        guard rights.refusal == nil, !isOurs, let lastJudged else { return order(.undo) }
        orders.append(Order(.undo, predictionID: lastJudged, newestEventMillis: newestEventMillis))
        self.lastJudged = nil
    }

    mutating func order(_ action: Order.Action) {
        if let refusal = rights.refusal {
            remark = refusal
            return
        }
        guard let file = caseFile else {
            remark = "the case is not there yet"
            return
        }
        orders.append(
            Order(action, predictionID: file.row.prediction.predictionID, newestEventMillis: newestEventMillis))
    }
}
