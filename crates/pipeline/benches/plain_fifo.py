"""A plain FIFO over one account's orders, as most would write it: read all rows, replay them, keep what is open.

Prints the seconds it took, from asking for the rows to having the lots; nothing is written back.
"""
import csv
import io
import subprocess
import sys
import time
from collections import defaultdict, deque
from decimal import Decimal

SQL = """COPY (SELECT exchange, symbol, trade_type, filled_quantity, average_price FROM tradingdb.orders
               WHERE pseudo_account = 'A' AND filled_quantity > 0 ORDER BY exchange_time, id) TO STDOUT CSV"""


def fifo(rows):
    lots, realised = defaultdict(deque), defaultdict(Decimal)
    for exchange, symbol, side, quantity, price in rows:
        key, quantity, price = (exchange, symbol), int(quantity), Decimal(price)
        if side == "SELL":
            quantity = -quantity
        queue = lots[key]
        while quantity and queue and (queue[0][0] > 0) != (quantity > 0):
            open_quantity, open_price = queue[0]
            used = min(abs(open_quantity), abs(quantity))
            sign = 1 if open_quantity > 0 else -1
            realised[key] += sign * used * (price - open_price)
            quantity += sign * used
            if used == abs(open_quantity):
                queue.popleft()
            else:
                queue[0] = (open_quantity - sign * used, open_price)
        if quantity:
            queue.append((quantity, price))
    return lots, realised


start = time.perf_counter()
text = subprocess.run(["psql", sys.argv[1], "-qAtc", SQL], check=True, capture_output=True, text=True).stdout
fifo(csv.reader(io.StringIO(text)))
print(time.perf_counter() - start)
