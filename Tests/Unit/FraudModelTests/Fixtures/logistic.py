"""Logistic regression by scikit-learn over made-up rows, as one JSON object: python3 logistic.py SEED > logistic.json"""
import json
import random
import sys

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

random.seed(int(sys.argv[1]))
shops = ["apple", "book", "zoo"]
rows = []
for _ in range(600):
    fraud = random.random() < 0.15
    amount = float(np.float32(random.gauss(70, 150) + (220 if fraud else 0)))
    ratio = float(np.float32(random.gauss(0, 1e-3) + (1e-3 if fraud else 0)))
    shop = 2 if fraud and random.random() < 0.5 else random.randrange(3)
    rows.append([amount, None if random.random() < 0.25 else ratio, 5.0, None if random.random() < 0.1 else shop, int(fraud)])

table = np.array([[np.nan if v is None else v for v in row] for row in rows])
x, y = table[:, :4], table[:, 4].astype(int)
encode = ColumnTransformer([
    ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), [0, 1, 2]),
    ("shop", OneHotEncoder(categories=[[0, 1, 2]], handle_unknown="ignore"), [3]),
])
z = encode.fit_transform(x)
model = LogisticRegression(class_weight="balanced", tol=1e-12, max_iter=100_000).fit(z, y)
p = model.predict_proba(z)[:, 1]
json.dump({
    "rows": rows, "shops": shops, "intercept": model.intercept_[0], "weights": list(model.coef_[0]),
    "probabilities": list(p), "average_precision": average_precision_score(y, p), "roc_auc": roc_auc_score(y, p),
}, sys.stdout)
