"""Postgres, the truth about jobs: the only SQL of the service.

`tables` says what is kept, `engine` how it is reached, `migrate` how the schema comes to be. The rest are
async functions over an engine, a module for each thing they are about: `jobs`, `leases`, `requests`,
`results`.
"""
