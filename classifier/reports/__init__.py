"""What people and programs are told: sums, terminal reports, tables of all formats."""

#: Rows of each table for people, if nothing else is asked for.
TOP = 20
