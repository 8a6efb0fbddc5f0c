import KafkaProtocol

extension BrokerCore {
    /// Versions 0–2. Always this broker, for transactions too: their clients hear the refusal from InitProducerId.
    func findCoordinator(_ request: FindCoordinatorRequest) -> FindCoordinatorResponse {
        var response = FindCoordinatorResponse()
        guard (0...1).contains(request.keyType) else {
            response.error = .invalidRequest
            return response
        }
        response.nodeID = identity.nodeID
        response.host = advertisedHost
        response.port = Int32(port)
        return response
    }
}
