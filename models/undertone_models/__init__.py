"""What `models prepare|list|verify` does: from installed packages to the files that nodes load."""
