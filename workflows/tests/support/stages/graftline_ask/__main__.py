from graftline.runner.main import main
from graftline_ask.descriptor import STAGE

if __name__ == "__main__":
    main(STAGE)
