"""Reports: terminal tables, files in all formats, HTML, charts."""

#: Rows of each table on a terminal, by default.
TOP = 20
