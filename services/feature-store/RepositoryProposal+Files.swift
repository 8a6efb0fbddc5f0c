import FeatureEngine
import Text

/// The files that a proposal becomes. Every guess is followed by its reason, as a comment.
extension RepositoryProposal {
    /// File names and their text, for a source of this name.
    func files(named source: String, from file: String) -> [(name: String, text: String)] {
        let view = Self.identifier("\(key.name)_activity", else: "key_activity")
        return [
            ("feature_store.yaml", storeFile(source)),
            ("\(source).yaml", sourceFile(source, file)),
            ("\(view).yaml", viewFile(view, source)),
            ("request_features.yaml", requestFile(view)),
            (
                "\(source)_v1.yaml",
                """
                # What a model is given, in this order: the order of the features is the model's input order.
                kind: feature_service
                name: \(source)_v1
                features: [\(view), request_features]

                """
            ),
        ]
    }

    private func storeFile(_ source: String) -> String {
        """
        # The project, a part of every online key, and where its stores are. A variable that is not set leaves the address to the
        # command's own setting.
        project: \(source)
        online_store: {type: redis, url: "${REDIS_URL}"}
        offline_store: {type: postgres, url: "${DATABASE_URL}"}

        """
    }

    private func sourceFile(_ source: String, _ file: String) -> String {
        var text = """
            # Proposed from the first \(Padding.grouped(rows)) rows of \(Self.comment(file)). Each guess has its reason behind it; change what is wrong.
            # A ? marks what a row may lack. The types are string, integer, double, decimal(0) to decimal(9), decimal(2, round) and
            # boolean; `needletail features functions` tells the rest of the language.
            kind: source
            name: \(source)
            topic: \(source)
            event_id: \(Self.value(eventID.name))  # another value in each of these rows

            """
        let format = timeProfile.format.name
        text +=
            "event_timestamp: {field: \(Self.value(time.name)), format: \(Self.quoted(format))}  # reads every row\(timeRemark)\n"
        text += "fields:\n"
        for column in columns where column.name != label?.name {
            let (type, reason) = declaration(column)
            // In braces and lists a comma ends a value; here it does not, but quotes are the habit that always works.
            let written = type.contains(",") ? "\"\(type)\"" : type
            text += "  \(Self.name(column.name)): \(written)\(reason.isEmpty ? "" : "  # \(reason)")\n"
        }
        for column in leftOut { text += "  # left out: \(Self.comment(column.name)), \(column.reason)\n" }
        if let label {
            text += """
                # Never part of an event: 0 or 1, known so long after it. Set the delay to what it is in life.
                label: {field: \(Self.value(label.name)), topic: \(source)_labels, delay: 7d}  # only 0 and 1 in it

                """
        } else {
            text += """
                # No column holds only 0 and 1, so there is no label, and no model can be trained. With one:
                # label: {field: is_fraud, topic: \(source)_labels, delay: 7d}

                """
        }
        return text
    }

    private var timeRemark: String {
        var remark = timeProfile.ordered == 1 ? ", and the rows are in its order" : ""
        if timeProfile.ordered < 1 {
            remark =
                ", but \(Int(((1 - timeProfile.ordered) * 100).rounded(.up))) % of the rows are earlier than the row before: sort the file by it"
        }
        if let twin = timeProfile.twin {
            remark += "; \(twin.name) would read them too: is the day where it should be?"
        }
        return remark
    }

    /// The type of a column, and why.
    func declaration(_ column: ColumnProfile) -> (type: String, reason: String) {
        let total = Padding.grouped(column.rows)
        let optional = column.missing > 0 ? "?" : ""
        let lacks = column.missing > 0 ? "empty in \(Padding.grouped(column.missing)) of \(total) rows" : ""
        if column.name == time.name {
            return (timeProfile.format.isNumeric ? "integer" : "string", "the event's time")
        }
        if column.name == eventID.name { return ("string", "the event's id; a string also takes a number's digits") }
        if column.name == key.name {
            return ("string", "whose the event is: \(Padding.grouped(column.distinct)) different in \(total) rows")
        }
        func with(_ reason: String) -> String { [reason, lacks].filter { !$0.isEmpty }.joined(separator: ", ") }
        return switch column.kind {
        case .empty: ("string?", "empty in all of these rows")
        case .boolean: ("boolean\(optional)", lacks)
        case .integer: ("integer\(optional)", lacks)
        case .decimal(let places): ("decimal(\(places))\(optional)", lacks)
        case .noisyDecimal(let places):
            ("decimal(\(places), round)\(optional)", with("some have the noise of floats behind their places"))
        case .double: ("double\(optional)", with("no sums or means of it: those need a decimal"))
        case .digits: ("string\(optional)", with("digits that are a name, no number"))
        case .decimalComma: ("string\(optional)", with("numbers with a comma: write points to make them a decimal"))
        case .text: ("string\(optional)", lacks)
        }
    }

    private func viewFile(_ view: String, _ source: String) -> String {
        var text = """
            # What a \(Self.comment(key.name)) did before an event: windows are [t - W, t), so neither the event nor its ties count.
            kind: stream_feature_view
            name: \(view)
            entity: {name: \(Self.identifier(key.name, else: "entity")), join_key: \(Self.value(key.name)), type: string}
            source: \(source)
            aggregations:

            """
        if let amount {
            text +=
                "  - {column: \(Self.value(amount.name)), functions: [count, sum, mean, std, max], windows: [1h, 24h, 7d, 30d]}  # taken for the amount\n"
        } else {
            text += "  - {functions: [count], windows: [1h, 24h, 7d, 30d]}  # no column was taken for an amount\n"
        }
        if let place {
            text += "  - {column: \(Self.value(place.name)), functions: [distinct_count], windows: [24h, 7d]}\n"
        }
        return text + """
              - {functions: [seconds_since_last]}
            bounds: left_closed
            current_event: exclude

            """
    }

    private func requestFile(_ view: String) -> String {
        var text = """
            # Computed when a request comes. A missing part makes the result missing, and so does a division by zero.
            kind: on_demand_feature_view
            name: request_features
            inputs: [\(view), request]
            features:

            """
        var taken: Set<String> = []
        func add(_ name: String, _ expression: String, _ reason: String = "") {
            var unique = Self.identifier(name, else: "feature")
            while !taken.insert(unique).inserted { unique += "x" }
            let written = expression.contains("`") || expression.contains("$") ? Self.value(expression) : expression
            text += "  \(unique): \(written)\(reason.isEmpty ? "" : "  # \(reason)")\n"
        }
        if let amount {
            let own = Self.reference(amount.name)
            add("amount", own)
            for feature in ["mean_24h", "mean_7d", "mean_30d", "max_30d"] {
                add("amount_over_\(feature)", "\(own) / \(view).\(Self.reference("\(amount.name)_\(feature)"))")
            }
        }
        add("hour", "hour_of_day(event_timestamp)", "UTC")
        add("weekday", "day_of_week(event_timestamp)", "0 is Monday")
        for column in plainFeatures.prefix(24) {
            let isText = column.kind == .text || column.kind == .digits
            add(
                column.name, Self.reference(column.name), isText ? "a category: \(column.distinct) different texts" : ""
            )
        }
        return text
    }

    // MARK: spelling

    /// A name for tables and features: letters, digits and single underscores.
    static func identifier(_ text: String, else other: String) -> String {
        var name = ""
        for byte in text.utf8 {
            let isPlain = (0x61...0x7A).contains(byte | 0x20) || (0x30...0x39).contains(byte)
            if isPlain {
                name.unicodeScalars.append(Unicode.Scalar(byte))
            } else if !name.isEmpty, name.last != "_" {
                name += "_"
            }
        }
        name = String(name.prefix(40))
        while name.last == "_" { name.removeLast() }
        guard let first = name.utf8.first else { return other }
        return (0x30...0x39).contains(first) ? "\(other)_\(name)" : name
    }

    private static func isPlain(_ name: String) -> Bool {
        let words: Set = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"]
        return identifier(name, else: "") == name && !words.contains(name.lowercased())
    }

    /// A name as the key of a YAML mapping.
    private static func name(_ name: String) -> String { isPlain(name) ? name : quoted(name) }

    /// A text as a YAML value, where `$` begins a variable.
    private static func value(_ text: String) -> String {
        isPlain(text) ? text : quoted(text.replacing("$", with: "$$"))
    }

    private static func quoted(_ text: String) -> String {
        "\"\(text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\""))\""
    }

    /// A field's name within an expression.
    private static func reference(_ name: String) -> String {
        let isPlain = name.utf8.first.map { ($0 | 0x20) >= 0x61 && ($0 | 0x20) <= 0x7A || $0 == 0x5F } ?? false
        let letters = name.utf8.allSatisfy {
            (0x61...0x7A).contains($0 | 0x20) || (0x30...0x39).contains($0) || $0 == 0x5F
        }
        return isPlain && letters ? name : "`\(name)`"
    }

    /// What may stand in a comment: one line of it.
    private static func comment(_ text: String) -> String {
        String(text.map { $0.isNewline ? " " : $0 }.prefix(80))
    }
}
