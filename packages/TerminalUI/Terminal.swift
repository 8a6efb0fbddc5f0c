import Glibc

/// The user's terminal in raw mode on its alternate screen. `restore` puts it back and is safe twice; so do the signals that
/// end or stop a process (TERM, HUP, INT, QUIT, TSTP, and the traps of a crash), each of which then does what it always did.
/// After a SIGKILL, which nobody sees coming, `TerminalGuard` does it.
///
/// One at a time per process: signal handlers reach it through the file's one global.
public final class Terminal {
    /// What happened at the terminal.
    public enum Event: Hashable, Sendable {
        /// Keys were pressed.
        case keys([Key])
        /// The window has another size, or the process was continued: paint everything.
        case repaint
        /// Nothing happened before the time was up.
        case timeout
        /// The terminal has taken all of a frame, and one was dropped meanwhile: show the newest.
        case drained
        /// A signal asks to end (TERM, HUP, INT, QUIT), or the terminal is gone.
        case end
    }

    /// Why there is no terminal to draw on, as one sentence.
    public struct Unavailable: Error, CustomStringConvertible {
        /// The sentence.
        public let description: String
    }

    private static let escapeMillis: Int32 = 25
    /// What comes so soon after a paste was pasted, too.
    private static let pasteRestMillis: Int64 = 50
    private var decoder = KeyDecoder()
    private var shown: (screen: Screen, theme: Theme)?
    /// What the terminal has not taken of the frame before, and whether a frame was dropped for that.
    private var unsent: ArraySlice<UInt8> = []
    private var hasDropped = false
    private var pasteEndMillis: Int64?
    private var reportsMouse = false
    private let depth: ColourDepth
    private let glyphs: Glyphs
    /// Is given everything that is written for frames: to record it.
    public var onOutput: ((String) -> Void)?

    /// How many colours a terminal of this kind has. Any value of `NO_COLOR` but an empty one forbids them (no-color.org), and the
    /// terminals of before 1990 have none.
    public static func depth(noColor: String?, kind: String, colorTerm: String? = nil) -> ColourDepth {
        let isOld =
            kind.hasPrefix("vt1") || kind.hasPrefix("vt2") || kind.hasSuffix("-mono") || kind.hasSuffix("-m")
        guard (noColor ?? "").isEmpty, !isOld else { return .none }
        if colorTerm == "truecolor" || colorTerm == "24bit" || kind.hasSuffix("-direct") { return .full }
        return kind.contains("256color") ? .indexed : .sixteen
    }

    /// The characters that the environment's locale has.
    public static var localeGlyphs: Glyphs { Glyphs.of(locale: ["LC_ALL", "LC_CTYPE", "LANG"].map(variable)) }

    /// The colours that the environment allows.
    static var environmentDepth: ColourDepth {
        depth(noColor: variable("NO_COLOR"), kind: variable("TERM") ?? "", colorTerm: variable("COLORTERM"))
    }

    /// Whether the environment's terminal cannot move its cursor.
    public static var isDumb: Bool { ["", "dumb"].contains(variable("TERM") ?? "") }

    private static func variable(_ name: String) -> String? { unsafe getenv(name).map { unsafe String(cString: $0) } }

    /// Takes the terminal over. Throws when stdin or stdout is none, or it cannot move its cursor.
    public init(depth: ColourDepth? = nil, glyphs: Glyphs? = nil) throws {
        guard isatty(STDIN_FILENO) == 1, isatty(STDOUT_FILENO) == 1 else {
            throw Unavailable(description: "this is not a terminal; --once prints one frame as text")
        }
        let kind = Self.variable("TERM") ?? ""
        guard !Self.isDumb else {
            throw Unavailable(
                description: "the terminal (TERM=\(kind)) cannot move its cursor; --once prints one frame as text")
        }
        self.depth = depth ?? Self.environmentDepth
        self.glyphs = glyphs ?? Self.localeGlyphs
        guard TerminalState.enter() else {
            throw Unavailable(description: "the terminal refuses raw mode; --once prints one frame as text")
        }
        // The background's colour, and the terminal's kind behind it: whoever knows the first answers before the second. The console
        // of Linux would print the question.
        if self.depth != .none, kind != "linux" { TerminalState.write(Array("\u{1B}]11;?\u{07}\u{1B}[c".utf8)) }
    }

    deinit { restore() }

    /// Puts the terminal back as it was found.
    public func restore() { TerminalState.restore() }

    /// The window's size now; 80 × 24 where the terminal does not say.
    public var size: Size {
        var window = winsize()
        guard unsafe ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &window) == 0 else { return Size(80, 24) }
        return Size(Int(window.ws_col), Int(window.ws_row))
    }

    /// Shows a frame, writing only what changed, and at once only what the terminal takes. A frame that comes before the terminal has
    /// taken the one before is dropped; `wait` says when to show the newest.
    public func show(_ screen: Screen, _ theme: Theme) {
        guard TerminalState.isTaken else { return }
        flush()
        guard unsent.isEmpty else {
            hasDropped = true
            return
        }
        hasDropped = false
        let screen = screen.using(glyphs)
        let previous = shown?.theme == theme ? shown?.screen : nil
        let output = screen.escapes(after: previous, palette: Palette(theme, depth: depth))
        shown = (screen, theme)
        guard !output.isEmpty else { return }
        onOutput?(output)
        // Synchronised update, so that a frame is not seen half drawn; terminals without it ignore it.
        unsent = Array("\u{1B}[?2026h\(output)\u{1B}[?2026l".utf8)[...]
        flush()
    }

    private func flush() {
        guard !unsent.isEmpty else { return }
        let count = TerminalState.writeSome(unsent)
        unsent = count < 0 ? [] : unsent.dropFirst(count)
    }

    /// Whether the mouse is reported: a terminal that reports it cannot select text.
    public func setMouse(_ isOn: Bool) {
        guard isOn != reportsMouse, TerminalState.isTaken else { return }
        reportsMouse = isOn
        let letter = isOn ? "h" : "l"
        TerminalState.write(Array("\u{1B}[?1000\(letter)\u{1B}[?1006\(letter)".utf8))
    }

    /// Puts a text into the clipboard of terminals that allow it (OSC 52).
    public func copy(_ text: String) {
        guard TerminalState.isTaken else { return }
        TerminalState.write(Array("\u{1B}]52;c;\(Base64.text(Array(text.utf8)))\u{07}".utf8))
    }

    /// The end of what was written to standard error meanwhile, and where in all of it that begins: it is shown when the terminal is
    /// given back.
    public static var errorTail: (bytes: [UInt8], offset: Int64) { ErrorCapture.tail }

    /// Waits for keys, a signal or the time.
    public func wait(timeoutMillis: Int) -> Event {
        if let event = pendingSignal() { return event }
        var descriptors = [
            pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0),
            pollfd(fd: TerminalState.wakeDescriptor, events: Int16(POLLIN), revents: 0),
            // A descriptor below zero is not looked at.
            pollfd(fd: unsent.isEmpty ? -1 : TerminalState.outputDescriptor, events: Int16(POLLOUT), revents: 0),
        ]
        // An ESC that nothing follows at once is the key; a longer wait would be felt.
        let millis = decoder.isPending ? Self.escapeMillis : Int32(clamping: timeoutMillis)
        let ready = unsafe poll(&descriptors, 3, millis)
        if descriptors[1].revents != 0 { TerminalState.drainWake() }
        if let event = pendingSignal() { return event }
        if descriptors[2].revents != 0 {
            flush()
            if unsent.isEmpty, hasDropped { return .drained }
        }
        if ready <= 0 {
            let keys = decoder.flush()
            return keys.isEmpty ? .timeout : .keys(keys)
        }
        if descriptors[0].revents != 0 {
            return input()
        }
        return .timeout
    }

    private func input() -> Event {
        var buffer = [UInt8](repeating: 0, count: 4_096)
        let count = unsafe read(STDIN_FILENO, &buffer, buffer.count)
        if count == 0 || (count < 0 && errno != EINTR && errno != EAGAIN) { return .end }
        let now = Self.monotonicMillis()
        if let end = pasteEndMillis {
            // Until it has been quiet for so long: a large paste comes in many pieces.
            pasteEndMillis = now - end < Self.pasteRestMillis ? now : nil
            if pasteEndMillis != nil { return .timeout }
        }
        let keys = decoder.decode(buffer.prefix(max(0, count)))
        if case .pasted? = keys.last { pasteEndMillis = now }
        if keys.contains(.control("z")) {
            suspend()
            return .repaint
        }
        return keys.isEmpty ? .timeout : .keys(keys)
    }

    private static func monotonicMillis() -> Int64 {
        var now = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &now)
        return Int64(now.tv_sec) * 1_000 + Int64(now.tv_nsec) / 1_000_000
    }

    private func pendingSignal() -> Event? {
        if TerminalState.takeEnd() { return .end }
        if TerminalState.takeRepaint() {
            forget()
            return .repaint
        }
        return nil
    }

    /// Ctrl-Z: puts the terminal back, stops, and takes it over again when continued.
    private func suspend() {
        TerminalState.stop()
        forget()
    }

    /// The terminal shows something else now.
    private func forget() {
        shown = nil
        unsent = []
        if reportsMouse {
            reportsMouse = false
            setMouse(true)
        }
    }
}
