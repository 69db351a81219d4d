"""A language model's server of one's own, for a machine or a cluster without one."""
