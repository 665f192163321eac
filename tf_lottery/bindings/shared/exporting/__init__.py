"""What exports need of any Keras: which units do nothing, multiplications, data."""
