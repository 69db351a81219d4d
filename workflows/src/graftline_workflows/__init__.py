"""From a recipe to a plan, from a plan to artifacts: recipes, plans, engines and the CLI."""
