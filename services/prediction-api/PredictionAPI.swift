// PredictionAPI
