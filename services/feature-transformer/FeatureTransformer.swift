// FeatureTransformer
