import Foundation
import FoundationNetworking

/// The source of metrics and readiness: asks several addresses at once over HTTP.
// The lock guards what changes, so any thread may call.
final class PageFetcher: NSObject, URLSessionDataDelegate, @unchecked Sendable {
    /// A page longer than this is none of ours.
    private static let mostBytes = 1 << 18

    /// A page that takes longer is late.
    private static let seconds = 0.5

    private struct Waiting {
        var body: [UInt8] = []
        var status: Int?
        let done: DispatchSemaphore
        var isWhole = false
    }
    private let lock = NSLock()
    private var waiting: [Int: Waiting] = [:]
    private lazy var session: URLSession = {
        let configuration = URLSessionConfiguration.ephemeral
        // Only what `pages` waits no longer for: the session cuts fractions off, and at 0 it gives answers up at random.
        configuration.timeoutIntervalForRequest = Self.seconds.rounded(.up) + 1
        return URLSession(configuration: configuration, delegate: self, delegateQueue: nil)
    }()

    func pages(_ urls: [String]) -> [PageAnswer?] {
        let done = DispatchSemaphore(value: 0)
        let tasks = urls.map { text -> URLSessionDataTask? in
            guard let url = URL(string: text) else { return nil }
            let task = session.dataTask(with: url)
            lock.withLock { waiting[task.taskIdentifier] = Waiting(done: done) }
            task.resume()
            return task
        }
        let deadline = DispatchTime.now() + Self.seconds
        for task in tasks where task != nil { _ = done.wait(timeout: deadline) }
        return tasks.map { task in
            guard let task else { return nil }
            let answer = lock.withLock { waiting.removeValue(forKey: task.taskIdentifier) }
            guard let answer, answer.isWhole, let status = answer.status else {
                task.cancel()
                return nil
            }
            return PageAnswer(status: status, body: answer.body)
        }
    }

    func urlSession(_ session: URLSession, dataTask: URLSessionDataTask, didReceive data: Data) {
        let isTooLong = lock.withLock {
            waiting[dataTask.taskIdentifier]?.body.append(contentsOf: data)
            return (waiting[dataTask.taskIdentifier]?.body.count ?? 0) > Self.mostBytes
        }
        if isTooLong { dataTask.cancel() }
    }

    func urlSession(_ session: URLSession, task: URLSessionTask, didCompleteWithError error: (any Error)?) {
        lock.withLock {
            waiting[task.taskIdentifier]?.status = (task.response as? HTTPURLResponse)?.statusCode
            waiting[task.taskIdentifier]?.isWhole = error == nil
            waiting[task.taskIdentifier]?.done.signal()
        }
    }
}
