"""Generated from protos/graftline/v1 by `make protos`; not edited by hand."""
