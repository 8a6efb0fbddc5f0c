// KafkaProtocolTests
