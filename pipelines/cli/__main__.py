import sys

from pipelines.cli.commands import main

sys.exit(main())
