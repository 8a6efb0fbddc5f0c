// BatchFeatures
