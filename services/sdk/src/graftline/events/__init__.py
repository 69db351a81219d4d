"""What a running step says, and who listens: gRPC's RunsService at both ends."""
