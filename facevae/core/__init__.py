"""What every command needs: one-line errors, typed parameters, whole files, tables, options. Imports no other room."""
