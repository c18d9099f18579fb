"""Views of a run's model: values by hand, words, and runs that they leave as they are."""

import re
import threading
import time
from itertools import pairwise

import numpy as np
import pytest
from double import DeviceArray, make_cupy

import minitorch_lab as lab
from minitorch_lab import nn, optim
from minitorch_lab.device import CUDA, register, unregister
from minitorch_lab.errors import ArgumentError
from minitorch_lab.nn import functional as F
from minitorch_lab.utils.data import DataLoader, Dataset, IterableDataset
from minitorch_lab.widgets.training import Training
from minitorch_lab.widgets.views import VIEWS, surface
from minitorch_lab.widgets.views.scene import images
from minitorch_lab.widgets.views.viewer import Viewer

WAIT = 20


def points(count=64):
    lab.manual_seed(1)
    x = lab.randn(count, 2)
    return x, (x[:, 0] > 0).long()


def network(*sizes, act=nn.ReLU):
    lab.manual_seed(0)
    layers = []
    for a, b in pairwise(sizes):
        layers += [nn.Linear(a, b), act()]
    return nn.Sequential(*layers[:-1])


def sign_of_x():
    """A model that says class 1 to the right of 0 and class 0 to the left."""
    model = nn.Sequential(nn.Linear(2, 2, bias=False))
    model[0].weight = nn.Parameter(lab.tensor([[-1.0, 0.0], [1.0, 0.0]]))
    return model


def run_of(model, data, **settings):
    return Training(model, data, **{"epochs": 2, "batch_size": 16, "seed": 3, **settings})


@pytest.fixture
def viewer():
    return Viewer()


# What each shows.


def test_boundary_of_two_classes_is_where_the_model_changes_its_mind(viewer):
    x, y = points()
    picture = viewer.view(run_of(sign_of_x(), (x, y)), "boundary")
    plane = picture["plane"][0]
    low, high = picture["low"][0], picture["high"][0]
    across = low + (high - low) * (np.arange(100) + 0.5) / 100
    share = 1 / (1 + np.exp(-2 * across))  # softmax of (-x, x)
    np.testing.assert_allclose(plane[0] / 255, share, atol=0.003)
    assert (plane == plane[0]).all()
    np.testing.assert_allclose(picture["points"], x.numpy()[viewer._known["training"].places])
    assert re.match(r"class 0 \d+ %, class 1 \d+ % of the plane", picture.words)
    assert "0011" in repr(picture).splitlines()[1]


def test_boundary_of_three_classes_has_the_class_and_its_share(viewer):
    x = lab.randn(60, 2)
    model = network(2, 8, 3)
    picture = viewer.view(
        run_of(model, (x, (x[:, 0] > 0).long() + (x[:, 1] > 0).long())), "boundary"
    )
    grid = picture["plane"]
    low, high = np.array(picture["low"]), np.array(picture["high"])
    corner = lab.tensor([[*(low + (high - low) * [0.005, 0.995])]]).float()  # the topmost left one
    expected = F.softmax(model(corner), 1).detach().numpy()[0]
    assert grid[0, 0, 0] == expected.argmax()
    assert grid[1, 0, 0] == round(255 * float(expected.max()))


def test_boundary_of_numbers_has_the_output_between_its_ends(viewer):
    x = lab.randn(40, 2)
    model = nn.Sequential(nn.Linear(2, 1))
    picture = viewer.view(run_of(model, (x, x.sum(1, keepdim=True))), "boundary")
    low, high = picture["range"]
    assert low == -high
    corner = np.array(picture["low"]) + (np.array(picture["high"]) - picture["low"]) * 0.005
    expected = float(model(lab.tensor([corner.tolist()]).float()).item())
    assert picture["plane"][0, -1, 0] == round(255 * (expected - low) / (high - low))


def test_boundary_of_a_binary_loss_has_two_classes(viewer):
    x, y = points()
    model = nn.Sequential(nn.Linear(2, 1), nn.Sigmoid())
    picture = viewer.view(
        run_of(model, (x, y.float().unsqueeze(1)), loss=F.binary_cross_entropy), "boundary"
    )
    assert picture["classes"] == 2


def test_confusion_counts_each_pair(viewer):
    x = lab.tensor([[-1.0, 0.0], [-2.0, 0.0], [1.0, 0.0], [2.0, 0.0], [3.0, 0.0]])
    y = lab.tensor([0, 1, 1, 1, 0])
    picture = viewer.view(run_of(sign_of_x(), (x, y)), "confusion")
    assert picture["counts"].tolist() == [[1, 1], [1, 2]]
    np.testing.assert_allclose(picture["recall"], [1 / 2, 2 / 3])
    assert picture.words == "3 of 5 right (60.0 %)"
    assert repr(picture).splitlines()[1].split() == ["is", "\\", "said", "0", "1", "recall"]
    assert repr(picture).splitlines()[3].split() == ["1", "1", "2", "0.667"]


def test_a_cell_of_the_confusion_has_its_samples(viewer):
    x = lab.tensor([[-1.0, 0.0], [-2.0, 0.0], [1.0, 0.0]])
    picture = viewer.view(run_of(sign_of_x(), (x, lab.tensor([0, 1, 1]))), "confusion", cell=(1, 0))
    [row] = picture["rows"]
    assert (row["place"], row["is"], row["said"], row["right"]) == (1, "1", "0", False)
    assert row["values"] == ["−2.000", "0.000"]


def test_confusion_is_of_the_validation_data_where_there_are_some(viewer):
    x, y = points()
    run = run_of(sign_of_x(), (x, y), valid=(x[:10], y[:10]))
    assert viewer.view(run, "confusion")["samples"] == "all 10 validation samples"
    assert viewer.view(run, "gradients")["samples"] == "all 64 training samples"


def test_samples_can_come_worst_first(viewer):
    x = lab.tensor([[3.0, 0.0], [-0.5, 0.0], [1.0, 0.0], [0.1, 0.0]])
    run = run_of(sign_of_x(), (x, lab.tensor([1, 1, 0, 1])))
    picture = viewer.view(run, "samples", order="worst")
    assert [row["place"] for row in picture["rows"]] == [2, 1, 3, 0]
    worst = picture["rows"][0]
    assert worst["loss"] == pytest.approx(np.log1p(np.exp(2.0)))  # -log softmax of (-1, 1)
    assert worst["likely"][0] == ["1", pytest.approx(1 / (1 + np.exp(-2.0)), abs=1e-4)]
    wrong = viewer.view(run, "samples", order="wrong")
    assert sorted(row["place"] for row in wrong["rows"]) == [1, 2]
    assert "✗ wrong" in repr(wrong)
    assert wrong.words == "2 of 4 right"


def test_samples_that_are_pictures_come_as_bytes(viewer):
    x = lab.linspace(0, 1, 8 * 8).reshape(1, 1, 8, 8).expand(6, 1, 8, 8) * 1
    run = run_of(nn.Sequential(nn.Flatten(), nn.Linear(64, 2)), (x, lab.tensor([0, 1] * 3)))
    picture = viewer.view(run, "samples")
    assert picture["images"].shape == (6, 8, 8, 1)
    np.testing.assert_array_equal(
        picture["images"][0, :, :, 0], np.rint(255 * x.numpy()[0, 0]).astype(np.uint8)
    )


def test_samples_of_numbers_have_their_squared_error(viewer):
    x = lab.tensor([[1.0], [2.0]])
    model = nn.Sequential(nn.Linear(1, 1))
    model[0].weight.data = lab.tensor([[2.0]])
    model[0].bias.data = lab.tensor([0.0])
    picture = viewer.view(run_of(model, (x, lab.tensor([[2.0], [7.0]]))), "samples", order="worst")
    assert [(row["said"], row["loss"]) for row in picture["rows"]] == [
        ("4.000", 9.0),
        ("2.000", 0.0),
    ]


def test_flat_rows_are_pictures_only_where_neighbours_are_alike():
    smooth = np.linspace(0, 1, 64, dtype="float32")[None].repeat(4, 0)
    noise = np.random.default_rng(0).standard_normal((64, 64)).astype("float32")
    assert images(smooth).shape == (4, 8, 8, 1)
    assert images(noise) is None
    assert images(noise[:, :30]) is None
    assert images(np.zeros((2, 3, 5, 4), "float32")).shape == (2, 5, 4, 3)


def test_weights_of_a_layer_on_numbers_are_a_table(viewer):
    model = network(2, 3, 2)
    picture = viewer.view(run_of(model, points()), "weights")
    weight = model[0].weight.detach().numpy()
    assert (picture["kind"], picture["name"]) == ("table", "0.weight")
    expected = np.rint(127 + 127 * weight / np.abs(weight).max())
    np.testing.assert_array_equal(picture["tiles"][0, :, :, 0], expected)
    assert picture["rows"][1][1:] == pytest.approx(
        [weight[1].min(), weight[1].max(), np.linalg.norm(weight[1])]
    )


def test_weights_on_pictures_are_pictures_and_filters(viewer):
    x = lab.linspace(0, 1, 64).reshape(1, 1, 8, 8).expand(6, 1, 8, 8) * 1
    y = lab.tensor([0, 1] * 3)
    flat = viewer.view(run_of(nn.Sequential(nn.Flatten(), nn.Linear(64, 5)), (x, y)), "weights")
    assert (flat["kind"], flat["tiles"].shape) == ("pictures", (5, 8, 8, 1))
    conv = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(144, 2))
    filters = Viewer().view(run_of(conv, (x, y)), "weights")
    assert (filters["kind"], filters["tiles"].shape) == ("filters", (4, 3, 3, 1))


class Net(nn.Module):
    """With an activation that is no module."""

    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(2, 4)
        self.out = nn.Linear(4, 2)

    def forward(self, x):
        return self.out(self.hidden(x).relu())


def test_gradients_have_a_row_for_each_layer_with_its_values(viewer):
    lab.manual_seed(0)
    model = Net()
    x, y = points()
    picture = viewer.view(run_of(model, (x, y)), "gradients")
    assert [row["name"] for row in picture["layers"]] == ["hidden Linear", "relu", "out Linear"]
    places = viewer._known["training"].places
    hidden = model.hidden(x[places])
    hidden.retain_grad()
    loss = F.cross_entropy(model.out(hidden.relu()), y[places])
    loss.backward()
    first = picture["layers"][0]
    assert first["mean"] == pytest.approx(float(hidden.mean().item()), rel=1e-5)
    back = hidden.grad.numpy()
    assert first["gradient"] == pytest.approx(float(np.sqrt((back**2).mean())), rel=1e-4)
    counts, _ = np.histogram(back, 41, (-np.abs(back).max(), np.abs(back).max()))
    assert np.abs(picture["gradients"][0] - counts).sum() <= 2  # rounding at a bin's edge
    assert picture["values"][1].sum() == 64 * 4


def test_dead_and_stuck_units_are_said_in_words(viewer):
    model = network(2, 4, 2)
    model[0].bias.data = lab.tensor([-99.0, 0.0, -99.0, 0.0])
    picture = viewer.view(run_of(model, points()), "gradients")
    assert picture.words == "1 ReLU: 2 of 4 units are dead: 0 for all samples"
    model = network(2, 3, 2, act=nn.Tanh)
    model[0].bias.data = lab.tensor([99.0, 0.0, 0.0])
    picture = Viewer().view(run_of(model, points()), "gradients")
    assert picture.words == "1 Tanh: 1 of 3 units is stuck at an end for all samples"


def test_surface_has_the_losses_around_the_weights_of_now(viewer):
    model = nn.Sequential(nn.Linear(2, 1, bias=False))
    model[0].weight.data = lab.tensor([[3.0, 4.0]])
    x, y = lab.tensor([[1.0, 0.0], [0.0, 1.0]]), lab.tensor([[3.0], [4.0]])
    picture = viewer.view(run_of(model, (x, y)), "surface")
    assert picture["kind"] == "random"  # no step is kept yet
    assert picture["now"] == 0.0
    first, second = surface.random_pair([model[0].weight.detach().numpy()])
    assert np.linalg.norm(first) == pytest.approx(5.0)  # as long as the filter
    # The loss is the mean of the squares of what is added to the two weights.
    corner = -first + second  # the topmost left place
    assert picture["values"][0, 0] == pytest.approx(float((corner**2).mean()), rel=1e-5)
    assert picture["values"][12, 12] == pytest.approx(0.0, abs=1e-9)
    assert model[0].weight.tolist() == [[3.0, 4.0]]


def test_the_way_of_the_run_is_on_the_surface(viewer):
    run = run_of(network(2, 4, 2), points(), epochs=4)
    for count in range(4):
        step(run, count + 1)
    picture = viewer.view(run, "surface")
    run.stop()
    run.wait(WAIT)
    assert picture["kind"] == "principal"
    assert picture["steps"] == list(run.kept)[: len(picture["steps"])]
    assert picture["share"] > 0.9
    last = picture["way"][-1]
    assert np.abs(last).max() < 1e-5  # the weights of now are in the middle of the directions
    loss = float(F.cross_entropy(run.model(run.loader.dataset.tensors[0]), points()[1]).item())
    assert picture["now"] == pytest.approx(loss, rel=1e-4)


def test_principal_directions_are_those_of_the_way():
    way = np.array([[3.0, 0.0, 0.0], [0.0, 1.0, 0.0], [-3.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    along, share = surface.principal(way)
    np.testing.assert_allclose(np.abs(along), [[1, 0, 0], [0, 1, 0]], atol=1e-12)
    assert share == pytest.approx(1.0)
    assert surface.principal(np.ones((3, 1)) @ np.ones((1, 5))) is None  # all on one line


# Where they do not apply.


class Stream(IterableDataset):
    def __iter__(self):
        yield from ((lab.randn(2), 0) for _ in range(8))

    def __len__(self):
        return 8


class Closed(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)
        self.lock = threading.Lock()

    def forward(self, x):
        return self.layer(x)


class Two(nn.Linear):
    def forward(self, x):
        return super().forward(x), x


class Broken(Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        if index:
            raise OSError("the file is gone")
        return lab.zeros(2), 0


def numbers():
    return nn.Sequential(nn.Linear(3, 2)), (lab.randn(20, 3), lab.randn(20, 2))


EMPTY = {
    "boundary, three numbers": (
        numbers,
        "boundary",
        r"^The plane has two directions, and an input",
    ),
    "boundary, two outputs": (
        lambda: (nn.Linear(2, 2), (lab.randn(20, 2), lab.randn(20, 2))),
        "boundary",
        r"^The plane shows one number or classes, and the model gives 2 numbers\.$",
    ),
    "confusion of numbers": (numbers, "confusion", r"^The targets are numbers, not classes"),
    "surface of a model that fails": (
        lambda: (network(2, 2), (lab.randn(4, 3), lab.tensor([0, 1, 0, 1]))),
        "surface",
        r"^It could not be computed: ShapeError: ",
    ),
    "weights without a table": (
        lambda: (nn.PReLU(), (lab.randn(20, 2), lab.randn(20, 2))),
        "weights",
        r"^The model has no layer whose weights are a table\.$",
    ),
    "a model that refuses": (
        lambda: (network(5, 2), points()),
        "confusion",
        r"^The model refuses the samples: ",
    ),
    "a stream": (
        lambda: (network(2, 2), DataLoader(Stream(), 4)),
        "samples",
        r"^The data are a stream, .* Give validation data",
    ),
    "two outputs at once": (
        lambda: (Two(2, 2), points()),
        "confusion",
        r"^The model does not give one output for each sample\.$",
    ),
    "no copy": (lambda: (Closed(), points()), "boundary", r"^The model cannot be copied: "),
    "data that cannot be read": (
        lambda: (network(2, 2), Broken()),
        "samples",
        r"^The data cannot be read: OSError: the file is gone$",
    ),
    "samples of nan": (
        lambda: (network(2, 2), (lab.full((4, 2), float("nan")), lab.tensor([0, 1, 0, 1]))),
        "boundary",
        r"^No sample has two numbers",
    ),
    "outputs of nan": (
        lambda: (network(2, 2), (lab.full((4, 2), float("nan")), lab.tensor([0, 1, 0, 1]))),
        "confusion",
        r"^The model's outputs are nan or infinite for all samples\.$",
    ),
    "nothing learns": (
        lambda: (network(2, 2).requires_grad_(False), points()),
        "gradients",
        r"^The loss does not hang on any weight",
    ),
}


@pytest.mark.parametrize(("made", "name", "words"), EMPTY.values(), ids=EMPTY.keys())
def test_a_view_that_does_not_apply_says_why(viewer, made, name, words):
    model, data = made()
    optimizer = optim.SGD([lab.zeros(1).requires_grad_()], lr=0.1)
    picture = viewer.view(run_of(model, data, optimizer=optimizer), name)
    assert re.search(words, picture.empty)
    assert picture.empty in repr(picture)
    assert "<p>" in picture._repr_html_()


def test_a_loop_of_ones_own_has_no_views(viewer):
    from minitorch_lab.widgets.loop import Loop

    with pytest.raises(ArgumentError, match="a loop of your own has no views"):
        viewer.view(Loop([1.0]), "weights")


def test_names_and_options_are_checked(viewer):
    run = run_of(network(2, 2), points())
    with pytest.raises(ArgumentError, match="there is no such view\n  views  boundary, confusion"):
        viewer.view(run, "heatmap")
    with pytest.raises(ArgumentError, match=r"order=.* no such option\n  options  none"):
        viewer.view(run, "boundary", order="worst")
    with pytest.raises(ArgumentError, match="no such order\n  orders  first, worst, wrong"):
        viewer.view(run, "samples", order="best")


# They change nothing.


class Noisy(Dataset):
    """Draws from every generator, as a data set that turns pictures at random does."""

    def __init__(self):
        self.x, self.y = points(48)

    def __len__(self):
        return 48

    def __getitem__(self, index):
        return self.x[index] + 0.01 * lab.randn(2) + np.random.rand() * 0.01, self.y[index]


def busy_model():
    lab.manual_seed(0)
    return nn.Sequential(
        nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 2)
    )


@pytest.mark.parametrize("mode", ["eager", "graph"])
@pytest.mark.parametrize("data", [points, Noisy], ids=["tensors", "draws"])
def test_a_run_is_bitwise_the_same_with_all_views_between_its_steps(mode, data, monkeypatch):
    monkeypatch.setattr(surface, "SIDE", 5)

    def train(look):
        np.random.seed(5)
        run = run_of(busy_model(), data(), epochs=3)
        run.set_mode(mode)
        viewer = Viewer()
        compiled = []
        for count in range(3):
            step(run, count + 1)
            grads = [p.grad.numpy().copy() for p in run.model.parameters()]
            for name in VIEWS if look else ():
                assert not viewer.view(run, name).empty
            compiled.append(run._compiled.traces if mode == "graph" else 0)
            for p, before in zip(run.model.parameters(), grads, strict=True):
                np.testing.assert_array_equal(p.grad.numpy(), before)
        assert all(module.training for module in run.model.modules())
        run.start()
        run.wait(WAIT)
        state = {name: t.numpy().tobytes() for name, t in run.model.state_dict().items()}
        return run.history.loss.tolist(), state, lab.get_rng_state().tolist(), compiled

    plain, watched = train(False), train(True)
    assert plain[0] == watched[0]
    assert plain[1] == watched[1]
    assert plain[2] == watched[2]
    assert plain[3] == watched[3]


def test_views_of_a_run_on_another_device_are_the_same(monkeypatch):
    """On the test double for CuPy, which refuses every silent way to the host's memory."""
    monkeypatch.setattr(surface, "SIDE", 5)
    run = run_of(network(2, 6, 2), points(), epochs=4)
    for count in range(3):
        step(run, count + 1)
    there = Viewer()
    here = {name: Viewer().view(run, name) for name in VIEWS}
    register(DeviceArray, make_cupy(), CUDA)
    try:
        run.set_device("cuda")
        moved = {name: there.view(run, name) for name in VIEWS}
        run.set_device("cpu")
        run.stop()
        run.wait(WAIT)
    finally:
        unregister(DeviceArray)
    for name in VIEWS:
        assert moved[name].empty == ""
        for array, values in here[name].arrays.items():
            np.testing.assert_allclose(moved[name][array], values, rtol=1e-4, atol=1e-4)


# What a page gets.


class Page:
    """A panel, and what it has sent to the page."""

    def __init__(self, run):
        pytest.importorskip("anywidget")
        from minitorch_lab.widgets.live import Live

        self.panel = Live(run)
        self.got = []
        self.panel.send = lambda content, buffers=None: self.got.append((content, buffers))

    def look(self, name, who="page", **more):
        self.panel._handle_custom_msg(
            {"type": "view", "who": who, "name": name, "options": {}, "new": True, **more}, []
        )

    @property
    def views(self):
        return [item for content, _ in list(self.got) for item in content.get("views", [])]


def test_a_page_gets_the_view_that_it_looks_at_with_the_runs_messages():
    page = Page(run_of(network(2, 8, 2), points(), epochs=200))
    page.panel.start()
    page.look("boundary")
    wait_for(lambda: len(page.views) >= 2)
    page.panel.stop()
    page.panel.wait(WAIT)
    assert {item["name"] for item in page.views} == {"boundary"}
    content, buffers = next((c, b) for c, b in page.got if "views" in c)
    [item] = content["views"]
    name, dtype, shape = item["arrays"][0]
    assert (name, dtype, shape, item["at"], item["who"]) == (
        "plane",
        "uint8",
        [1, 50, 50],  # coarser while the run goes on
        0,
        "page",
    )
    assert len(buffers[1]) == 2500
    # the last one is of the run's last step
    wait_for(lambda: page.views[-1]["step"] == page.panel.training.step_count)


@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_a_run_is_bitwise_the_same_while_a_page_looks(mode):
    def train(look):
        run = run_of(busy_model(), points(), epochs=60)
        run.set_mode(mode)
        page = Page(run)
        if look:
            page.look("gradients")
            page.look("samples", who="another", options={"order": "worst"})
        page.panel.start().wait(WAIT)
        if look:
            wait_for(lambda: {item["name"] for item in page.views} == {"gradients", "samples"})
        return run.history.loss.tolist(), lab.get_rng_state().tolist()

    assert train(False) == train(True)


def test_nothing_is_computed_for_a_page_that_does_not_look():
    page = Page(run_of(network(2, 8, 2), points(), epochs=30))
    page.panel.start().wait(WAIT)
    assert page.views == []
    page.look("weights")
    wait_for(lambda: page.views)
    assert page.views[-1]["step"] == 120
    page.look(None)
    count = len(page.views)
    page.panel.training.rewind(page.panel.training.kept[1])
    time.sleep(0.05)
    assert len(page.views) == count


def test_a_view_follows_a_rewind():
    page = Page(run_of(network(2, 8, 2), points(), epochs=3))
    page.panel.start().wait(WAIT)
    page.look("weights")
    wait_for(lambda: page.views)
    page.panel.training.rewind(0)
    wait_for(lambda: page.views[-1]["step"] == 0)


def test_a_page_that_is_gone_costs_nothing(monkeypatch):
    from minitorch_lab.widgets.views import viewer

    page = Page(run_of(network(2, 8, 2), points()))
    page.look("weights")
    wait_for(lambda: page.views)
    monkeypatch.setattr(viewer, "GONE", 0.0)
    page.panel._viewer.shows(page.panel.training)
    assert page.panel._viewer._asks == {}


def test_the_surface_is_computed_when_asked_for_and_can_be_stopped():
    page = Page(run_of(network(2, 8, 2), points()))
    page.panel.start().wait(WAIT)
    page.look("surface")
    wait_for(lambda: page.views)
    assert (page.views[-1]["asked"], page.views[-1]["busy"]) == (False, None)
    page.look("surface", act="start")
    wait_for(lambda: any(item["busy"] is not None for item in page.views))
    wait_for(lambda: page.views[-1]["asked"])
    assert [entry[0] for entry in page.views[-1]["arrays"]] == ["values", "way"]
    slow = page.panel.training.loss
    page.panel.training.loss = lambda output, y: (time.sleep(0.01), slow(output, y))[1]
    page.look("surface", act="start")
    wait_for(lambda: page.views[-1]["busy"] is not None)
    page.look("surface", act="cancel")
    wait_for(lambda: page.views[-1]["busy"] is None)
    wait_for(lambda: all(thread.name != "views" for thread in threading.enumerate()))


def test_a_stop_waits_for_no_step_while_a_page_looks():
    def slow(output, y):
        time.sleep(1.0)
        return F.cross_entropy(output, y)

    page = Page(run_of(network(2, 8, 2), points(), epochs=50, loss=slow))
    page.look("weights")
    wait_for(lambda: page.views)
    page.panel.start()
    wait_for(lambda: page.panel.state == "running")
    time.sleep(0.1)  # inside the first step
    began = time.monotonic()
    page.panel.stop()
    assert time.monotonic() - began < 0.5
    page.panel.wait(WAIT)


def test_no_thread_is_left_behind():
    page = Page(run_of(network(2, 8, 2), points(), epochs=50))
    page.panel.start()
    page.look("gradients")
    page.panel.wait(WAIT)
    wait_for(lambda: all(thread.name != "views" for thread in threading.enumerate()))


def test_the_still_picture_of_the_panel_has_the_last_view():
    page = Page(run_of(sign_of_x(), points()))
    assert "lab-views" not in page.panel.static_html()
    assert "recall" in repr(page.panel.view("confusion"))
    assert "<table>" in page.panel.static_html()


def test_a_view_of_a_run_that_goes_on_is_of_one_step():
    run = run_of(network(2, 8, 2), points(), epochs=300)
    run.start()
    steps = [Viewer().view(run, "weights").step for _ in range(5)]
    run.stop()
    run.wait(WAIT)
    assert steps == sorted(steps)
    assert steps[-1] <= run.step_count


@pytest.mark.parametrize("name", VIEWS)
def test_each_view_has_a_still_picture_with_escaped_names(viewer, name):
    class Named(lab.utils.data.TensorDataset):
        classes = ("<a>", "b")

    picture = viewer.view(run_of(network(2, 4, 2), Named(*points())), name)
    html = picture._repr_html_()
    assert "<a>" not in html
    assert VIEWS[name].title in html
    assert len(html) < 120_000


def step(run, count):
    """Do a step, the one of this number, and hold."""
    run.step()
    wait_for(lambda: run.step_count == count and run._keeper._states is not None)


def wait_for(condition, seconds=WAIT):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)
