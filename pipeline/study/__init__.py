"""What several stages share of a study: joined tables, vectors, figures."""
