"""What the rows between stages look like. A module here counts in the key of whoever imports it."""
