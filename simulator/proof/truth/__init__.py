"""The truth of a run as tables: read from its rows or from Parquet, and made into Parquet when the run has ended."""
