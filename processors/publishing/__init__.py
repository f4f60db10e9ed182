"""What leaves the project for others: files in the forms of other tools, and repositories of the
Hugging Face Hub."""
