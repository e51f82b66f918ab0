"""The command line of modelreg: parsing, rendering and exit statuses; what it does, it asks ``modelreg`` to do.

app          the entry point, and the table of commands
commands/    one file per command; each returns a ``Result`` and prints nothing
invocation   the options that every command has, and what they mean
result       what a command has to say, as a value
output       the one place that prints
terminal     escaping and colour
exits        exit statuses, and what each exception becomes
"""
