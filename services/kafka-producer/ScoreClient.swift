import Glibc

/// Asks the prediction API about events without waiting for its answers: HTTP/1.1 on kept connections, one request at a
/// time on each, all on the caller's thread between two events. When the API is down events go on without it, and one
/// request a second finds out whether it is back.
package final class ScoreClient {
    /// Most requests without an answer.
    package static let inFlightMax = 64
    /// A request without an answer for so long has failed, ms.
    package static let timeoutMillis: UInt64 = 1_000
    /// Most bytes of an answer.
    static let answerLimit = 1 << 20
    /// How long after a failure the next request is tried, ms.
    package static let retryMillis: UInt64 = 1_000

    private struct Connection {
        let descriptor: Int32
        /// The request; kept until its answer begins, to be sent again when a kept connection turns out closed.
        var request: [UInt8] = []
        var sent = 0
        var answer: [UInt8] = []
        var startedNanos: UInt64 = 0
        var isBusy = false
        var isReused = false
    }

    private let endpoint: ScoreEndpoint
    private let head: String
    private var connections: [Connection] = []
    private var retryAtNanos: UInt64 = 0
    private var polls: [pollfd] = []
    private var scratch = [UInt8](repeating: 0, count: 16_384)

    /// Requests without an answer yet.
    package private(set) var inFlight = 0
    /// Answers with a prediction.
    package private(set) var answeredCount = 0
    /// Predictions that said fraud.
    package private(set) var fraudCount = 0
    /// Requests that were refused, or had no answer in time.
    package private(set) var failedCount = 0
    /// Events that went on without a request because the API was down.
    package private(set) var skippedCount = 0
    /// Why the API refuses requests, and what to do, after an answer of 4xx; nil otherwise.
    package private(set) var refusal: String?
    /// Why the API is held for down; nil while it answers.
    package private(set) var problem: String?

    /// A client; `apiKey` is sent as `X-API-Key`.
    package init(_ endpoint: ScoreEndpoint, apiKey: String? = nil) {
        self.endpoint = endpoint
        let key = apiKey.map { "X-API-Key: \($0)\r\n" } ?? ""
        head =
            "POST \(endpoint.target) HTTP/1.1\r\nHost: \(endpoint.authority)\r\nContent-Type: application/json\r\n"
            + "\(key)Content-Length: "
    }

    deinit { for connection in connections { close(connection.descriptor) } }

    /// Whether `ask` has room for one more request.
    package var hasRoom: Bool { inFlight < Self.inFlightMax }

    /// Sends a request with this body, or counts the event as skipped while the API is down.
    package func ask(_ body: [UInt8], nowNanos: UInt64) {
        // While it is down, one request at a time tries whether it is back.
        if problem != nil, nowNanos < retryAtNanos || inFlight > 0 {
            skippedCount += 1
            return
        }
        precondition(hasRoom, "the caller waits for room")
        var request = Array("\(head)\(body.count)\r\n\r\n".utf8)
        request.append(contentsOf: body)
        start(request, nowNanos: nowNanos)
    }

    /// Moves requests and answers on, waiting for the first of them as long as said.
    package func service(timeoutMillis: Int32, nowNanos: UInt64) {
        guard !connections.isEmpty else { return }
        polls.removeAll(keepingCapacity: true)
        for connection in connections {
            let isSending = connection.isBusy && connection.sent < connection.request.count
            polls.append(
                pollfd(fd: connection.descriptor, events: Int16(isSending ? POLLOUT : POLLIN), revents: 0))
        }
        let ready = poll(&polls, nfds_t(polls.count), timeoutMillis)
        guard ready >= 0 else { return }
        for polled in polls {
            // Handling one connection may close others, so each is looked up anew.
            guard let index = connections.firstIndex(where: { $0.descriptor == polled.fd }) else { continue }
            if polled.revents != 0 {
                handle(index, nowNanos: nowNanos)
            } else if connections[index].isBusy,
                nowNanos > connections[index].startedNanos + Self.timeoutMillis * 1_000_000
            {
                fail(index, "\(endpoint.authority): no answer within \(Self.timeoutMillis) ms", nowNanos: nowNanos)
            }
        }
    }

    private func start(_ request: [UInt8], nowNanos: UInt64) {
        var index = connections.lastIndex { !$0.isBusy }
        let isReused = index != nil
        if index == nil {
            switch endpoint.connect() {
            case .success(let descriptor):
                connections.append(Connection(descriptor: descriptor))
                index = connections.count - 1
            case .failure(let failure):
                failedCount += 1
                noteDown(failure.description, nowNanos: nowNanos)
                return
            }
        }
        guard let index else { return }
        connections[index].request = request
        connections[index].sent = 0
        connections[index].answer.removeAll(keepingCapacity: true)
        connections[index].startedNanos = nowNanos
        connections[index].isBusy = true
        connections[index].isReused = isReused
        inFlight += 1
        if isReused { sendMore(index, nowNanos: nowNanos) }
    }

    private func handle(_ index: Int, nowNanos: UInt64) {
        guard connections[index].isBusy else {
            // Nobody asked: the server closes an idle connection.
            close(connections[index].descriptor)
            connections.remove(at: index)
            return
        }
        if connections[index].sent < connections[index].request.count {
            sendMore(index, nowNanos: nowNanos)
        } else {
            receive(index, nowNanos: nowNanos)
        }
    }

    private func sendMore(_ index: Int, nowNanos: UInt64) {
        let descriptor = connections[index].descriptor
        while connections[index].sent < connections[index].request.count {
            let count = connections[index].request[connections[index].sent...].withUnsafeBytes {
                send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count < 0 {
                if errno == EINTR { continue }
                if errno == EAGAIN || errno == ENOTCONN { return }
                return breakOff(index, String(cString: strerror(errno)), nowNanos: nowNanos)
            }
            connections[index].sent += count
        }
    }

    private func receive(_ index: Int, nowNanos: UInt64) {
        while true {
            let count = recv(connections[index].descriptor, &scratch, scratch.count, 0)
            if count < 0 {
                if errno == EINTR { continue }
                if errno == EAGAIN { return }
                return breakOff(index, String(cString: strerror(errno)), nowNanos: nowNanos)
            }
            guard count > 0 else { return breakOff(index, "closed the connection", nowNanos: nowNanos) }
            connections[index].answer.append(contentsOf: scratch[..<count])
            guard connections[index].answer.count <= Self.answerLimit else {
                return fail(index, "\(endpoint.authority): answers without an end", nowNanos: nowNanos)
            }
            guard let answer = HTTPAnswer(connections[index].answer) else { continue }
            note(answer)
            inFlight -= 1
            connections[index].isBusy = false
            if !answer.keepsConnection {
                close(connections[index].descriptor)
                connections.remove(at: index)
            }
            return
        }
    }

    private func note(_ answer: HTTPAnswer) {
        problem = nil
        if answer.status == 200 {
            answeredCount += 1
            if answer.saysFraud { fraudCount += 1 }
            refusal = nil
        } else {
            if (400..<500).contains(answer.status) { refusal = Self.refusal(answer.status, endpoint) }
            failedCount += 1
            problem = answer.status >= 500 ? "\(endpoint.authority) answers \(answer.status)" : nil
        }
    }

    private static func refusal(_ status: Int, _ endpoint: ScoreEndpoint) -> String {
        let cure =
            switch status {
            case 401, 403: "it wants a key: set SCORE_API_KEY (--score-api-key) to one of its API_KEYS"
            case 404: "it has no \(endpoint.target): does its feature_repo or address differ?"
            case 422: "its definitions differ from those the events are read with, or their values are out of bounds"
            default: "its log says why"
            }
        return "\(endpoint.authority) answers \(status): \(cure)"
    }

    /// A connection ended. One that was kept from an earlier request may just have been closed: the request is sent again.
    private func breakOff(_ index: Int, _ reason: String, nowNanos: UInt64) {
        guard connections[index].isReused, connections[index].answer.isEmpty else {
            return fail(index, "\(endpoint.authority): \(reason)", nowNanos: nowNanos)
        }
        let request = connections[index].request
        close(connections[index].descriptor)
        connections.remove(at: index)
        inFlight -= 1
        // Others that were kept as long are closed as well, so that the request gets a new one.
        for idle in connections.indices.reversed() where !connections[idle].isBusy {
            close(connections[idle].descriptor)
            connections.remove(at: idle)
        }
        start(request, nowNanos: nowNanos)
    }

    private func fail(_ index: Int, _ reason: String, nowNanos: UInt64) {
        close(connections[index].descriptor)
        connections.remove(at: index)
        inFlight -= 1
        failedCount += 1
        noteDown(reason, nowNanos: nowNanos)
    }

    private func noteDown(_ reason: String, nowNanos: UInt64) {
        problem = reason
        retryAtNanos = nowNanos + Self.retryMillis * 1_000_000
    }
}

/// A whole HTTP/1.1 response, read as far as the client needs it.
package struct HTTPAnswer: Equatable {
    package let status: Int
    package let keepsConnection: Bool
    /// Whether the body holds `"is_fraud":true`.
    package let saysFraud: Bool

    /// Nil until the response is complete.
    package init?(_ bytes: [UInt8]) {
        guard let headEnd = Self.find("\r\n\r\n", in: bytes[...]) else { return nil }
        let lines = String(decoding: bytes[..<headEnd], as: UTF8.self).lowercased().split(separator: "\r\n")
        let words = lines.first?.split(separator: " ") ?? []
        guard words.count >= 2, let status = Int(words[1]) else {
            (self.status, keepsConnection, saysFraud) = (0, false, false)
            return
        }
        func header(_ name: String) -> Substring? {
            lines.first { $0.hasPrefix(name + ":") }.map { $0.dropFirst(name.count + 1).drop { $0 == " " } }
        }
        self.status = status
        let body = bytes[(headEnd + 4)...]
        guard let length = header("content-length").flatMap({ Int($0) }) else {
            // Without a length the end is not known before the connection's; the status is all that is needed.
            (keepsConnection, saysFraud) = (false, Self.saysFraud(body))
            return
        }
        guard body.count >= length else { return nil }
        keepsConnection = header("connection") != "close" && body.count == length
        saysFraud = Self.saysFraud(body)
    }

    private static func saysFraud(_ body: ArraySlice<UInt8>) -> Bool {
        guard let start = find("\"is_fraud\":", in: body) else { return false }
        return body[(start + 11)...].first { $0 != 0x20 } == UInt8(ascii: "t")
    }

    private static func find(_ text: StaticString, in bytes: ArraySlice<UInt8>) -> Int? {
        let count = text.utf8CodeUnitCount
        guard bytes.count >= count else { return nil }
        return text.withUTF8Buffer { wanted in
            (bytes.startIndex...bytes.endIndex - count).first { start in
                (0..<count).allSatisfy { bytes[start + $0] == wanted[$0] }
            }
        }
    }
}
