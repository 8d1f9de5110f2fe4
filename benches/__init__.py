"""Speed and memory of amiloop beside other implementations. Start with `python -m benches` (or `make bench`)."""
