"""Small faults put into the code that judges, one at a time, to see which of them no test notices."""
