"""Other programs that `pimsim validate --live` installs and runs."""
