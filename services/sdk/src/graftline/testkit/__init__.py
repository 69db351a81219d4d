"""What tests of stages need: a stage run on plain folders, and a real S3 server."""
