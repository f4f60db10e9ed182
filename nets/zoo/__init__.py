"""Published weights: a table of their names, and files fetched by them or by an address."""
