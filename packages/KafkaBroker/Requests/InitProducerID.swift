import KafkaProtocol
import Observability

extension BrokerCore {
    /// Versions 0–1. A transactional id is refused with an error that ends every client at once.
    func initProducerID(_ request: InitProducerIDRequest) -> InitProducerIDResponse {
        var response = InitProducerIDResponse()
        guard request.transactionalID == nil else {
            response.error = .transactionalIDAuthorizationFailed
            return response
        }
        do {
            response.producerID = try takeProducerID()
            response.producerEpoch = 0
        } catch {
            log.error("producer id could not be stored", ["reason": "\(error)"])
            response.error = .kafkaStorageError
        }
        return response
    }
}
