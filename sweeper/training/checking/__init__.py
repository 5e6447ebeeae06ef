"""What is wrong with a problem: found before anything is trained, and said with what would be right."""
