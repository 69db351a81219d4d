"""Files and Hub sets as streams of numbered records, malformed ones included."""
