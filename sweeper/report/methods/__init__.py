"""What the methods section of a paper says of a sweep."""
