import signal

import torch

torch.set_num_threads(1)  # small tensors: a second thread costs more than it brings
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in what a shell runs in the background
