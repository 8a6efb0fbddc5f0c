// FraudModel
