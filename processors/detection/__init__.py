"""Finding people: a detector of any network, from pictures to boxes. No joints are found here."""
