from graftline_workflows.planner.main import run

if __name__ == "__main__":
    run()
