import FeatureEngine
import FeatureStore
import Foundation
import Testing

@Suite struct DefinitionMessageTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let file: String
        let old: String
        let new: String
        let messages: [String]
        var testDescription: String { "\(file): \(new)" }

        init(_ file: String, _ old: String, _ new: String, _ messages: String...) {
            self.file = file
            self.old = old
            self.new = new
            self.messages = messages
        }
    }

    @Test(arguments: cases)
    func `a mistake is named with its place and what to do`(mistake: Case) throws {
        let text = try #require(Repositories.good[mistake.file]).replacing(mistake.old, with: mistake.new)
        #expect(Repositories.problems(replacing: mistake.file, with: text) == mistake.messages)
    }

    @Test func `a comma within braces, another ending, a tab and an unset address are named`() throws {
        let cut = Repositories.problems(
            replacing: "source.yaml", with: Repositories.source.replacing("decimal(2)", with: "decimal(2, round)"))
        #expect(
            cut.first
                == "source.yaml:6:69: the type of `amt` is `decimal(2`, which is unknown. Within braces put it in quotes: \"decimal(2, round)\"."
        )

        let ending = Repositories.problems(Repositories.good.merging(["card.yml": Repositories.view]) { $1 })
        #expect(ending == ["card.yml: only *.yaml files are read, and this one ends in .yml. Rename it to card.yaml."])

        for (old, line, column) in [("  - {column", 6, 1), ("source: tx", 4, 1)] {
            let text = Repositories.view.replacing(old, with: "\t" + old.drop { $0 == " " })
            #expect(
                Repositories.problems(replacing: "view.yaml", with: text) == [
                    "view.yaml:\(line):\(column): a tab stands in the indentation. Put spaces in its place: YAML allows no tabs there."
                ])
        }

        func store(_ url: String) -> [String] {
            let text = "project: demo\nonline_store: {type: redis, url: \"\(url)\"}\n"
            return Repositories.problems(Repositories.good.merging(["feature_store.yaml": text]) { $1 })
        }
        #expect(
            store("${REDIS_URLL}") == [
                "feature_store.yaml:2:34: the environment variable `REDIS_URLL` is not set. Did you mean `${REDIS_URL}`?"
            ])
        #expect(store("${REDIS_URL}") == [])
        let type = "project: demo\noffline_store: {type: sqlite}\n"
        #expect(
            Repositories.problems(Repositories.good.merging(["feature_store.yaml": type]) { $1 }) == [
                "feature_store.yaml:2:23: the type of `offline_store` is `sqlite`, which is unknown. Write postgres."
            ])
    }

    @Test(arguments: [
        ("amt if amt > 1 else 2", "there is no operator `if`", "Write if(condition, then, otherwise)"),
        ("amt ** 2", "there is no operator `**`", "Multiply: x * x"),
        ("amt > 1 and lat < 2", "there is no operator `and`", "Multiply the comparisons: (a > 1) * (b < 2)"),
        ("if(amt > 1 or lat < 2, 1, 0)", "there is no operator `or`", "Write max(a > 1, b < 2)"),
        ("(amt > 1 && lat < 2)", "there is no operator `&&`", "Multiply the comparisons: (a > 1) * (b < 2)"),
        ("not is_missing(note)", "there is no operator `not`", "Write 1 - (a > 1)"),
        ("amt > 1 ? 1 : 0", "`?` means nothing here", "Write if(condition, then, otherwise)"),
        ("amt ^ 2", "`^` means nothing here", "Multiply: x * x"),
        ("amt <> 2", "there is no operator `<>`", "Compare with !="),
        ("amt = 2", "`=` means nothing here", "Compare with =="),
    ])
    func `operators of other languages are translated`(expression: String, message: String, fix: String) throws {
        do {
            _ = try Expression(parsing: expression)
            Issue.record("taken")
        } catch {
            #expect(error.message == message)
            #expect(error.fix == fix)
        }
    }

    // swift-format-ignore
    static let cases: [Case] = [
        .init("view.yaml", "column: amt", "column: amout",
            "view.yaml:6:14: view `act` aggregates `amout`, which the source `tx` does not have. Did you mean `amt`?"),
        .init("view.yaml", "column: amt", "column: fraud",
            "view.yaml:6:14: view `act` aggregates `fraud`, the label, which is not known when the event happens. Remove it; labels enter training only."),
        .init("view.yaml", "column: amt", "column: note",
            "view.yaml:6:14: view `act` aggregates `note`, which a row may lack. Remove the ? behind its type in the source, or aggregate another column."),
        .init("view.yaml", "{column: amt, functions: [count, mean]", "{column: lat, functions: [min, sum]",
            "view.yaml:6:36: view `act` computes sum of `lat`, a double: its sums would depend on their order. Declare it as a decimal in the source, like `lat: decimal(2)`."),
        .init("view.yaml", "{column: amt, functions: [count, mean]", "{column: shop, functions: [mean]",
            "view.yaml:6:32: view `act` computes mean of `shop`, a string. A string takes count, distinct_count, first and last."),
        .init("view.yaml", "mean]", "avg]",
            "view.yaml:6:38: an aggregation of view `act` uses the function `avg`, which is unknown. Did you mean `mean`?"),
        .init("view.yaml", "mean]", "fraud_rate]",
            "view.yaml:6:38: an aggregation of view `act` uses fraud_rate, which does not exist yet. Remove it; labels enter training only."),
        .init("view.yaml", "7d]", "7days]",
            "view.yaml:6:59: a window of view `act` is `7days`, which is no length of time. Write a number and a unit, like 90s, 15m, 1h, 7d or 2w."),
        .init("view.yaml", "7d]", "0h]",
            "view.yaml:6:59: a window of view `act` is `0h`, which is too short. Choose between 1ms and 3650d."),
        .init("view.yaml", "7d]", "20y]",
            "view.yaml:6:59: a window of view `act` is `20y`, which is no length of time. Write a number and a unit, like 90s, 15m, 1h, 7d or 2w."),
        .init("view.yaml", "7d]", "5000d]",
            "view.yaml:6:59: a window of view `act` is `5000d`, which is too long. Choose between 1ms and 3650d."),
        .init("view.yaml", "7d]", "1h]",
            "view.yaml:6:59: an aggregation of view `act` has the window `1h` twice. Remove one of them."),
        .init("view.yaml", "[1h, 7d]", "[168h, 7d]",
            "view.yaml:6:61: an aggregation of view `act` has the window `7d` twice, first as `168h`, which is as long. Remove one of them."),
        .init("view.yaml", "[count, mean]", "[count, summ, avg]",
            "view.yaml:6:38: an aggregation of view `act` uses the function `summ`, which is unknown. Did you mean `sum`?",
            "view.yaml:6:44: an aggregation of view `act` uses the function `avg`, which is unknown. Did you mean `mean`?"),
        .init("view.yaml", ", windows: [1h, 7d]", "",
            "view.yaml:6:31: an aggregation of view `act` computes count over no window. Add `windows: [1h, 24h]`."),
        .init("view.yaml", "column: amt, ", "",
            "view.yaml:6:25: view `act` computes mean of no column. Add `column:` with a field."),
        .init("view.yaml", "functions: [count, mean]", "functions: [seconds_since_last]",
            "view.yaml:6:61: an aggregation of view `act` gives windows to functions that take none. Remove them; first, last and seconds_since_last look back over the view's whole retention."),
        .init("view.yaml", "source: tx", "source: tz",
            "view.yaml:4:9: view `act` reads the source `tz`, which is not defined. Did you mean `tx`?"),
        .init("view.yaml", "source: tx", "source: tx\nbound: left_closed",
            "view.yaml:5:1: the view has an unknown key `bound`. Did you mean `bounds`?"),
        .init("view.yaml", "source: tx", "source: tx\nbounds: open",
            "view.yaml:5:9: `bounds` is `open`, which is unknown. Write left_closed or right_closed."),
        .init("view.yaml", "source: tx", "source: tx\ntail_hop: 1h",
            "view.yaml:5:11: view `act` declares `tail_hop`, which does not exist yet. Remove it."),
        .init("view.yaml", "join_key: card", "join_key: cart",
            "view.yaml:3:32: view `act` joins on `cart`, which the source `tx` does not have. Did you mean `card`?"),
        .init("view.yaml", "join_key: card", "join_key: lat",
            "view.yaml:3:32: view `act` joins on `lat`, a field of type double. A join key is a string or an integer that every row has."),
        .init("view.yaml", "type: string", "type: integer",
            "view.yaml:3:44: the join key's type is `integer`, but the source declares `card: string`. Make the two agree."),
        .init("view.yaml", "name: act", "name: tx",
            "view.yaml:2:7: the name `tx` is taken by the source in source.yaml:2. Choose another name."),
        .init("view.yaml", "name: act", "name: labels",
            "view.yaml:2:7: the view's name is `labels`, which Needletail uses itself. Choose another name."),
        .init("view.yaml", "name: act", "name: my-view",
            "view.yaml:2:7: the view's name is `my-view`, which cannot be a name. Use letters, digits and single underscores, and begin with a letter."),
        .init("view.yaml", "kind: stream_feature_view", "kind: stream_view",
            "view.yaml:1:7: `kind` is `stream_view`, which is unknown. Write source, stream_feature_view, on_demand_feature_view or feature_service."),
        .init("view.yaml", "name: act\n", "",
            "view.yaml:1:1: the view lacks `name`. Add `name: card_activity`."),
        .init("view.yaml", "  - {column", "  - column",
            "view.yaml:6:27: is not YAML: mapping values are not allowed in this context. Check indentation, quotes and brackets up to this place."),
        .init("view.yaml", "source: tx", "source: &a tx",
            "view.yaml:4:9: anchors are not supported: write the value out where it is used. Repeat the value."),
        .init("view.yaml", "source: tx", "source: tx\nsource: tx",
            "view.yaml:5:1: the key `source` stands twice, first on line 4. Remove one of them."),
        .init("source.yaml", "decimal(2)", "decimal(12)",
            "source.yaml:6:69: the type of `amt` is `decimal(12)`, which is unknown. A decimal has 0 to 9 places, like decimal(2), or decimal(2, round) to round what has more."),
        .init("source.yaml", "lat: double", "lat: doubl",
            "source.yaml:6:86: the type of `lat` is `doubl`, which is unknown. Did you mean `double`?"),
        .init("source.yaml", "event_id: id", "event_id: idd",
            "source.yaml:4:11: `event_id` of source `tx` names `idd`, which is not among its fields. Did you mean `id`?"),
        .init("source.yaml", "event_id: id", "event_id: amt",
            "source.yaml:4:11: `event_id` of source `tx` names `amt`, a field of type decimal(2). Declare it as string; that also takes a number's digits."),
        .init("source.yaml", "event_id: id", "event_id: note",
            "source.yaml:4:11: `event_id` of source `tx` names `note`, which a row may lack. Remove the ? behind its type."),
        .init("source.yaml", "HH:mm:ss", "HH:qq",
            "source.yaml:5:40: the time's format is `yyyy-MM-dd HH:qq`, which is unknown. Write unix_seconds, unix_millis, iso8601 or a pattern like \"yyyy-MM-dd HH:mm:ss\"."),
        .init("source.yaml", "\"yyyy-MM-dd HH:mm:ss\"", "unix_seconds",
            "source.yaml:5:26: `event_timestamp` of source `tx` names `time`, a field of type string, but unix_seconds is read from an integer. Declare `time: integer`, or change the format."),
        .init("source.yaml", "{id: string", "{fraud: integer, id: string",
            "source.yaml:6:10: `fraud` of source `tx` is the label, which is never part of the event. Remove it from `fields`; `label` declares it."),
        .init("source.yaml", "{id: string", "{event_timestamp: string, id: string",
            "source.yaml:6:10: the field `event_timestamp` of source `tx` has the name of a column that every table has. Rename the column in the data and here."),
        .init("source.yaml", "topic: labels", "topic: tx",
            "source.yaml:7:30: label of source `tx` arrives on `tx`, the topic of its events. Give labels a topic of their own, such as `labels`."),
        .init("source.yaml", "topic: tx", "topic: a b",
            "source.yaml:3:8: the topic is `a b`, which Kafka does not allow. Use up to 240 letters, digits, dots, underscores and hyphens."),
        .init("source.yaml", "topic: tx\n", "",
            "source.yaml:1:1: source `tx` lacks `topic`. Add `topic: tx`."),
        .init("source.yaml", "topic: tx", "topic: \"${TOPIC}\"",
            "source.yaml:3:8: the environment variable `TOPIC` is not set. Set it, or write ${TOPIC:-a default} into the file."),
        .init("on_demand.yaml", "amt / act.amt_mean_7d", "amt / act.amt_mean_8d",
            "on_demand.yaml:6:16: the feature `ratio` of view `req`: the view `act` has no feature `amt_mean_8d`. Did you mean `amt_mean_7d`?"),
        .init("on_demand.yaml", "amt / act.amt_mean_7d", "amt / acts.amt_mean_7d",
            "on_demand.yaml:6:16: the feature `ratio` of view `req`: there is no view `acts`. Did you mean `act`?"),
        .init("on_demand.yaml", "amt / act.amt_mean_7d", "amt / amt_mean_7d",
            "on_demand.yaml:6:16: the feature `ratio` of view `req`: `amt_mean_7d` is neither a field of the source `tx` nor a feature of this view. Write `act.amt_mean_7d`."),
        .init("on_demand.yaml", "amt / act.amt_mean_7d", "amount * 2",
            "on_demand.yaml:6:10: the feature `ratio` of view `req`: `amount` is neither a field of the source `tx` nor a feature of this view. The fields are id, time, card, shop, amt, lat, note."),
        .init("on_demand.yaml", "amt / act.amt_mean_7d", "fraud * 2",
            "on_demand.yaml:6:10: the feature `ratio` of view `req`: `fraud` is the label, which is not known when the request comes. Remove it; labels enter training only."),
        .init("on_demand.yaml", "amt / act.amt_mean_7d", "shop * 2",
            "on_demand.yaml:6:10: the feature `ratio` of view `req`: `shop` is a text, and a number is needed here. Compare it with a text (==), or use it alone as a category."),
        .init("on_demand.yaml", "amt / act.amt_mean_7d", "\"hour_of_day(amt)\"",
            "on_demand.yaml:6:23: the feature `ratio` of view `req`: a time is needed here. Give `event_timestamp`, or a string field with a date like 1988-03-09."),
        .init("on_demand.yaml", "amt / act.amt_mean_7d", "event_timestamp + 1",
            "on_demand.yaml:6:10: the feature `ratio` of view `req`: `event_timestamp` is a time, not a number. Give it to hour_of_day, day_of_week, years_between or age_years."),
        .init("on_demand.yaml", "amt / act.amt_mean_7d", "amt / (2 + 3",
            "on_demand.yaml:6:22: the feature `ratio` of view `req`: a `)` should stand where the end is. Close the parenthesis opened at character 7."),
        .init("on_demand.yaml", "amt / act.amt_mean_7d", "amt / ",
            "on_demand.yaml:6:15: the feature `ratio` of view `req`: a number, a name or a function should stand where the end is. Complete the expression."),
        .init("on_demand.yaml", "amt / act.amt_mean_7d", "amt % 2",
            "on_demand.yaml:6:14: the feature `ratio` of view `req`: `%` means nothing here. There is no remainder; hour_of_day and day_of_week give parts of a time."),
        .init("on_demand.yaml", "amt / act.amt_mean_7d", "lgo(amt)",
            "on_demand.yaml:6:10: the feature `ratio` of view `req`: there is no function `lgo`. Did you mean `log`?"),
        .init("on_demand.yaml", "amt / act.amt_mean_7d", "log(amt, 2)",
            "on_demand.yaml:6:10: the feature `ratio` of view `req`: `log` takes 1 argument, not 2. Remove what is too much."),
        .init("on_demand.yaml", "amt / act.amt_mean_7d", "1 < amt < 3",
            "on_demand.yaml:6:18: the feature `ratio` of view `req`: comparisons do not chain. Put the first one into parentheses."),
        .init("on_demand.yaml", "amt / act.amt_mean_7d", "shop == amt",
            "on_demand.yaml:6:10: the feature `ratio` of view `req`: a text and a number are never equal. Compare two texts or two numbers."),
        .init("on_demand.yaml", "amt / act.amt_mean_7d", "other + 1\n  other: ratio",
            "on_demand.yaml:6:10: the feature `ratio` of view `req` is computed from itself: req.ratio → req.other → req.ratio. Break the circle.",
            "on_demand.yaml:7:10: the feature `other` of view `req` is computed from itself: req.other → req.ratio → req.other. Break the circle."),
        .init("on_demand.yaml", "amt / act.amt_mean_7d", "ratio",
            "on_demand.yaml:6:10: the feature `ratio` of view `req` is computed from itself: req.ratio → req.ratio. Break the circle."),
        .init("on_demand.yaml", "inputs: [act, request]", "inputs: [request]",
            "on_demand.yaml:6:16: the feature `ratio` of view `req`: the view `act` is not among the inputs. Add `act` to `inputs`."),
        .init("on_demand.yaml", "inputs: [act, request]", "inputs: [act]",
            "on_demand.yaml:5:8: the feature `amt` of view `req`: `amt` is a field of the request, which is not among the inputs. Add `request` to `inputs`.",
            "on_demand.yaml:6:10: the feature `ratio` of view `req`: `amt` is a field of the request, which is not among the inputs. Add `request` to `inputs`."),
        .init("on_demand.yaml", "inputs: [act, request]", "inputs: [atc, request]",
            "on_demand.yaml:3:10: view `req` has the input `atc`, which is not defined. Did you mean `act`?"),
        .init("service.yaml", "[act, req]", "[act, rec]",
            "service.yaml:3:17: service `svc` takes features of `rec`, which is not defined. Did you mean `req`?"),
        .init("service.yaml", "[act, req]", "[act, req:ratoi]",
            "service.yaml:3:17: service `svc` takes `ratoi` of `req`, which has no such feature. Did you mean `req:ratio`?"),
        .init("service.yaml", "[act, req]", "[act, act:amt_mean_7d]",
            "service.yaml:3:17: service `svc` takes `act:amt_mean_7d` twice. Remove one of them."),
        .init("service.yaml", "[act, req]", "[]",
            "service.yaml:3:11: features of service `svc` should be a list, but it is an empty one. Write it like `features: [card_activity, request_features]`."),
    ]

    @Test func `which of two join keys the topic has is said by the source, and not by the order of files`() throws {
        let shops = Repositories.view.replacing("name: act", with: "name: shops").replacing("card", with: "shop")
        let files = Repositories.good.merging(["a.yaml": shops]) { $1 }
        #expect(
            Repositories.problems(files) == [
                "view.yaml:3:32: view `act` joins on `card` and view `shops` on `shop`, and source `tx` does not say which of them keys its topic. Write `key: shop` into source `tx` if its producers key records so."
            ])
        let keyed = Repositories.source.replacing("topic: tx\n", with: "topic: tx\nkey: card\n")
        let repository = try Repositories.load(files.merging(["source.yaml": keyed]) { $1 })
        #expect(Set(repository.feeds.map(\.topic)) == ["tx", "tx.by-shop"])
        let source = try #require(repository.source(named: "tx"))
        #expect(repository.rekeyedFeeds(of: source).map(\.topic) == ["tx.by-shop"])
        #expect(source.isName(try #require(source.index(of: "shop"))), "its text is held to the rule of keys")
    }

    @Test func `an entity is one key, and the topic of its events nobody else's`() throws {
        let keyed = Repositories.source.replacing("topic: tx\n", with: "topic: tx\nkey: card\n")
        let shops = Repositories.view.replacing("name: act", with: "name: shops").replacing(
            "join_key: card", with: "join_key: shop")
        var files = Repositories.good.merging(["source.yaml": keyed, "view2.yaml": shops]) { $1 }
        #expect(
            Repositories.problems(files) == [
                "view2.yaml:3:32: view `shops` joins entity `card` on `shop`, but view `act` joins it on `card`. Join both on the same field, or name the entities differently."
            ])
        files["view2.yaml"] = shops.replacing("name: card", with: "name: shop")
        files["source.yaml"] = keyed.replacing("topic: labels", with: "topic: tx.by-shop")
        #expect(
            Repositories.problems(files) == [
                "view2.yaml:3:32: view `shops` needs the events by `shop` on the topic `tx.by-shop`, which is one of source `tx`. Name the entity or the topic differently."
            ])
    }

    @Test func `a long chain of features is refused, not dropped`() {
        let chain = (0..<18).map { "  f\($0): f\($0 + 1) + 1" }.joined(separator: "\n")
        let text = "kind: on_demand_feature_view\nname: req\ninputs: [request]\nfeatures:\n\(chain)\n  f18: amt\n"
        #expect(
            Repositories.problems(replacing: "on_demand.yaml", with: text) == [
                "on_demand.yaml:5:7: the feature `f0` of view `req`: more than 16 features refer to one another in a row. Write some of them out.",
                "on_demand.yaml:6:7: the feature `f1` of view `req`: more than 16 features refer to one another in a row. Write some of them out.",
            ])
    }

    @Test func `every mistake of a folder is told at once, in the order of files and lines`() {
        let files = [
            "source.yaml": Repositories.source.replacing("lat: double", with: "lat: dbl")
                .replacing("delay: 7d", with: "delay: soon"),
            "service.yaml": "kind: feature_service\nnam: svc\nfeatures: [act]",
        ]
        #expect(
            Repositories.problems(Repositories.good.merging(files) { $1 }) == [
                "service.yaml:1:1: the service lacks `name`. Add `name: fraud_v1`.",
                "service.yaml:2:1: the service has an unknown key `nam`. Did you mean `name`?",
                "source.yaml:6:86: the type of `lat` is `dbl`, which is unknown. Write string, integer, double, decimal(2), decimal(2, round), boolean; with a ? behind it where a row may lack it.",
                "source.yaml:7:45: the label's delay is `soon`, which is no length of time. Write a number and a unit, like 90s, 15m, 1h, 7d or 2w.",
            ])
    }

    @Test func `a folder without definitions is one sentence`() {
        #expect(
            Repositories.problems(["feature_store.yaml": "online_store: {type: redis}"]) == [
                "feature_store.yaml: no file defines the project. Write `project: fraud` into it.",
                "feature_store.yaml:1:1: the definition lacks `kind`. Add kind: source, stream_feature_view, on_demand_feature_view or feature_service.",
            ])
        do {
            _ = try Repositories.loadFolder("/nonexistent/feature_repo")
            Issue.record("a missing folder was loaded")
        } catch {
            #expect(
                "\(error)"
                    == "/nonexistent/feature_repo: the folder of feature definitions cannot be read. Run in the repository's folder, or give --feature-repo the right one."
            )
        }
    }
}
