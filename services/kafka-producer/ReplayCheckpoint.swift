internal import Foundation
internal import ServiceRuntime

/// The state file: says when a state is due, holds it until everything before it is settled, then writes it.
struct ReplayCheckpoint {
    private let path: String?
    private var pending: (state: ReplayState, token: UInt64)?
    private var saved: ReplayState?
    private var savedBytes = 0
    private var savedNanos: UInt64 = 0
    private var readAtSave = 0

    init(_ path: String?) { self.path = path }

    /// The state an earlier run left, or nil. A file that is none, or of another input, ends the run.
    mutating func load(_ options: ReplayOptions, fingerprint: String) throws(CommandError) -> ReplayState? {
        guard let path else { return nil }
        do throws(ReplayState.Unreadable) { saved = try ReplayState.load(path) } catch {
            throw CommandError(.configuration, "\(path) is no readable state: \(error).")
        }
        guard let saved else { return nil }
        guard saved.input == fingerprint else {
            throw CommandError(
                .configuration,
                "\(path) is the state of another input than \(options.input): remove it or name another.")
        }
        return saved
    }

    /// Whether another state is to be noted: of another place, at most once a second, and no more bytes than the events since then
    /// had; after half a minute anyway. A slow replay with many waiting labels would wear the disk out otherwise.
    func isDue(pass: Int, nextRow: Int64, nowNanos: UInt64, read: Int) -> Bool {
        guard path != nil, pending == nil, nowNanos >= savedNanos + 1_000_000_000,
            saved?.pass != pass || saved?.nextRow != nextRow
        else { return false }
        return (read - readAtSave) * 500 >= savedBytes || nowNanos >= savedNanos + 30_000_000_000
    }

    /// Holds a state until every record before `token` is settled.
    mutating func note(_ state: ReplayState, before token: UInt64) {
        if path != nil { pending = (state, token) }
    }

    /// Writes the state that is held once it may be. `keeping` says which of its labels still wait for their time.
    mutating func save(
        firstUnsettled: UInt64, nowNanos: UInt64, read: Int, keeping: ([PendingLabel]) -> [PendingLabel]
    ) throws(CommandError) {
        guard let path, let held = pending, firstUnsettled >= held.token else { return }
        var state = held.state
        pending = nil
        state.labels = keeping(state.labels)
        do { savedBytes = try state.save(path) } catch {
            throw CommandError(.inputOutput, "the state cannot be written to \(path): \(error.localizedDescription).")
        }
        saved = state
        savedNanos = nowNanos
        readAtSave = read
    }
}
