// PredictionAPITests
