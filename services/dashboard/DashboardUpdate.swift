import FeatureEngine

/// Applies an event.
package func update(_ model: inout DashboardModel, _ event: DashboardEvent) {
    switch event {
    case .key(let key): press(key, &model)
    case .observed(let observation): observe(observation, &model)
    case .answered(let question, let answer, let timeMillis): take(answer, to: question, timeMillis, &model)
    case .done(let order, let outcome):
        model.remark = outcome.text
        guard outcome.isDone, order.action == .fraud || order.action == .legitimate else { return }
        model.lastJudged = order.predictionID
        openNext(after: order, &model)
        model.forgetCase(order.predictionID)
    case .allowed(let rights): model.rights = rights
    }
}

private func take(_ answer: Answer, to question: Question, _ timeMillis: Int64, _ model: inout DashboardModel) {
    if case .failed(let reason) = answer {
        model.failures[question.kind] = reason
        return
    }
    model.failures[question.kind] = nil
    model.answers[question.kind] = (answer, question, timeMillis)
    if case .pipeline(let file) = answer {
        for line in file.partitions {
            model.partitionRates.add("\(line.topic)/\(line.partition)", next: line.next, clockMillis: timeMillis)
        }
    }
}

/// After a verdict the next case of the list opens; without one the list.
private func openNext(after order: Order, _ model: inout DashboardModel) {
    guard case .file(let key) = model.place, key == .prediction(order.predictionID) else { return }
    let rows = model.casesTable.shown(model.state(.cases)).map(\.id.description)
    let place = rows.firstIndex { $0.utf8.elementsEqual(order.predictionID.utf8) }
    let next = place.map { rows.dropFirst($0 + 1).first ?? rows.prefix($0).last } ?? nil
    if let next {
        model.place = .file(.prediction(next))
        model.forgetFile()
    } else {
        back(&model)
    }
}

extension DashboardModel {
    /// A case that was judged is none of the list any more, also before the list is asked for again.
    fileprivate mutating func forgetCase(_ id: String) {
        guard let known = answers[.cases], case .cases(let rows) = known.answer else { return }
        let left = rows.filter { !$0.prediction.predictionID.utf8.elementsEqual(id.utf8) }
        answers[.cases] = (.cases(left), known.question, known.timeMillis)
    }
}

private func observe(_ observation: Observation, _ model: inout DashboardModel) {
    model.window.add(observation)
    for counter in [Counter.produced, .transformed, .predictions] {
        var rates = model.rates[counter] ?? []
        rates.append(model.window.newestRate(of: counter) ?? .nan)
        if rates.count > DashboardModel.keptSamples { rates.removeFirst(rates.count - DashboardModel.keptSamples) }
        model.rates[counter] = rates
    }
    for part in observation.parts where part.state == .up { model.lastUp[part.name] = observation.timeMillis }
    switch observation.champion {
    case .value(let champion): model.lastChampion = (champion, observation.timeMillis)
    case .none: model.lastChampion = nil
    case .unknown: break
    }
    model.newest = observation
    model.newest?.predictions = []
    model.plots.add(plotted(observation, model), clockMillis: observation.clockMillis)
    let new = Array(observation.predictions.reversed())
    for prediction in new {
        if let millis = prediction.eventTimeMillis {
            model.newestEventMillis = max(millis, model.newestEventMillis ?? millis)
        }
        if prediction.probability.isFinite {
            model.scoreCounts[max(0, min(9, Int(prediction.probability * 10)))] += 1
        }
    }
    guard model.isPaused else { return show(new, &model) }
    let waiting = new + model.waiting
    model.waiting = Array(waiting.prefix(DashboardModel.keptPredictions))
    model.waitingBeyond += waiting.count - model.waiting.count
}

private func plotted(_ observation: Observation, _ model: DashboardModel) -> [PlotSeries: Double] {
    var values: [PlotSeries: Double] = [:]
    values[.transformed] = model.rates[.transformed]?.last
    values[.predictions] = model.rates[.predictions]?.last
    values[.latency] = quantile(0.99, of: model.window.recentLatency).map { $0 * 1_000 }
    if let predictions = model.window.growth(of: .predictions), predictions.count > 0,
        let frauds = model.window.growth(of: .frauds)
    {
        values[.fraudShare] = frauds.count / predictions.count * 100
    }
    if case .value(let lags) = observation.lags {
        values[.lag] = lags.compactMap(\.records).reduce(0.0) { $0 + Double($1) }
    }
    return values
}

/// Puts predictions on top, newest first.
func show(_ new: [Prediction], _ model: inout DashboardModel) {
    model.predictions = Array((new + model.predictions).prefix(DashboardModel.keptPredictions))
    model.alerts = Array((new.filter(\.isFraud) + model.alerts).prefix(DashboardModel.keptAlerts))
}
