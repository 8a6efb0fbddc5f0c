import FeatureStore
import Foundation
import Observability
import ServiceRuntime
import TerminalUI

/// The dashboard on a terminal: one thread draws and takes keys, one asks every part in rounds, one answers the screen's questions and
/// carries out orders, one sends verdicts. Only values pass between them.
struct LiveSession: Sendable {
    /// How long one who leaves waits for what was ordered, and then for Kafka to take it.
    private static let lastOrdersMillis = 3_000

    private let session: DashboardSession
    private let recording: String?
    private let mailbox = Mailbox()
    private let desk = Desk()

    init(_ session: DashboardSession, recordsTo recording: String?) {
        self.session = session
        self.recording = recording
    }

    func run(_ runtime: ServiceRuntime) async throws {
        let terminal: Terminal
        do {
            terminal = try Terminal(depth: session.depth, glyphs: session.glyphs)
        } catch {
            throw CommandError(.usage, "\(error)")
        }
        defer { terminal.restore() }
        var recorder: Recorder?
        if let recording {
            let made = try Recorder(recording, terminal.size, startMillis: WallClock.nowMillis())
            terminal.onOutput = { made.add($0, nanos: WallClock.monotonicNanos()) }
            recorder = made
        }
        // At the end only orders are waited for: each of these may be in the middle of asking a server that does not answer.
        begin("sampler") { [session, mailbox] in
            while !runtime.isStopping {
                let started = WallClock.monotonicNanos()
                mailbox.put(session.observe())
                let spent = Int((WallClock.monotonicNanos() - started) / 1_000_000)
                usleep(UInt32(max(50, session.refreshMillis - spent) * 1_000))
            }
        }
        begin("worker") { [self] in work(runtime) }
        if !session.worker.isReadOnly { begin("sender") { [self] in sendVerdicts(runtime) } }
        let box = Confined(terminal)
        try await runtime.onThread("terminal") { [self] in draw(box.value) }
        recorder?.close()
        terminal.restore()
        try await runtime.onThread("last orders") { [self] in leave(runtime) }
    }

    private func begin(_ name: String, _ body: @escaping @Sendable () -> Void) {
        let thread = Thread(block: body)
        thread.name = name
        thread.stackSize = 2 << 20
        thread.start()
    }

    /// Orders at once, the question when it changes and every few seconds.
    private func work(_ runtime: ServiceRuntime) {
        let worker = DetailWorker(session.worker) { [desk] in desk.noteVerdict($0) }
        var (answered, nextNanos) = (-1, UInt64(0))
        while !desk.isClosed {
            let (question, version, orders) = desk.take()
            for order in orders {
                mailbox.put(.done(order, worker.carryOut(order)))
                desk.finish()
                nextNanos = 0
            }
            if !runtime.isStopping, let question, version != answered || WallClock.monotonicNanos() >= nextNanos {
                mailbox.put(.answered(question, worker.answer(question), timeMillis: WallClock.nowMillis()))
                mailbox.put(.allowed(worker.askRights()))
                answered = version
                nextNanos = WallClock.monotonicNanos() + UInt64(question.restMillis) * 1_000_000
            }
            usleep(20_000)
        }
    }

    private func makeSender() -> LabelSender {
        let worker = session.worker
        return LabelSender(
            bootstrapServers: worker.kafka, PostgresSession(url: worker.database), sources: worker.repository.sources)
    }

    private func sendVerdicts(_ runtime: ServiceRuntime) {
        let sender = makeSender()
        var retry = Retry()
        while !runtime.isStopping {
            // A role that may only read cannot lock a row either: it is asked again every ten seconds, and refused.
            _ = try? retry.run(nowNanos: WallClock.monotonicNanos) { try sender.send() }
            usleep(1_000_000)
        }
    }

    /// A key that was pressed counts, also when the next one leaves. And a clean end does not let a verdict wait for its time.
    private func leave(_ runtime: ServiceRuntime) {
        let left = desk.close(waitingMillis: Self.lastOrdersMillis)
        for case .done(_, let outcome) in mailbox.take() where !outcome.isDone {
            runtime.log.warning("an order was not carried out", ["reason": outcome.text])
        }
        if left > 0 { runtime.log.warning("no answer came to the last orders", ["orders": left]) }
        let verdicts = desk.verdicts
        guard !verdicts.isEmpty else { return }
        let sender = makeSender()
        let endNanos = WallClock.monotonicNanos() + UInt64(Self.lastOrdersMillis) * 1_000_000
        for _ in 0..<20 where WallClock.monotonicNanos() < endNanos {
            // What failed is tried again; none sent is the end.
            if (try? sender.send(atOnce: verdicts)) == 0 { break }
        }
    }

    private func draw(_ terminal: Terminal) {
        var model = session.model
        var isChanged = true
        while !model.isDone {
            // A frame is made when there is something new to show: waiting costs nothing but the wait.
            if isChanged { terminal.show(view(model, terminal.size), Theme.all[model.themeIndex]) }
            isChanged = false
            switch terminal.wait(timeoutMillis: 100) {
            case .keys(let keys):
                for key in keys { update(&model, .key(key)) }
                isChanged = true
            case .end: return
            case .repaint, .drained: isChanged = true
            case .timeout: break
            }
            for event in mailbox.take() {
                update(&model, event)
                isChanged = true
            }
            terminal.setMouse(model.usesMouse)
            if let text = model.copied {
                terminal.copy(text)
                model.copied = nil
            }
            desk.put(model.question, model.orders)
            model.orders = []
        }
    }
}

/// Hands a value to the one thread that uses it from then on.
private struct Confined<Value>: @unchecked Sendable {  // Used on one thread only, after being handed over.
    let value: Value
    init(_ value: Value) { self.value = value }
}
