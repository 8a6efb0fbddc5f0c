"""Four windows of a card's amounts × count, sum, mean, max over a CSV, with polars: python windows_polars.py IN.csv OUT.csv"""

import sys

import polars

rows = (
    polars.scan_csv(sys.argv[1], schema_overrides={"cc_num": polars.String})
    .select("trans_num", "cc_num", "amt", polars.col("trans_date_trans_time").str.to_datetime().alias("at"))
    .sort("at", maintain_order=True)
)
amount = polars.col("amt")
windows = []
for name, period in [("1h", "1h"), ("24h", "24h"), ("7d", "7d"), ("30d", "30d")]:
    for function in ["count", "sum", "mean", "max"]:
        if function == "count":
            value = amount.is_not_null().cast(polars.UInt32).rolling_sum_by("at", window_size=period, closed="left")
        else:
            value = getattr(amount, f"rolling_{function}_by")("at", window_size=period, closed="left")
        windows.append(value.over("cc_num").alias(f"amt_{function}_{name}"))
rows.with_columns(windows).collect().write_csv(sys.argv[2])
