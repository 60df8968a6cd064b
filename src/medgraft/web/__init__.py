"""The labelling page: a reader sees one scan after the other and says what it shows."""
