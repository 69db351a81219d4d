from graftline_index.cli import main

if __name__ == "__main__":
    main()
