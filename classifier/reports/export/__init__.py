"""Files for other programs: CSV, JSON, Parquet, Zeek."""
