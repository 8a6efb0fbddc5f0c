// FeatureStoreTests
