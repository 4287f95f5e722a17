"""What a worker process can be asked to do: one file per kind of job, each with ``run(arguments, context)``."""
