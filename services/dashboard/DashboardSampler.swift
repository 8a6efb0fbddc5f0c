/// An HTTP answer: status and body.
package struct PageAnswer: Sendable {
    package let status: Int, body: [UInt8]

    package init(status: Int, body: [UInt8]) {
        self.status = status
        self.body = body
    }
}

/// Whom the dashboard asks. `LiveSources` asks servers, tests answer from records.
package protocol DashboardSources: AnyObject {
    /// The answers of several addresses, all asked at once; nil for one that does not answer in time.
    func pages(_ urls: [String]) -> [PageAnswer?]
    /// Throws when the online store does not answer.
    func pingOnlineStore() throws
    /// The predictions since the call before, oldest first, and how many predictions were passed over.
    func newPredictions() throws -> (predictions: [Prediction], skipped: Int64)
    /// The end of a partition's log, nil when the broker does not say.
    func logEnd(topic: String, partition: Int32) -> Int64?
    /// How far the tables are, and the champion of a service (nil: of the one that changed last). Throws when Postgres does not
    /// answer.
    func stored(service: String?) throws -> (positions: [StoredPosition], champion: Champion?)
}

/// Asks every part for its state, one round at a time. Confined to the thread that calls `observe`, one at a time.
package final class DashboardSampler: @unchecked Sendable {  // See above: never called twice at once.
    package let project: String
    private let sources: any DashboardSources
    private let services: [(name: String, url: String)]
    private let schedule: String?

    /// `services` are the addresses of `transform`, `api` and `produce`, in the order to show them; `schedule` is the one of the
    /// schedule, which not every system has.
    package init(
        project: String, sources: any DashboardSources, services: [(name: String, url: String)], schedule: String? = nil
    ) {
        self.project = project
        self.sources = sources
        self.services = services
        self.schedule = schedule
    }

    /// One round at a moment. Whatever does not answer within about two seconds is down; the rest is shown nevertheless.
    package func observe(timeMillis: Int64, clockMillis: Int64) -> Observation {
        var observation = Observation(timeMillis: timeMillis, clockMillis: clockMillis)
        observeServices(&observation)
        let kafka = state { try observeKafka(&observation) }
        let redis = state { try sources.pingOnlineStore() }
        let postgres = state { try observePostgres(&observation, asksLog: kafka == .up) }
        let stores: [(String, PartState)] = [("kafka", kafka), ("redis", redis), ("postgres", postgres)]
        // The services that features and answers come from first: a narrow header ends behind them.
        let last = observation.parts.filter { $0.name == "produce" }
        observation.parts = observation.parts.filter { $0.name != "produce" } + stores + last
        return observation
    }

    private func state(_ ask: () throws -> Void) -> PartState {
        do {
            try ask()
            return .up
        } catch {
            return .down(Masking.digits(in: String("\(error)".unicodeScalars.prefix(300))))
        }
    }

    private func observeServices(_ observation: inout Observation) {
        let watched = services.filter { $0.name != "produce" }
        let urls =
            services.map { $0.url + "/metrics" } + watched.map { $0.url + "/health/ready" }
            + [schedule].compactMap { $0.map { $0 + "/metrics" } }
        let answers = sources.pages(urls)
        for (index, service) in services.enumerated() {
            guard let page = answers[index], page.status == 200 else {
                let status = answers[index].map { "answers \($0.status) at" } ?? "no answer at"
                observation.parts.append((service.name, .down("\(status) \(service.url)")))
                continue
            }
            observation.read(service.name, PrometheusText(String(decoding: page.body, as: UTF8.self)))
            observation.parts.append((service.name, .up))
        }
        for (index, service) in watched.enumerated() {
            guard let page = answers[services.count + index] else { continue }
            observation.readReadiness(service.name, status: page.status, page.body)
        }
        if schedule != nil, let page = answers[services.count + watched.count], page.status == 200 {
            observation.readSchedule(PrometheusText(String(decoding: page.body, as: UTF8.self)))
        }
        // An API that does not name its model among its metrics may still say it here, unless it wants a key.
        if case .unknown = observation.served, observation.state(of: "api") == .up,
            let api = services.first(where: { $0.name == "api" }),
            let page = sources.pages([api.url + "/api/v1/model"]).first ?? nil
        {
            observation.readModel(status: page.status, page.body)
        }
    }

    private func observeKafka(_ observation: inout Observation) throws {
        let new = try sources.newPredictions()
        observation.predictions = new.predictions
        observation.skippedPredictions = new.skipped
    }

    private func observePostgres(_ observation: inout Observation, asksLog: Bool) throws {
        var service: String?
        if case .value(let served) = observation.served { service = served.service }
        let stored = try sources.stored(service: service)
        observation.champion = stored.champion.map { .value($0) } ?? .none
        let lags = stored.positions.map { position in
            let end = asksLog ? sources.logEnd(topic: position.topic, partition: position.partition) : nil
            return PartitionLag(
                topic: position.topic, partition: Int(position.partition),
                records: end.map { end in
                    let (difference, overflow) = end.subtractingReportingOverflow(position.next)
                    return overflow ? 0 : max(0, difference)
                })
        }
        observation.lags = lags.isEmpty ? .none : .value(lags)
    }
}
