package import TerminalUI

/// Everything the dashboard shows.
package struct DashboardModel: Sendable {
    /// How many samples of each rate, and how many alerts, are kept.
    package static let keptSamples = 240, keptAlerts = 200

    package let project: String
    package let columns: AlertColumns
    package internal(set) var newest: Observation?
    package internal(set) var window = CounterWindow()
    /// Events a second between two rounds, oldest first; NaN where not known.
    package internal(set) var rates: [Counter: [Double]] = [:]
    /// What the registry said last, and when (ms UTC): shown with its age while Postgres does not answer.
    package internal(set) var lastChampion: (champion: Champion, timeMillis: Int64)?
    /// Alerts, newest first.
    package internal(set) var alerts: [Alert] = []
    /// Alerts that came while the user froze them, newest first.
    package internal(set) var waiting: [Alert] = []
    /// Alerts that were dropped from `waiting`, beyond `keptAlerts`.
    package internal(set) var waitingBeyond = 0
    /// The selected alert's row.
    package internal(set) var selected = 0
    package internal(set) var isPaused = false
    package internal(set) var showsHelp = false
    /// Whether the user asked to leave.
    package internal(set) var isDone = false

    /// A dashboard that has seen nothing yet.
    package init(project: String, columns: AlertColumns) {
        self.project = project
        self.columns = columns
    }
}

/// What can happen to the dashboard.
package enum DashboardEvent: Sendable {
    case key(Key)
    /// A round of asking came back.
    case observed(Observation)
}

/// Applies an event.
package func update(_ model: inout DashboardModel, _ event: DashboardEvent) {
    switch event {
    case .key(let key): press(key, &model)
    case .observed(let observation): observe(observation, &model)
    }
}

/// Esc goes back from where one is, and from the first screen nowhere: only q leaves.
private func press(_ key: Key, _ model: inout DashboardModel) {
    if model.showsHelp {
        model.showsHelp = false
        return
    }
    switch key {
    case .character("q"): model.isDone = true
    case .character("?"), .character("h"): model.showsHelp = true
    case .character("p"), .character(" "): togglePause(&model)
    case .escape: if model.isPaused { togglePause(&model) } else { model.selected = 0 }
    case .up, .character("k"): model.selected -= 1
    case .down, .character("j"): model.selected += 1
    case .pageUp: model.selected -= 10
    case .pageDown: model.selected += 10
    case .home, .character("g"): model.selected = 0
    case .end, .character("G"): model.selected = model.alerts.count - 1
    default: break
    }
    model.selected = max(0, min(model.selected, model.alerts.count - 1))
}

private func togglePause(_ model: inout DashboardModel) {
    model.isPaused.toggle()
    guard !model.isPaused else { return }
    show(model.waiting, &model)
    model.waiting = []
    model.waitingBeyond = 0
}

private func observe(_ observation: Observation, _ model: inout DashboardModel) {
    model.window.add(observation)
    for counter in [Counter.produced, .transformed, .predictions] {
        var rates = model.rates[counter] ?? []
        rates.append(model.window.newestRate(of: counter) ?? .nan)
        if rates.count > DashboardModel.keptSamples { rates.removeFirst(rates.count - DashboardModel.keptSamples) }
        model.rates[counter] = rates
    }
    switch observation.champion {
    case .value(let champion): model.lastChampion = (champion, observation.timeMillis)
    case .none: model.lastChampion = nil
    case .unknown: break
    }
    model.newest = observation
    model.newest?.alerts = []
    let new = Array(observation.alerts.reversed())
    guard model.isPaused else { return show(new, &model) }
    let waiting = new + model.waiting
    model.waiting = Array(waiting.prefix(DashboardModel.keptAlerts))
    model.waitingBeyond += waiting.count - model.waiting.count
}

/// Puts alerts on top, newest first. The row that the user chose goes down with its alert.
private func show(_ new: [Alert], _ model: inout DashboardModel) {
    model.alerts = Array((new + model.alerts).prefix(DashboardModel.keptAlerts))
    if model.selected > 0 { model.selected = max(0, min(model.selected + new.count, model.alerts.count - 1)) }
}
