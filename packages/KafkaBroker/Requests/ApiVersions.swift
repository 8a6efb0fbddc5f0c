import KafkaProtocol

extension BrokerCore {
    /// Versions 0–4; any other is answered in version 0's encoding, which every client can read.
    func apiVersions(_ reader: inout ByteReader, _ context: RequestContext) throws(ProtocolError) {
        guard ApiKey.apiVersions.served.contains(context.header.version) else {
            var header = context.header
            header.version = 0
            RequestContext(header: header, connection: context.connection).answer(ApiVersionsResponse.fallback())
            return
        }
        let request = try ApiVersionsRequest(from: &reader, version: context.header.version)
        if context.header.version >= 3 && !request.isWellFormed {
            var refusal = ApiVersionsResponse()
            refusal.error = .invalidRequest
            return context.answer(refusal)
        }
        context.answer(ApiVersionsResponse.everything())
    }
}
