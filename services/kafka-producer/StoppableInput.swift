import Glibc
internal import ServiceRuntime

/// Makes standard input end when the program is asked to stop: a read that waits for a slow pipe cannot be interrupted. A
/// thread moves the bytes through a pipe of our own, which it closes.
enum StoppableInput {
    static func install(_ runtime: ServiceRuntime) throws(CommandError) {
        var data: [Int32] = [-1, -1]
        var wake: [Int32] = [-1, -1]
        let source = dup(STDIN_FILENO)
        guard source >= 0, pipe(&data) == 0, pipe(&wake) == 0, dup2(data[0], STDIN_FILENO) >= 0 else {
            throw CommandError(.inputOutput, "standard input cannot be read: \(String(cString: strerror(errno))).")
        }
        for end in [source, data[1], wake[0], wake[1]] { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        close(data[0])
        let ends = Ends(source: source, sink: data[1], wake: wake[0])
        let wakeEnd = wake[1]
        runtime.onStop {
            var byte: UInt8 = 1
            _ = write(wakeEnd, &byte, 1)
        }
        var thread = pthread_t()
        let context = Unmanaged.passRetained(ends)
        let code = pthread_create(
            &thread, nil,
            { context in
                if let context { Unmanaged<Ends>.fromOpaque(context).takeRetainedValue().pump() }
                return nil
            }, context.toOpaque())
        guard code == 0 else {
            context.release()
            throw CommandError(.software, "no thread for standard input: \(String(cString: strerror(code))).")
        }
        pthread_detach(thread)
    }

    private final class Ends: Sendable {
        let source: Int32
        let sink: Int32
        let wake: Int32

        init(source: Int32, sink: Int32, wake: Int32) {
            self.source = source
            self.sink = sink
            self.wake = wake
        }

        func pump() {
            defer { close(sink) }
            var buffer = [UInt8](repeating: 0, count: 1 << 18)
            // A full pipe must not keep the thread from the stop.
            _ = fcntl(sink, F_SETFL, O_NONBLOCK)
            while true {
                guard waits(for: source, POLLIN) else { return }
                let count = read(source, &buffer, buffer.count)
                if count < 0, errno == EINTR || errno == EAGAIN { continue }
                guard count > 0 else { return }
                var written = 0
                while written < count {
                    let more = buffer[written..<count].withUnsafeBytes { write(sink, $0.baseAddress, $0.count) }
                    if more > 0 {
                        written += more
                    } else if errno == EAGAIN {
                        guard waits(for: sink, POLLOUT) else { return }
                    } else if errno != EINTR {
                        return
                    }
                }
            }
        }

        /// False when the program is asked to stop.
        private func waits(for descriptor: Int32, _ event: Int32) -> Bool {
            var polls = [
                pollfd(fd: descriptor, events: Int16(event), revents: 0),
                pollfd(fd: wake, events: Int16(POLLIN), revents: 0),
            ]
            while poll(&polls, 2, -1) < 0 { guard errno == EINTR else { return false } }
            return polls[1].revents == 0
        }
    }
}
