"""Plain dumps in an S3 bucket, of AWS or of any other service that speaks it, strictly read-only."""
