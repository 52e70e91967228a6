"""Run twice at once by test_distribute.py: two processes with half a batch each against one with the whole."""

import re
import time

import torch
import torch.distributed as dist
from monai.losses import DiceCELoss

from shared.data import CaseStream, hand_out, process_share
from shared.data.process_share import gathered
from shared.errors import InputError
from shared.losses import FuzzyAuxiliaryLoss, ParetoFuzzyLoss
from shared.networks import distribute

SAMPLES, STEPS = 4, 5


def make_training():
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 8, 3, padding=1), torch.nn.ELU(), torch.nn.Conv2d(8, 3, 1))
    loss = ParetoFuzzyLoss(DiceCELoss(to_onehot_y=True, softmax=True), FuzzyAuxiliaryLoss())
    images, labels = torch.randn(SAMPLES, 1, 9, 9), torch.randint(0, 3, (SAMPLES, 1, 9, 9))
    return network, loss, images, labels


def train(network, loss, images, labels):
    optimizer = torch.optim.SGD([*network.parameters(), *loss.parameters()], lr=0.5)
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss(network(images), labels).backward()
        optimizer.step()


def state(network, loss):
    return torch.cat([value.detach().flatten() for value in [*network.parameters(), *loss.parameters()]])


dist.init_process_group("gloo")
torch.set_num_threads(1)
network, loss, images, labels = make_training()
mine = process_share(range(SAMPLES))
assert mine == list(range(dist.get_rank(), SAMPLES, 2))
assert len(process_share(["only one"])) == 1  # on every rank, or one would wait for ever
assert process_share(["only one"], repeat=False) == ["only one"][dist.get_rank() :]
train(distribute(network, torch.device("cpu")), distribute(loss, torch.device("cpu")), images[mine], labels[mine])
states = [torch.empty_like(state(network, loss)) for _ in range(2)]
dist.all_gather(states, state(network, loss))
assert torch.equal(states[0], states[1]), "the ranks differ"

whole_network, whole_loss, images, labels = make_training()
before = state(whole_network, whole_loss)
train(whole_network, whole_loss, images, labels)
torch.testing.assert_close(states[0], state(whole_network, whole_loss), atol=1e-5, rtol=1e-5)
assert (states[0] - before).abs().min() > 0, "a parameter did not move"
assert not isinstance(
    distribute(torch.nn.CrossEntropyLoss(), torch.device("cpu")), torch.nn.parallel.DistributedDataParallel
)


def read(case):
    if case.startswith("bad"):
        raise InputError(f"{case}: truncated; copy it again.")
    return case


stream = CaseStream(["a", "bad b", "c", "bad d", "e"], read, hand_out=hand_out)
mine = list(stream)
assert sorted(case for part in gathered(mine) for case in part) == ["a", "c", "e"], "each case once"
assert sorted(number for part in gathered(stream.handed_out) for number in part) == [0, 1, 2, 3, 4]
try:
    stream.raise_failures()
    line = None
except InputError as error:
    line = str(error)
assert line.startswith("3 of 5 cases done; not done: bad ")
assert {"b: truncated; copy it again", "d: truncated; copy it again"} <= set(re.findall(r"bad ([^.|]+)", line))
assert gathered(line) == [line, line]

if dist.get_rank() == 0:  # meets slow cases; the other process does not wait for it
    slow = CaseStream(["a", "b", "c", "d"], lambda case: time.sleep(0.3) or case, hand_out=hand_out)
    done = list(slow)
else:
    done = list(CaseStream(["a", "b", "c", "d"], read, hand_out=hand_out))
parts = gathered(done)
assert len(parts[0]) <= 1, "the process without slow cases does the others"
assert sorted(parts[0] + parts[1]) == ["a", "b", "c", "d"]

try:
    list(CaseStream(["a", "b", "only here"][: 2 + dist.get_rank()], read, hand_out=hand_out))
    refused = ""
except InputError as error:
    refused = str(error)
assert "the processes of this run list different cases" in "".join(gathered(refused))
CaseStream(["a"], read).raise_failures()  # nothing was skipped
dist.destroy_process_group()
