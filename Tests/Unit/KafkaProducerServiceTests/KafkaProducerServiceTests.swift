// KafkaProducerServiceTests
