/// One socket. libmicrohttpd calls with it in every phase; the tick ends those that take too long.
@safe final class HTTPConnection {
    let descriptor: Int32
    var deadline: Int {
        didSet { secondsLeft = nil }
    }
    var index: Int
    /// What its client had left when it had read all there was.
    private var secondsLeft: Int?
    /// While the head of a request is being read.
    var reading: OpaquePointer?
    init(descriptor: Int32, deadline: Int, index: Int) {
        self.descriptor = descriptor
        self.deadline = deadline
        self.index = index
    }

    /// Stops the clock.
    func rest(at second: Int) {
        guard deadline != .max else { return }
        let left = deadline - second
        deadline = .max
        secondsLeft = left
    }

    /// Lets it go on.
    func goOn(at second: Int) {
        if let secondsLeft { deadline = second + secondsLeft }
    }
}
