// GradientBoosting
