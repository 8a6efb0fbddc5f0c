/// One record inside a batch. The broker itself opens records only to find the one of a given time.
public struct Record: Sendable, Equatable {
    /// Distances from the batch's base offset and base timestamp.
    public var offsetDelta: Int32 = 0, timestampDelta: Int64 = 0
    /// Key and value; nil is null.
    public var key: ArraySlice<UInt8>?, value: ArraySlice<UInt8>?
    /// Names and values.
    public var headers: [Header] = []

    /// A record's header.
    public struct Header: Sendable, Equatable {
        /// Its name and value; nil is null.
        public var key: String, value: ArraySlice<UInt8>?

        /// A header.
        public init(key: String, value: ArraySlice<UInt8>?) {
            self.key = key
            self.value = value
        }
    }

    /// A record without key and value.
    public init() {}

    /// A record.
    public init(
        offsetDelta: Int32, timestampDelta: Int64, key: ArraySlice<UInt8>?, value: ArraySlice<UInt8>?,
        headers: [Header] = []
    ) {
        self.offsetDelta = offsetDelta
        self.timestampDelta = timestampDelta
        self.key = key
        self.value = value
        self.headers = headers
    }

    /// Reads the next record of a batch that is not compressed.
    public init(from reader: inout ByteReader) throws(ProtocolError) {
        let length = try reader.varint()
        guard length >= 0, length <= reader.remaining else { throw .badLength(Int(truncatingIfNeeded: length)) }
        var body = ByteReader(try reader.take(Int(length)))
        _ = try body.read(Int8.self)
        timestampDelta = try body.varint()
        offsetDelta = Int32(truncatingIfNeeded: try body.varint())
        key = try Self.bytes(&body)
        value = try Self.bytes(&body)
        let count = try body.varint()
        guard count >= 0, count <= body.remaining else { throw .badLength(Int(truncatingIfNeeded: count)) }
        for _ in 0..<count {
            guard let name = try Self.bytes(&body) else { throw .badLength(-1) }
            guard let text = String(validating: name, as: UTF8.self) else { throw .invalidText }
            headers.append(Header(key: text, value: try Self.bytes(&body)))
        }
    }

    private static func bytes(_ reader: inout ByteReader) throws(ProtocolError) -> ArraySlice<UInt8>? {
        let count = try reader.varint()
        guard count >= -1, count <= reader.remaining else { throw .badLength(Int(truncatingIfNeeded: count)) }
        return count == -1 ? nil : try reader.take(Int(count))
    }

    /// Appends the record.
    public func encode(to writer: inout ByteWriter) {
        var body = ByteWriter()
        body.write(Int8(0))
        body.varint(timestampDelta)
        body.varint(Int64(offsetDelta))
        for part in [key, value] {
            body.varint(Int64(part?.count ?? -1))
            if let part { body.output.append(contentsOf: part) }
        }
        body.varint(Int64(headers.count))
        for header in headers {
            body.varint(Int64(header.key.utf8.count))
            body.output.append(contentsOf: header.key.utf8)
            body.varint(Int64(header.value?.count ?? -1))
            if let value = header.value { body.output.append(contentsOf: value) }
        }
        writer.varint(Int64(body.output.count))
        writer.output.append(contentsOf: body.output)
    }
}

extension RecordBatch {
    /// The records of `bytes`, one whole batch that is not compressed.
    public static func records(of bytes: ArraySlice<UInt8>) throws(ProtocolError) -> [Record] {
        guard let batch = RecordBatch(head: bytes), batch.size <= bytes.count, batch.codec == 0 else {
            throw .truncated
        }
        var reader = ByteReader(bytes.prefix(batch.size).dropFirst(headSize))
        guard batch.recordCount >= 0, Int(batch.recordCount) <= reader.remaining else {
            throw .badLength(Int(batch.recordCount))
        }
        var records: [Record] = []
        for _ in 0..<batch.recordCount { records.append(try Record(from: &reader)) }
        return records
    }

    /// A batch that is not compressed, made of values with their times; for tests and tools.
    public static func encode(
        _ values: [(timestamp: Int64, key: [UInt8]?, value: [UInt8]?)], baseOffset: Int64 = 0, producerID: Int64 = -1,
        producerEpoch: Int16 = -1, baseSequence: Int32 = -1
    ) -> [UInt8] {
        var body = ByteWriter()
        let base = values.first?.timestamp ?? 0
        for (index, value) in values.enumerated() {
            Record(
                offsetDelta: Int32(index), timestampDelta: value.timestamp &- base, key: value.key.map { $0[...] },
                value: value.value.map { $0[...] }
            ).encode(to: &body)
        }
        return encode(
            block: body.output, count: Int32(values.count), attributes: 0, baseOffset: baseOffset, baseTimestamp: base,
            maxTimestamp: values.map(\.timestamp).max() ?? 0, producerID: producerID, producerEpoch: producerEpoch,
            baseSequence: baseSequence)
    }

    /// A batch around a block of records that is already encoded, and compressed as `attributes` says.
    public static func encode(
        block: [UInt8], count: Int32, attributes: Int16, baseOffset: Int64, baseTimestamp: Int64, maxTimestamp: Int64,
        producerID: Int64 = -1, producerEpoch: Int16 = -1, baseSequence: Int32 = -1
    ) -> [UInt8] {
        var checked = ByteWriter()
        checked.write(attributes)
        checked.write(count - 1)
        checked.write(baseTimestamp)
        checked.write(maxTimestamp)
        checked.write(producerID)
        checked.write(producerEpoch)
        checked.write(baseSequence)
        checked.write(count)
        checked.output.append(contentsOf: block)
        var writer = ByteWriter()
        writer.write(baseOffset)
        writer.write(Int32(checked.output.count + checkedFrom - lengthPrefix))
        writer.write(Int32(-1))
        writer.write(Int8(2))
        writer.write(CRC32C.checksum(checked.output[...]))
        writer.output.append(contentsOf: checked.output)
        return writer.output
    }
}
