public import FeatureEngine
import FeatureStore
import JSON

/// The log position a served view was read at: v of one entity in one view.
public struct ViewPosition: Equatable, Sendable {
    /// The generation of the online state.
    public let generation: UInt64
    /// v: the last position applied; −1 for none.
    public let offset: Int64
    /// The partition of the view's feed.
    public let partition: Int32
    /// The moment up to which the partition is known to be applied, ms since 1970; −1 when it is not known.
    public var asOfMillis: Int64

    /// A state's place.
    public init(generation: UInt64, offset: Int64, partition: Int32, asOfMillis: Int64 = -1) {
        self.generation = generation
        self.offset = offset
        self.partition = partition
        self.asOfMillis = asOfMillis
    }
}

/// Writes `features_as_of`, in answers and in records of them: the position of each view that was served.
///
///     {"card_activity":{"generation":1,"topic":"transactions","partition":3,"offset":499,"as_of":1709294400000}}
public struct FeaturesAsOf: Sendable {
    /// `"card_activity":{"generation":`, and `,"topic":"transactions","partition":`
    private let starts: [(view: [UInt8], topic: [UInt8])]

    /// The views of a service, in its order.
    public init(_ views: [StreamView]) {
        starts = views.map { view in
            (
                [UInt8].member(view.name) + Array("{\"generation\":".utf8),
                Array(",\"topic\":".utf8) + [UInt8].quoted(ViewFeed.topic(of: view))
                    + Array(",\"partition\":".utf8)
            )
        }
    }

    /// Appends the positions, one a view; nil for one that was not served.
    public func append(_ positions: [ViewPosition?], to bytes: inout [UInt8]) {
        bytes.append(0x7B)
        var isFirst = true
        for (start, position) in zip(starts, positions) {
            guard let position else { continue }
            if !isFirst { bytes.append(0x2C) }
            isFirst = false
            bytes.append(contentsOf: start.view)
            JSONWriter.append(integer: Int64(bitPattern: position.generation), to: &bytes)
            bytes.append(contentsOf: start.topic)
            JSONWriter.append(integer: Int64(position.partition), to: &bytes)
            bytes.append(",\"offset\":")
            JSONWriter.append(integer: position.offset, to: &bytes)
            if position.asOfMillis >= 0 {
                bytes.append(",\"as_of\":")
                JSONWriter.append(integer: position.asOfMillis, to: &bytes)
            }
            bytes.append(0x7D)
        }
        bytes.append(0x7D)
    }
}
