"""What a team writes first: FastAPI, the card's features in a Redis hash, XGBoost in the process.

    python predict_service.py load FEATURES.csv     the last features of every card, into Redis
    python predict_service.py serve PORT            POST /predict?explain=true|false

It is told where Redis and the model are by REDIS_URL and PEER_MODEL (a folder of `needletail train`). Its windows are
computed by somebody else: it only reads them. One worker, one thread in XGBoost, no logging of predictions.
"""

import csv
import datetime
import json
import math
import os
import sys

import redis
import redis.asyncio

CARD = "card_activity__"


def names():
    with open(os.path.join(os.environ["PEER_MODEL"], "needletail.json")) as file:
        card = json.load(file)
    return [(feature["name"], feature["reference"].get("values")) for feature in card["features"]]


def load(path):
    store = redis.Redis.from_url(os.environ["REDIS_URL"])
    last = {}
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            last[row["cc_num"]] = row
    wanted = [name for name, _ in names() if name.startswith(CARD)]
    pipeline = store.pipeline()
    for card, row in last.items():
        pipeline.hset("peer:" + card, mapping={name: row.get(name) or "nan" for name in wanted})
    pipeline.execute()
    print(len(last), "cards")


def kilometres(lat, long, other_lat, other_long):
    a, b = math.radians(lat), math.radians(other_lat)
    h = math.sin((b - a) / 2) ** 2
    h += math.cos(a) * math.cos(b) * math.sin(math.radians(other_long - long) / 2) ** 2
    return 12742.0176 * math.asin(math.sqrt(h))


def make_app():
    import fastapi
    import numpy
    import pydantic
    import xgboost

    class Transaction(pydantic.BaseModel):
        trans_num: str
        trans_date_trans_time: datetime.datetime
        cc_num: str
        merchant: str
        category: str
        amt: float
        gender: str | None = None
        lat: float
        long: float
        city_pop: int | None = None
        dob: datetime.date | None = None
        merch_lat: float
        merch_long: float

    model = xgboost.Booster(model_file=os.path.join(os.environ["PEER_MODEL"], "model.json"))
    model.set_param({"nthread": 1})
    features = names()
    stored = [name for name, _ in features if name.startswith(CARD)]
    categories = {name: {value: index for index, value in enumerate(values)} for name, values in features if values}
    store = redis.asyncio.Redis.from_url(os.environ["REDIS_URL"], decode_responses=True)
    app = fastapi.FastAPI()

    def vector(transaction, windows):
        values = {name: float(value) if value is not None else math.nan for name, value in zip(stored, windows)}
        at = transaction.trans_date_trans_time

        def over(name):
            divisor = values.get(CARD + name, math.nan)
            return transaction.amt / divisor if divisor else math.nan

        def index(name, text):
            return categories.get("request_features__" + name, {}).get(text, math.nan)

        mean, deviation = values.get(CARD + "amt_mean_30d", math.nan), values.get(CARD + "amt_std_30d", math.nan)
        requested = {
            "amt": transaction.amt, "category": index("category", transaction.category), "hour": at.hour,
            "weekday": at.weekday(), "gender": index("gender", transaction.gender),
            "age": (at.date() - transaction.dob).days / 365.25 if transaction.dob else math.nan,
            "city_pop": transaction.city_pop if transaction.city_pop is not None else math.nan,
            "km_from_home": kilometres(
                transaction.lat, transaction.long, transaction.merch_lat, transaction.merch_long),
            "amt_over_mean_24h": over("amt_mean_24h"), "amt_over_mean_7d": over("amt_mean_7d"),
            "amt_over_mean_30d": over("amt_mean_30d"), "amt_over_max_30d": over("amt_max_30d"),
            "amt_z_30d": (transaction.amt - mean) / deviation if deviation else math.nan,
            "amt_over_last": over("amt_last"),
        }
        values.update({"request_features__" + name: value for name, value in requested.items()})
        return numpy.array([[values.get(name, math.nan) for name, _ in features]], dtype=numpy.float32)

    @app.post("/predict")
    async def predict(transaction: Transaction, explain: bool = True):
        row = vector(transaction, await store.hmget("peer:" + transaction.cc_num, stored))
        probability = float(model.inplace_predict(row, validate_features=False)[0])
        answer = {
            "transaction_id": transaction.trans_num, "is_fraud": probability >= 0.5, "probability": probability,
        }
        if explain:
            contributions = model.predict(
                xgboost.DMatrix(row, feature_names=model.feature_names, nthread=1), pred_contribs=True)[0]
            order = numpy.argsort(-numpy.abs(contributions[:-1]))
            answer["base_value"] = float(contributions[-1])
            answer["explanation"] = [
                {
                    "feature": features[i][0], "contribution": float(contributions[i]),
                    "value": None if math.isnan(row[0, i]) else float(row[0, i]),
                }
                for i in order
            ]
        return answer

    return app


if __name__ == "__main__":
    if sys.argv[1] == "load":
        load(sys.argv[2])
    else:
        import uvicorn

        uvicorn.run(make_app(), host="127.0.0.1", port=int(sys.argv[2]), log_level="error", access_log=False)
