"""The client: where store, database, inspection, rules and verification meet, and the order of writes is kept."""
