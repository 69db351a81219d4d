"""Is the judge worth anything? What it says of true answers, and of the answers of other rows."""
