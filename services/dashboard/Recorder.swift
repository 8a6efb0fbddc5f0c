import Foundation
import JSON
import ServiceRuntime
import Synchronization
import TerminalUI

/// Writes what the terminal is told as an asciicast of version 2: a header, then a line for every frame.
final class Recorder: Sendable {
    private struct State: Sendable {
        let file: FileHandle
        var startNanos: UInt64?
    }
    private let state: Mutex<State>

    init(_ path: String, _ size: Size, startMillis: Int64) throws {
        guard FileManager.default.createFile(atPath: path, contents: nil),
            let file = FileHandle(forWritingAtPath: path)
        else { throw CommandError(.cannotCreate, "\(path) cannot be written.") }
        let header: JSONTree = [
            "version": .number(2), "width": .number(size.width), "height": .number(size.height),
            "timestamp": .number(Int(startMillis / 1_000)),
        ]
        file.write(Data((header.text() + "\n").utf8))
        state = Mutex(State(file: file))
    }

    /// Adds a frame at a moment of a clock that never steps.
    func add(_ text: String, nanos: UInt64) {
        state.withLock { state in
            let start = state.startNanos ?? nanos
            state.startNanos = start
            let line: JSONTree = [.number(Double((nanos - start) / 1_000) / 1e6), .string("o"), .string(text)]
            try? state.file.write(contentsOf: Data((line.text() + "\n").utf8))
        }
    }

    func close() { state.withLock { try? $0.file.close() } }
}
