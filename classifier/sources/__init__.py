"""Where captures come from: files, folders, archives, URLs, standard input, open binary files."""
