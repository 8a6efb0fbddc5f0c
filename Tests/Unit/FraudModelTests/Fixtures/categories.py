"""A model of XGBoost with splits on its own categories, and what it makes of some rows: categories.py ONEHOT DIRECTORY
ONEHOT is max_cat_to_onehot: above the number of categories for one-hot splits, 1 for partitions. The first tree alone is what the
fuzzer starts from."""
import json
import sys

import numpy as np
import xgboost as xgb

onehot, directory = int(sys.argv[1]), sys.argv[2]
random = np.random.default_rng(5)
n = 3000
shop = random.integers(0, 12, n).astype(np.float32)
kind = random.integers(0, 3, n).astype(np.float32)
amount = random.normal(0, 1, n).astype(np.float32)
risk = np.array([0.1, 2, -1, 0.3, 1.5, -2, 0, 2.5, -0.5, 1, -1.5, 0.7])
label = random.random(n) < 1 / (1 + np.exp(-(risk[shop.astype(int)] + amount * (kind == 1) - 1)))
x = np.stack([shop, amount, kind], axis=1)
x[random.random(n) < 0.1, 0] = np.nan
types = ["c", "float", "c"]
names = ["shop", "amount", "kind"]
booster = xgb.train(
    {"objective": "binary:logistic", "tree_method": "hist", "max_depth": 4, "max_cat_to_onehot": onehot, "nthread": 1},
    xgb.DMatrix(x, label.astype(float), feature_types=types, feature_names=names), 8)
probe = np.array([[s, a, k] for s in [*range(13), 31, 32, 63, 64, 1000, 2.5, np.nan] for a in [-1.0, 0.0, np.nan, 0.75]
                  for k in [0, 1, 2, 3, np.nan]], np.float32)
matrix = xgb.DMatrix(probe, feature_types=types, feature_names=names)
margins = booster.predict(matrix, output_margin=True)
name = f"categories-{'onehot' if onehot > 12 else 'partition'}-{xgb.__version__}"
booster.save_model(f"{directory}/{name}.json")
booster.save_model(f"{directory}/{name}.ubj")
booster[:1].save_model(f"{directory}/{name}-one-tree.json")
model = json.load(open(f"{directory}/{name}.json"))
tree_kinds = {kind for tree in model["learner"]["gradient_booster"]["model"]["trees"] for kind in tree["split_type"]}
assert tree_kinds == {0, 1}, tree_kinds
json.dump({
    "rows": [[None if np.isnan(v) else float(v) for v in row] for row in probe],
    "margins": [float(m) for m in margins],
    "contributions": [[round(float(v), 7) for v in row] for row in booster.predict(matrix, pred_contribs=True)],
}, open(f"{directory}/{name}-rows.json", "w"), separators=(",", ":"))
