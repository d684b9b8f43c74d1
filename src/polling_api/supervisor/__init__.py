"""The parent of `serve` and `run`: starts everything, keeps it up, and ends it in order.

`serving.serve` is the way in. Nothing is imported here, since children take `lifeline` alone, and start sooner so.
"""
