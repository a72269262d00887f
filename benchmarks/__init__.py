"""Benchmarks: `./dev bench NAME` runs `benchmarks.NAME.run(report, argv)`."""
