"""The command line ``nsclc-response``: one file per command; heavy work goes to the worker process."""
