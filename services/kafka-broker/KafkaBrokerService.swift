// KafkaBrokerService
