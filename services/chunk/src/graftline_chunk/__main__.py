from graftline.runner.main import main
from graftline_chunk.descriptor import STAGE

if __name__ == "__main__":
    main(STAGE)
