import JSON
import TerminalUI

/// The overview as data and as lines.
package enum Report {
    /// One object: rates, shares, latency, lag, the model, the servers, what is wrong.
    package static func json(_ model: DashboardModel) -> String {
        func number(_ value: Double?) -> JSONTree { value.flatMap { $0.isFinite ? .number($0) : nil } ?? .null }
        let newest = model.newest
        let latency = model.window.recentLatency
        var champion: JSONTree = .null
        if case .value(let known)? = newest?.champion { champion = .string(known.version) }
        var served: JSONTree = .null
        if case .value(let known)? = newest?.served { served = .string(known.version) }
        var lags: JSONTree = .null
        if case .value(let known)? = newest?.lags {
            lags = .array(
                known.map {
                    [
                        "topic": .string($0.topic), "partition": .number($0.partition),
                        "records": $0.records.map { .number(Int($0)) } ?? .null,
                    ]
                })
        }
        let parts = (newest?.parts ?? []).map { part -> JSONTree.Member in
            switch part.state {
            case .up: .init(part.name, .string("up"))
            case .unknown: .init(part.name, .null)
            case .down(let reason): .init(part.name, .string("down: \(reason)"))
            }
        }
        var jobs: JSONTree = .null
        if case .value(let known)? = newest?.jobs {
            jobs = .array(
                known.map {
                    [
                        "job": .string($0.name), "running": .bool($0.isRunning), "failed": .bool($0.hasFailed),
                        "next": $0.nextMillis.map { .number(Int($0)) } ?? .null,
                    ]
                })
        }
        let tree: JSONTree = [
            "time": newest.map { .number(Int($0.timeMillis)) } ?? .null, "project": .string(model.project),
            "produced_per_second": number(model.rates[.produced]?.last),
            "transformed_per_second": number(model.rates[.transformed]?.last),
            "predictions_per_second": number(model.rates[.predictions]?.last),
            "fraud_share": number(share(.frauds, model)), "degraded_share": number(share(.degraded, model)),
            "latency_p50_seconds": number(quantile(0.5, of: latency)),
            "latency_p99_seconds": number(quantile(0.99, of: latency)),
            "freshness_seconds": number(newest?.freshnessSeconds), "lags": lags, "champion": champion,
            "served_model": served, "alerts": .array(model.alerts.prefix(50).map(alert)), "servers": .object(parts),
            "jobs": jobs,
            "notices": .array(model.notices.map { .string($0.text) }),
        ]
        return tree.text()
    }

    private static func share(_ counter: Counter, _ model: DashboardModel) -> Double? {
        guard let all = model.window.growth(of: .predictions), all.count > 0 else { return nil }
        return model.window.growth(of: counter).map { $0.count / all.count }
    }

    private static func alert(_ alert: Prediction) -> JSONTree {
        [
            "prediction_id": .string(alert.predictionID), "transaction_id": .string(alert.transactionID),
            "entity": .string(alert.entity),
            "event_timestamp": alert.eventTimeMillis.map { .number(Int($0)) } ?? .null,
            "amount": .string(alert.amount),
            "probability": alert.probability.isFinite ? .number(alert.probability) : .null,
        ]
    }

    /// What has changed since a round, a sentence a line: servers, notices, alerts, and the rates once at the beginning.
    package static func lines(_ model: DashboardModel, after before: DashboardModel?) -> [String] {
        var lines: [String] = []
        let time = clock(model.newest?.timeMillis).suffix(8)
        if before == nil {
            lines.append(
                "\(time) transformed \(rate(model.rates[.transformed]?.last)), predictions \(rate(model.rates[.predictions]?.last))"
            )
        }
        for part in model.newest?.parts ?? [] where before?.newest?.state(of: part.name) != part.state {
            switch part.state {
            case .up: lines.append("\(time) \(part.name) is up")
            case .down(let reason): lines.append("\(time) \(part.name) is down: \(cleaned(reason))")
            case .unknown: break
            }
        }
        let said = Set(before?.notices ?? [])
        for notice in model.notices where !said.contains(notice) {
            lines.append("\(time) note: \(cleaned(notice.text))")
        }
        let known = Set((before?.alerts ?? []).map(\.predictionID))
        let new = before == nil ? [] : model.alerts.filter { !known.contains($0.predictionID) }
        for alert in new.prefix(20).reversed() {
            let texts = ([alert.entity] + alert.texts + [alert.amount]).filter { !$0.isEmpty }.map(cleaned)
            lines.append(
                "\(time) alert: score \(decimal(alert.probability, 3)), \(texts.joined(separator: ", "))\(alert.isDegraded ? ", without all features" : "")"
            )
        }
        if new.count > 20 { lines.append("\(time) \(new.count - 20) more alerts") }
        return lines
    }
}
