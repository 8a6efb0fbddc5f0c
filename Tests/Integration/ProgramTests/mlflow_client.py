"""What MLflow's own clients make of what was sent: mlflow_client.py FEATURES.csv SCORES.csv needletail.json"""
import json
import sys

import mlflow
import numpy as np
import pandas as pd

features, scores, card = sys.argv[1:]
client = mlflow.MlflowClient()
name = "FraudDetectionModel"

runs = client.search_runs([client.get_experiment_by_name("needletail").experiment_id], order_by=["start_time"])
assert [run.info.status for run in runs] == ["FINISHED"] * 2, runs
first = runs[0].data
assert first.params["max_depth"] == "3" and first.metrics["average_precision"] > 0, first
assert first.metrics["logistic_average_precision"] > 0, first
assert first.tags["needletail.definition_hash"] and first.tags["mlflow.user"], first
files = {file.path for file in client.list_artifacts(runs[0].info.run_id, "model/metrics")}
assert "model/metrics/report.html" in files, files

versions = client.search_model_versions(f"name='{name}'")
assert sorted(int(v.version) for v in versions) == [1, 2], versions
champion = client.get_model_version_by_alias(name, "champion")
assert champion.version == "1" and champion.tags["needletail.version"] == "1", champion

table = pd.read_csv(features, nrows=2000)
described = json.load(open(card))["features"]
inputs = {}
for feature in described:
    column = table[feature["name"]]
    values = feature["reference"].get("values")
    if values is not None:
        column = column.map({value: index for index, value in enumerate(values)})
    inputs[feature["name"]] = column.astype(float)
frame = pd.DataFrame(inputs)
wanted = pd.read_csv(scores, nrows=2000)["probability"].to_numpy(np.float32)
given = mlflow.pyfunc.load_model(f"models:/{name}@champion").predict(frame)
assert np.array_equal(np.asarray(given, np.float32), wanted), np.abs(given - wanted).max()
import xgboost

booster = mlflow.xgboost.load_model(f"models:/{name}/1")
assert np.array_equal(booster.predict(xgboost.DMatrix(frame)), wanted)
print(f"equal on {len(wanted)} rows")
