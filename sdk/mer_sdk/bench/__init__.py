"""What a bundle costs on this machine: `mer bench`.

`timing` and `steps` also time the steps that `mer report --latency` and `benchmarks/speed/suite.py` show.
"""
