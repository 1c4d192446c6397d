"""The claims, by chapter; `table` has all of them."""
