"""Parts of the service in the tests' own process: nodes, what carries their notices, and jobs that a test moves."""
