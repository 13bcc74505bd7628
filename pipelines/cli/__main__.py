"""Run the command line with `python -m pipelines.cli`."""

import sys

from pipelines.cli.commands import main

sys.exit(main())
