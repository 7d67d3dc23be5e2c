"""What the tests share: real processes, and receivers that count."""
