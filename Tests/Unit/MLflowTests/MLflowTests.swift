import TestSupport
import Testing

@testable import MLflow

@Suite struct MLflowModelTests {
    @Test func `names are versions or aliases of one model, anything else is none`() {
        #expect(MLflowModel("models:/FraudDetectionModel/7")?.choice == .version("7"))
        #expect(MLflowModel("models:/FraudDetectionModel@champion")?.choice == .alias("champion"))
        #expect(MLflowModel("models:/Fraud Model@a")?.name == "Fraud Model")
        for text in [
            "", "var/models/1", "models:/", "models:/a", "models:/a/b/7", "models:/a/x", "models:/@b", "models:/a@",
            "models:/a/",
        ] {
            #expect(MLflowModel(text) == nil, "\(text)")
        }
    }

    @Test func `an artifact's address is a path of the server's own store`() {
        #expect(MLflowTracking.store("mlflow-artifacts:/2/abc/artifacts") == "2/abc/artifacts")
        for address in ["s3://bucket/2", "/var/lib/2", "mlflow-artifacts:/", "mlflow-artifacts:"] {
            #expect(MLflowTracking.store(address) == nil, "\(address)")
        }
    }

    @Test func `an address is http with a host`() {
        for address in ["", "mlflow:5000", "ftp://host", "http://"] {
            #expect(throws: MLflowError.address(address)) { try MLflowClient(trackingURI: address) }
        }
        #expect(throws: Never.self) { try MLflowClient(trackingURI: "http://127.0.0.1:5000/") }
    }
}
