"""MariaDB 10.11: the provider puts its parts together; each duty has its own file."""
