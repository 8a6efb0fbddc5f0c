import Synchronization
import Text

/// Shows how far a long step is: a bar on a terminal; elsewhere plain lines, the first after a few seconds and then ever rarer,
/// up to one every five minutes, so that a service's log does not fill with them. Where the log is JSON they are log lines.
public final class ProgressReport: Sendable {
    private struct State {
        var done = 0
        var total: Int?
        var note = ""
        var startNanos: UInt64 = 0
        var shownNanos: UInt64 = 0
        var isFinished = false
        var lineEveryNanos: UInt64 = 0
    }
    private let title: String
    private let console: Console
    private let log: Log?
    private let state: Mutex<State>

    /// Starts a report. Without a `total` it counts only. Where `log` writes JSON the lines are lines of that log, so that its
    /// file holds nothing but JSON.
    public init(
        _ title: String, total: Int? = nil, console: Console = .standardError, log: Log? = nil,
        lineEverySeconds: Int = 5
    ) {
        self.log = log?.isJSON == true && !console.isTerminal ? log : nil
        self.title = TerminalText.visible(title)
        self.console = console
        let now = WallClock.monotonicNanos()
        state = Mutex(
            State(
                total: total, startNanos: now, shownNanos: console.isTerminal ? 0 : now,
                lineEveryNanos: UInt64(lineEverySeconds) * 1_000_000_000))
    }

    /// Says that `count` more are done. Cheap enough for every batch, not for every event.
    public func advance(by count: Int = 1, note: String? = nil) { change(note) { $0 &+ count } }

    /// Says that `count` are done in all.
    public func update(to count: Int, total: Int? = nil, note: String? = nil) {
        change(note, total: total) { _ in count }
    }

    /// Shows the last figures and ends the report. A second call does nothing.
    public func finish(note: String? = nil) {
        state.withLock { state in
            guard !state.isFinished else { return }
            state.isFinished = true
            if let note { state.note = TerminalText.visible(note) }
            if console.isTerminal {
                console.keepBar(Self.text(title, state.done, state.total, state.note, seconds: seconds(state)))
            } else {
                writeLine(state)
            }
        }
    }

    private func change(_ note: String?, total: Int? = nil, _ next: (Int) -> Int) {
        state.withLock { state in
            state.done = next(state.done)
            if let total { state.total = total }
            if let note { state.note = TerminalText.visible(note) }
            let now = WallClock.monotonicNanos()
            guard !state.isFinished, now - state.shownNanos >= (console.isTerminal ? 100_000_000 : state.lineEveryNanos)
            else { return }
            state.shownNanos = now
            if console.isTerminal {
                console.drawBar(
                    Self.bar(
                        title, state.done, state.total, state.note, seconds: seconds(state), columns: console.columns,
                        colour: console.usesColour))
            } else {
                state.lineEveryNanos = min(300_000_000_000, state.lineEveryNanos * 5 / 4)
                writeLine(state)
            }
        }
    }

    private func writeLine(_ state: borrowing State) {
        let seconds = seconds(state)
        guard let log else {
            return console.writeLine(Self.text(title, state.done, state.total, state.note, seconds: seconds))
        }
        var fields: [String: any LogValue] = [
            "title": title, "done": state.done, "seconds": (seconds * 10).rounded() / 10,
        ]
        if let total = state.total { fields["total"] = total }
        if !state.note.isEmpty { fields["note"] = state.note }
        log.writeAlways(.info, "progress", fields)
    }

    private func seconds(_ state: borrowing State) -> Double {
        Double(WallClock.monotonicNanos() - state.startNanos) / 1e9
    }

    /// `sending: 700,000 of 1,000,000 (70 %), 251,000/s, lag 12`.
    package static func text(_ title: String, _ done: Int, _ total: Int?, _ note: String, seconds: Double) -> String {
        var text = "\(title): \(Padding.grouped(done))"
        if let total { text += " of \(Padding.grouped(total)) (\(percent(done, total)) %)" }
        if seconds > 0.001, done > 0 { text += ", \(Padding.grouped(whole(Double(done) / seconds)))/s" }
        if !note.isEmpty { text += ", \(note)" }
        return text
    }

    /// The bar, cut to the terminal's width.
    package static func bar(
        _ title: String, _ done: Int, _ total: Int?, _ note: String, seconds: Double, columns: Int, colour: Bool
    ) -> String {
        let rate = seconds > 0.001 ? "  \(Padding.grouped(whole(Double(done) / seconds)))/s" : ""
        guard let total else {
            return String("\(title)  \(Padding.grouped(done))\(rate)  \(note)".prefix(max(0, columns - 1)))
        }
        var tail = "  \(percent(done, total)) %  \(Padding.grouped(done)) of \(Padding.grouped(total))\(rate)"
        if done > 0, done < total, seconds > 1 {
            tail += "  \(whole(seconds / Double(done) * (Double(total) - Double(done))))s left"
        }
        if !note.isEmpty { tail += "  \(note)" }
        let width = min(30, columns - title.count - tail.count - 3)
        guard width >= 5 else { return String("\(title)\(tail)".prefix(max(0, columns - 1))) }
        let filled = min(width, max(0, total > 0 ? whole(Double(done) / Double(total) * Double(width)) : width))
        let full = String(repeating: "█", count: filled)
        let empty = String(repeating: "░", count: width - filled)
        return "\(title)  " + (colour ? "\u{1B}[36m\(full)\u{1B}[0m" : full) + empty + tail
    }

    private static func percent(_ done: Int, _ total: Int) -> Int {
        total > 0 ? whole(Double(done) / Double(total) * 100) : 100
    }

    /// Counts may be offsets of somebody's log, so any number at all: the figure stays within what an integer holds.
    private static func whole(_ value: Double) -> Int { Int(min(9e18, max(-9e18, value))) }
}
