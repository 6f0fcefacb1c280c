"""What it costs: list prices times volume, and rented hours. Every price carries its date."""
