"""Four windows of a card's amounts × count, sum, mean, max over a CSV, with DuckDB: python windows_duckdb.py IN.csv OUT.csv"""

import sys

import duckdb

FRAMES = {"1h": "1 HOUR", "24h": "24 HOURS", "7d": "7 DAYS", "30d": "30 DAYS"}
columns = ", ".join(
    f"{function}(amt) OVER w{name} AS amt_{function}_{name}"
    for name in FRAMES
    for function in ["count", "sum", "avg", "max"]
)
# Right open: neither the row itself nor what has the same moment.
windows = ", ".join(
    f"w{name} AS (PARTITION BY cc_num ORDER BY moment RANGE BETWEEN INTERVAL {span} PRECEDING "
    "AND INTERVAL 1 MICROSECOND PRECEDING)"
    for name, span in FRAMES.items()
)
duckdb.sql(
    f"COPY (SELECT trans_num, cc_num, moment, {columns} FROM (SELECT trans_num, cc_num, amt, trans_date_trans_time AS moment "
    f"FROM read_csv('{sys.argv[1]}', types = {{'cc_num': 'VARCHAR', 'trans_date_trans_time': 'TIMESTAMP'}})) "
    f"WINDOW {windows}) TO '{sys.argv[2]}' (HEADER)"
)
