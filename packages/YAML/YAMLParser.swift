internal import CLibYAML

extension YAMLNode {
    /// The longest accepted text, in bytes.
    public static let lengthLimit = 4 << 20
    /// The deepest accepted nesting.
    public static let depthLimit = 64

    /// The documents of a YAML text, in order; empty when it holds only comments.
    public static func documents(_ text: String) throws(YAMLError) -> [YAMLNode] {
        let utf8 = Array(text.utf8)
        guard utf8.count <= lengthLimit else {
            throw YAMLError(reason: .tooLong(limit: lengthLimit), line: 1, column: 1)
        }
        let result = unsafe utf8.withUnsafeBufferPointer { bytes -> Result<[YAMLNode], YAMLError> in
            do throws(YAMLError) {
                var reader = unsafe try YAMLReader(bytes)
                return .success(try reader.documents())
            } catch {
                return .failure(error)
            }
        }
        do { return try result.get() } catch { throw tab(behind: error, in: utf8) ?? error }
    }

    /// The tab that made libyaml stop, which it does not name: in the indentation of the line it stopped at, or of the one before.
    private static func tab(behind error: YAMLError, in text: [UInt8]) -> YAMLError? {
        guard case .syntax = error.reason else { return nil }
        let lines = text.split(separator: 0x0A, omittingEmptySubsequences: false)
        for number in [error.line, error.line - 1] where lines.indices.contains(number - 1) {
            let indentation = lines[number - 1].prefix { $0 == 0x20 || $0 == 0x09 }
            guard let tab = indentation.firstIndex(of: 0x09) else { continue }
            return YAMLError(reason: .tab, line: number, column: tab - indentation.startIndex + 1)
        }
        return nil
    }
}

/// Builds nodes from libyaml's events. Sole owner of one `yaml_parser_t`, which libyaml points into itself, so it lives on
/// the heap; the bytes must outlive the reader.
@safe private struct YAMLReader: ~Copyable {
    private let parser: UnsafeMutablePointer<yaml_parser_t>

    init(_ bytes: UnsafeBufferPointer<UInt8>) throws(YAMLError) {
        let parser = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)
        guard unsafe yaml_parser_initialize(parser) == 1 else {
            unsafe parser.deallocate()
            throw YAMLError(reason: .outOfMemory, line: 1, column: 1)
        }
        unsafe yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
        unsafe yaml_parser_set_input_string(parser, bytes.baseAddress, bytes.count)
        unsafe self.parser = parser
    }

    deinit {
        unsafe yaml_parser_delete(parser)
        unsafe parser.deallocate()
    }

    /// What one event says, copied out of libyaml's memory before the event is deleted.
    private struct Event {
        enum Kind {
            case scalar(String, isPlain: Bool)
            case sequenceStart, sequenceEnd, mappingStart, mappingEnd
            case documentStart, documentEnd, streamEnd, other
        }
        let kind: Kind
        let line: Int
        let column: Int
    }

    mutating func documents() throws(YAMLError) -> [YAMLNode] {
        var documents: [YAMLNode] = []
        while true {
            let event = try next()
            switch event.kind {
            case .documentStart: documents.append(try node(from: try next(), depth: 0))
            case .streamEnd: return documents.filter { !$0.isNull }
            default: continue
            }
        }
    }

    private mutating func node(from event: Event, depth: Int) throws(YAMLError) -> YAMLNode {
        guard depth <= YAMLNode.depthLimit else {
            throw YAMLError(reason: .tooDeep(limit: YAMLNode.depthLimit), line: event.line, column: event.column)
        }
        switch event.kind {
        case .sequenceStart:
            var items: [YAMLNode] = []
            while true {
                let item = try next()
                if case .sequenceEnd = item.kind { break }
                items.append(try node(from: item, depth: depth + 1))
            }
            return YAMLNode(.sequence(items), line: event.line, column: event.column)
        case .mappingStart:
            var pairs: [YAMLNode.Pair] = []
            var lines: [String: Int] = [:]
            while true {
                let first = try next()
                if case .mappingEnd = first.kind { break }
                let key = try node(from: first, depth: depth + 1)
                guard let name = key.text else {
                    throw YAMLError(reason: .complexKey, line: key.line, column: key.column)
                }
                if let line = lines[name] {
                    throw YAMLError(reason: .duplicateKey(name, firstLine: line), line: key.line, column: key.column)
                }
                lines[name] = key.line
                pairs.append(.init(key: key, value: try node(from: try next(), depth: depth + 1)))
            }
            return YAMLNode(.mapping(pairs), line: event.line, column: event.column)
        case .scalar(let text, let isPlain):
            return YAMLNode(.scalar(text, isPlain: isPlain), line: event.line, column: event.column)
        default:
            return YAMLNode(.scalar("", isPlain: true), line: event.line, column: event.column)
        }
    }

    private mutating func next() throws(YAMLError) -> Event {
        var event = unsafe yaml_event_t()
        guard unsafe yaml_parser_parse(parser, &event) == 1 else { throw failure() }
        defer { unsafe yaml_event_delete(&event) }
        let line = unsafe event.start_mark.line + 1
        let column = unsafe event.start_mark.column + 1
        let kind: Event.Kind
        switch unsafe event.type {
        case YAML_SCALAR_EVENT:
            let scalar = unsafe event.data.scalar
            try unsafe refuse(anchor: scalar.anchor, tag: scalar.tag, line: line, column: column)
            let bytes = unsafe UnsafeBufferPointer(start: scalar.value, count: scalar.length)
            kind = .scalar(
                unsafe String(decoding: bytes, as: UTF8.self), isPlain: unsafe scalar.style == YAML_PLAIN_SCALAR_STYLE)
        case YAML_SEQUENCE_START_EVENT:
            let start = unsafe event.data.sequence_start
            try unsafe refuse(anchor: start.anchor, tag: start.tag, line: line, column: column)
            kind = .sequenceStart
        case YAML_MAPPING_START_EVENT:
            let start = unsafe event.data.mapping_start
            try unsafe refuse(anchor: start.anchor, tag: start.tag, line: line, column: column)
            kind = .mappingStart
        case YAML_ALIAS_EVENT: throw YAMLError(reason: .unsupported("aliases"), line: line, column: column)
        case YAML_SEQUENCE_END_EVENT: kind = .sequenceEnd
        case YAML_MAPPING_END_EVENT: kind = .mappingEnd
        case YAML_DOCUMENT_START_EVENT: kind = .documentStart
        case YAML_DOCUMENT_END_EVENT: kind = .documentEnd
        case YAML_STREAM_END_EVENT: kind = .streamEnd
        default: kind = .other
        }
        return Event(kind: kind, line: line, column: column)
    }

    private func refuse(
        anchor: UnsafeMutablePointer<yaml_char_t>?, tag: UnsafeMutablePointer<yaml_char_t>?, line: Int, column: Int
    ) throws(YAMLError) {
        if unsafe anchor != nil { throw YAMLError(reason: .unsupported("anchors"), line: line, column: column) }
        if unsafe tag != nil { throw YAMLError(reason: .unsupported("tags"), line: line, column: column) }
    }

    private func failure() -> YAMLError {
        if unsafe parser.pointee.error == YAML_MEMORY_ERROR {
            return YAMLError(reason: .outOfMemory, line: 1, column: 1)
        }
        var words: [String] = []
        if let problem = unsafe parser.pointee.problem { words.append(unsafe String(cString: problem)) }
        if let context = unsafe parser.pointee.context { words.append(unsafe String(cString: context)) }
        // The reader's own errors (bad UTF-8, control characters) have no mark.
        let isReader = unsafe parser.pointee.error == YAML_READER_ERROR
        let mark = unsafe isReader ? parser.pointee.mark : parser.pointee.problem_mark
        return YAMLError(
            reason: .syntax(words.joined(separator: " ")), line: mark.line + 1, column: mark.column + 1)
    }
}
