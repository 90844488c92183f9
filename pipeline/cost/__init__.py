"""What a full data set costs: amounts, and rates measured here."""
