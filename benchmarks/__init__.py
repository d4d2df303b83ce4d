"""The benchmarks: `hotline bench NAME`, one module each."""
