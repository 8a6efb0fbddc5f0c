internal import CLBFGS

/// Why no minimum was found.
public enum MinimizerError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The function gave a number that is none, or the caller's `evaluate` asked to stop.
    case stopped
    /// liblbfgs refused, with its status.
    case library(Int32)

    public var description: String {
        switch self {
        case .stopped: "the minimisation was stopped"
        case .library(let status): "liblbfgs ended with the status \(status)"
        }
    }
}

/// Finds where a smooth function is least: limited-memory BFGS, which guesses the curvature from the gradients of the last few steps
/// instead of keeping a matrix of it.
public struct Minimizer: Sendable {
    /// The length of the gradient, as a share of that of the point (1 at least), at which it is a minimum.
    public var tolerance = 1e-5
    /// Steps at most; where they do not suffice the place they led to is the answer.
    public var iterations = 200

    /// The defaults.
    public init() {}

    /// The place of the minimum, from `start` on. `evaluate` fills the gradient, which has the length of the point, and returns the
    /// value; NaN stops.
    public func minimum(
        from start: [Double], _ evaluate: (_ point: [Double], _ gradient: inout [Double]) -> Double
    ) throws(MinimizerError) -> [Double] {
        guard let count = Int32(exactly: start.count), count > 0 else { throw .stopped }
        // The library's own allocation: it pads the vectors for its SSE loops.
        guard let variables = unsafe lbfgs_malloc(count) else { throw .stopped }
        defer { unsafe lbfgs_free(variables) }
        for index in start.indices { unsafe variables[index] = start[index] }
        var parameters = lbfgs_parameter_t()
        unsafe lbfgs_parameter_init(&parameters)
        parameters.m = 10
        parameters.epsilon = tolerance
        parameters.max_iterations = Int32(clamping: iterations)
        let (status, isStopped) = withoutActuallyEscaping(evaluate) { evaluate in
            let call = Call(evaluate, count: start.count)
            let status = withExtendedLifetime(call) {
                unsafe lbfgs(
                    count, variables, nil,
                    { instance, point, gradient, _, _ in unsafe Call.evaluate(instance, point, gradient) },
                    { instance, _, _, _, _, _, _, _, _, _ in unsafe Call.isStopped(instance) },
                    Unmanaged.passUnretained(call).toOpaque(), &parameters)
            }
            return (status, call.isStopped)
        }
        let found = unsafe Array(UnsafeBufferPointer(start: variables, count: start.count))
        switch status {
        case 0, Int32(LBFGS_ALREADY_MINIMIZED): return found
        // As far as it came: the last steps change little.
        case Int32(LBFGSERR_MAXIMUMITERATION): return found
        case _ where isStopped: throw .stopped
        default:
            // Where the value cannot get smaller in doubles the line search gives up, just before the tolerance or far from it.
            guard isNearMinimum(found, evaluate) else { throw .library(status) }
            return found
        }
    }

    private func isNearMinimum(
        _ point: [Double], _ evaluate: ([Double], inout [Double]) -> Double
    ) -> Bool {
        var gradient = [Double](repeating: 0, count: point.count)
        let value = evaluate(point, &gradient)
        func length(_ vector: [Double]) -> Double { vector.reduce(0) { $0 + $1 * $1 }.squareRoot() }
        return value.isFinite && length(gradient) <= max(1e-5, tolerance) * max(1, length(point))
    }

    /// One run: what the library's callbacks find again behind their pointer.
    private final class Call {
        /// What the progress callback returns to end the run: no status of the library.
        static let stopped: Int32 = 77
        private let function: ([Double], inout [Double]) -> Double
        private var gradient: [Double]
        private(set) var isStopped = false

        init(_ function: @escaping ([Double], inout [Double]) -> Double, count: Int) {
            self.function = function
            gradient = Array(repeating: 0, count: count)
        }

        static func evaluate(
            _ instance: UnsafeMutableRawPointer?, _ point: UnsafePointer<Double>?,
            _ gradient: UnsafeMutablePointer<Double>?
        ) -> Double {
            guard let instance = unsafe instance, let point = unsafe point, let gradient = unsafe gradient else {
                return 0
            }
            let call = unsafe Unmanaged<Call>.fromOpaque(instance).takeUnretainedValue()
            let count = call.gradient.count
            let place = unsafe Array(UnsafeBufferPointer(start: point, count: count))
            let value = call.function(place, &call.gradient)
            for index in 0..<count { unsafe gradient[index] = call.gradient[index] }
            if value.isNaN { call.isStopped = true }
            return value
        }

        static func isStopped(_ instance: UnsafeMutableRawPointer?) -> Int32 {
            guard let instance = unsafe instance else { return 0 }
            return unsafe Unmanaged<Call>.fromOpaque(instance).takeUnretainedValue().isStopped ? stopped : 0
        }
    }
}
