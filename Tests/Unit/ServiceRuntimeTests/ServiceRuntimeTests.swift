// ServiceRuntimeTests
