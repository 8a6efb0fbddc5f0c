// FeatureStoreCommands
