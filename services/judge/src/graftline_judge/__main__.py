from graftline.runner.main import main
from graftline_judge.descriptor import STAGE

if __name__ == "__main__":
    main(STAGE)
