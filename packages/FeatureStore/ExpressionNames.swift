import FeatureEngine

/// What a name in an on-demand expression means. The one order of looking it up, for reading a view and for building a service:
/// the event time, a field of the request, a stream view's feature, another on-demand feature.
struct ExpressionNames {
    let source: SourceSchema
    let views: [StreamView]
    /// The expression of an on-demand view's feature, by both names.
    let expression: (_ view: String, _ feature: String) -> Expression?

    /// The meaning of `view.name`, or of a bare name within the on-demand view `scope`; nil when there is none.
    func operand(_ view: String?, _ name: String, in scope: String) -> ExpressionOperand? {
        if view == nil, name == "event_timestamp" { return .eventTime }
        if view == nil || view == "request", let field = source.index(of: name) { return .field(field) }
        let view = view ?? scope
        if let index = views.firstIndex(where: { $0.name == view }),
            let feature = views[index].features.firstIndex(where: { $0.name == name })
        {
            return .feature(view: index, index: feature, kind: views[index].kinds[feature])
        }
        return expression(view, name).map { .expression($0, scope: view) }
    }
}
