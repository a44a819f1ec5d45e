#!/usr/bin/env python3
from arena.console import main

if __name__ == "__main__":
    main()
