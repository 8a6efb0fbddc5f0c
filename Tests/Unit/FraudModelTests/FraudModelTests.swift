// FraudModelTests
