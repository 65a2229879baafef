"""What people and programs are told: sums, terminal reports, tables of all formats."""
