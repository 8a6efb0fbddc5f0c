// FeatureTransformerTests
