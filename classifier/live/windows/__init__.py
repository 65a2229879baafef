"""Windows of live traffic: metered, judged, added up."""
