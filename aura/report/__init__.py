"""The page that shows a study: figures and HTML from plain data."""
