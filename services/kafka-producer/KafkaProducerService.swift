// KafkaProducerService
