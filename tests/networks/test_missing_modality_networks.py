"""What CLoE, M3AE, MMFormer, RFNet, RobustSeg, ShaSpec, UHeMIS and UHVED have in common."""

import pytest
import torch
from monai.data import MetaTensor
from monai.inferers import sliding_window_inference

from shared.errors import InputError
from shared.networks import M3AE, UHVED, CLoE, MMFormer, RFNet, RobustSeg, ShaSpec, UHeMIS

NAN = float("nan")
EXPERTS_OF_GATE = (CLoE, "expert_decoder")
SMALL = (16, 16, 16)
SIZES = {
    **dict.fromkeys((CLoE, M3AE, RFNet, RobustSeg, UHeMIS, UHVED), SMALL),
    MMFormer: (32, 32, 32),
    ShaSpec: (40, 24, 16),
}


@pytest.fixture(params=SIZES, ids=lambda kind: kind.__name__)
def kind(request):
    return request.param


@pytest.fixture(params=[kind for kind in SIZES if kind is not M3AE], ids=lambda kind: kind.__name__)
def with_encoders(request):
    """A network with an encoder per modality; M3AE has one for the stacked modalities."""
    return request.param


def make(kind, **options):
    torch.manual_seed(0)
    settings = {"features": 2, **options}
    if kind is M3AE:
        settings = {"extent_mm": (6.0, 8.0, 10.0), **settings}
    if kind is MMFormer:
        tiny = {"img_size": SIZES[kind], "hidden_size": 8, "mlp_dim": 12, "num_heads": 2, "dropout_rate": 0.0}
        settings = {**tiny, **settings}
    if kind is ShaSpec:
        settings = {"blocks": (1, 1, 1, 1), **settings}
    network = kind(**settings)
    if kind is MMFormer:
        for within in network.within:
            torch.nn.init.normal_(within.positions)  # as if trained
    if kind is M3AE:
        torch.nn.init.normal_(network.learned_image.values)
    if kind is CLoE:
        torch.nn.init.normal_(network.gate.perceptron[2].weight)  # as if trained
    return network


def volume(kind, batch=1, modalities=4, seed=1):
    return torch.randn(batch, modalities, *SIZES[kind], generator=torch.Generator().manual_seed(seed))


def mixed(kind):
    """Three samples: the second, the first, third and fourth, and none absent; absent ones are NaN in a corner."""
    image = volume(kind, batch=3)
    image[0, 1, :3] = NAN
    image[1, [0, 2, 3], :3] = NAN
    return image


def tensors(output):
    return [item for value in output.values() for item in (value if isinstance(value, list) else [value])]


@torch.no_grad()
def run(network, *args):
    return network.eval()(*args)


@pytest.mark.parametrize("dense", [False, True])
def test_content_of_an_absent_modality_changes_no_bit(kind, dense):
    if kind is M3AE and dense:
        return  # it has one form
    network, image = make(kind, **({} if kind is M3AE else {"dense": dense})), mixed(kind)
    changed = image.clone()
    changed[0, 1, 3:] = 1e30
    changed[1, [0, 2, 3], 3:] = float("inf")
    assert torch.equal(run(network, image), run(network, changed))


@pytest.mark.parametrize("dense", [False, True])
def test_content_of_a_modality_that_is_not_kept_changes_no_bit(kind, dense):
    if kind is M3AE and dense:
        return
    network, image = make(kind, **({} if kind is M3AE else {"dense": dense})), volume(kind, batch=2)
    keep = torch.tensor([[True, False, True, True], [False, False, False, True]])
    changed = torch.where(keep.view(2, 4, 1, 1, 1), image, 1e3)
    assert torch.equal(run(network, image, keep), run(network, changed, keep))


def test_not_kept_is_the_same_as_absent(kind):
    network, image = make(kind), mixed(kind)
    keep = ~image.isnan().flatten(2).any(2)
    torch.testing.assert_close(run(network, volume(kind, batch=3), keep), run(network, image), rtol=0, atol=0)


def test_keep_acts_in_training_as_in_evaluation(kind):
    """Dropout is off; U-HVED alone draws."""
    network, image = make(kind), volume(kind, batch=2)
    keep = torch.tensor([[True, False, True, False], [True, True, True, True]])
    with torch.no_grad():
        trained = network.train()(image, keep)
    assert torch.equal(trained["available"], keep)
    assert trained["present"].all()
    if kind is not UHVED:
        torch.testing.assert_close(trained["pred"], run(network, image, keep), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("keep", [torch.ones(2, 4), torch.ones(1, 4) > 0, torch.ones(4) > 0, torch.ones(2, 3) > 0])
def test_keep_of_another_type_or_shape_is_refused(kind, keep):
    """A float mask could not be joined to the modalities that are there; shapes would be broadcast silently."""
    with pytest.raises(ValueError, match=r"keep must be boolean \(B, M\) = \(2, 4\), got torch\."):
        make(kind)(volume(kind, batch=2), keep)


@pytest.mark.parametrize("bias", [12.0, 30.0])
def test_certain_networks_survive_half_precision(kind, bias):
    """Regions that are nowhere (RFNet), and variances as small as they may be (U-HVED)."""
    network, image = make(kind), mixed(kind)
    with torch.no_grad():
        if kind is RFNet:
            for maps in (network.deepest.region_maps, *(level.skip.region_maps for level in network.levels)):
                maps.head[1].bias.copy_(torch.tensor([bias, 0.0, 0.0, 0.0]))
        if kind is UHVED:
            for encoder in network.encoders.by_modality:
                for level in encoder.levels:
                    convolution = level[1].conv
                    convolution.bias[len(convolution.bias) // 2 :] -= bias
    assert run(network, image).isfinite().all()
    with torch.autocast("cpu", torch.float16):
        assert run(network, image).isfinite().all()
    assert run(network.half(), image.half()).isfinite().all()


def test_modalities_count(kind):
    network, image = make(kind), volume(kind)
    full = run(network, image)
    for absent in (0, 3):
        partial = image.clone()
        partial[:, absent] = NAN
        assert (run(network, partial) - full).abs().max() > 1e-3


def test_sample_of_a_mixed_batch_is_what_it_is_alone(kind):
    network, image = make(kind), mixed(kind)
    together = run(network, image)
    for sample in range(3):
        alone = run(network, image[sample : sample + 1])[0]
        torch.testing.assert_close(together[sample], alone, rtol=1e-3, atol=1e-3)


def test_permuted_samples_give_permuted_outputs(kind):
    network, image = make(kind), mixed(kind)
    order = torch.tensor([2, 0, 1])
    torch.testing.assert_close(run(network, image[order]), run(network, image)[order], rtol=1e-3, atol=1e-3)


def samples_seen(modules):
    """Return a list per module that grows by the number of samples of each of its calls."""
    seen = [[] for _ in modules]
    for calls, module in zip(seen, modules, strict=True):
        module.register_forward_pre_hook(lambda _, args, calls=calls: calls.append(len(args[0])))
    return seen


def of_single_modalities(kind, network):
    """Encoders of single modalities and, for mmFormer, the transformers behind them."""
    return [network.encoders.by_modality, *([network.within] if kind is MMFormer else [])]


def test_absent_modalities_are_not_computed(with_encoders):
    """Every modality is in two samples of the mixed batch; its second sample has modality 1 alone."""
    kind = with_encoders
    network = make(kind).eval()
    seen = [samples_seen(modules) for modules in of_single_modalities(kind, network)]
    run(network, mixed(kind))
    run(network, mixed(kind)[1:2])
    assert seen == [[[2], [2, 1], [2], [2]]] * len(seen)


def test_modalities_that_are_not_kept_are_not_computed(with_encoders):
    """In training losses of single modalities see them; U-HeMIS, RobustSeg, ShaSpec have none, CLoE chooses not to."""
    kind = with_encoders
    network, image = make(kind).eval(), volume(kind, batch=2)
    keep = torch.tensor([[True, False, False, True], [True, False, True, False]])
    seen = [samples_seen(modules) for modules in of_single_modalities(kind, network)]
    run(network, image, keep)
    assert seen == [[[2], [], [1], [1]]] * len(seen)
    network.train()(image, keep)
    of_encoders, *of_transformers = seen
    assert of_encoders == (
        [[2, 2], [], [1, 1], [1, 1]] if kind in (UHeMIS, CLoE, RobustSeg, ShaSpec) else [[2, 2], [2], [1, 2], [1, 2]]
    )
    assert all(calls == [[2, 2], [], [1, 1], [1, 1]] for calls in of_transformers)


def test_dense_form_gives_the_same_and_encodes_everything(with_encoders):
    kind = with_encoders
    sparse, dense = make(kind), make(kind, dense=True)
    seen = samples_seen(dense.encoders.by_modality)
    torch.testing.assert_close(run(dense, mixed(kind)), run(sparse, mixed(kind)), rtol=1e-3, atol=1e-3)
    assert seen == [[3], [3], [3], [3]]


def test_dense_form_trains_the_same(with_encoders):
    kind = with_encoders
    image, keep = mixed(kind), torch.tensor([[True, False, False, True], [False, True, False, False], [True] * 4])
    outputs = []
    for dense in (False, True):
        network = make(kind, dense=dense)
        torch.manual_seed(2)  # of U-HVED's sample
        outputs.append(tensors(network(image, keep)))
    for sparse, dense in zip(*outputs, strict=True):
        torch.testing.assert_close(dense, sparse, rtol=1e-2, atol=1e-2)


def test_scripted_network_gives_the_same_for_every_subset(kind):
    network, image = make(kind).eval(), mixed(kind)
    scripted = torch.jit.script(network)
    for part in (image, image[:1], image[1:2], image[2:]):
        torch.testing.assert_close(run(scripted, part), run(network, part), rtol=1e-4, atol=1e-4)
    image[2] = NAN
    with pytest.raises(torch.jit.Error, match="no modality is available in sample 2"):
        run(scripted, image)


def assert_nan_where_nothing_is(fixed_graph, image):
    """A graph that was fixed cannot refuse a sample without modalities."""
    image = image.clone()
    image[1] = NAN
    with torch.no_grad():
        is_nan = fixed_graph(image).isnan()
    assert is_nan[1].all()
    assert not is_nan[[0, 2]].any()


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_traced_network_gives_the_same_for_every_subset(kind):
    """Traced with all modalities."""
    network, image = make(kind).eval(), mixed(kind)
    traced = torch.jit.trace(network, volume(kind, batch=3), check_trace=False)
    torch.testing.assert_close(run(traced, image), run(network, image), rtol=1e-3, atol=1e-3)
    assert_nan_where_nothing_is(traced, image)


@pytest.mark.parametrize("modalities", [1, 2, 3, 5])
def test_any_number_of_modalities_and_classes(kind, modalities):
    if kind is CLoE and modalities == 1:
        with pytest.raises(InputError, match="in_channels must be 2 or more, got 1"):
            make(kind, in_channels=1)
        return
    network = make(kind, in_channels=modalities, out_channels=3)
    image = volume(kind, batch=2, modalities=modalities)
    image[1, : modalities - 1] = NAN
    assert network(image)["pred"].shape == (2, 3, *SIZES[kind])
    output = run(network, image)
    assert output.shape == (2, 3, *SIZES[kind])
    assert not output.isnan().any()


def test_training_dictionary(kind):
    image = mixed(kind)
    output = make(kind)(image)
    present = torch.tensor([[True, False, True, True], [False, True, False, False], [True] * 4])
    size, stride = SIZES[kind], 1
    assert torch.equal(output["present"], present)
    assert torch.equal(output["available"], present)
    assert output["pred"].shape == (3, 4, *size)
    assert not any(value.isnan().any() for value in tensors(output))
    if kind in (RFNet, MMFormer):
        assert set(output) == {"pred", "experts", "deep_supervision", "present", "available"}
        assert output["experts"].shape == (3, 4, 4, *size)
        assert torch.equal(output["experts"].flatten(2).any(2), present)
        stride = 2 if kind is MMFormer else 1
        for level, region in enumerate(output["deep_supervision"]):
            assert region.shape == (3, 4, *(length // (stride * 2**level) for length in size))
        assert len(output["deep_supervision"]) == 4
    elif kind is CLoE:
        assert set(output) == {"pred", "experts", "region", "weights", "scores", "present", "available", "decoded"}
        assert torch.equal(output["experts"].flatten(2).any(2), present)
        assert output["region"].shape == (3, 1, *size)
    elif kind is M3AE:
        assert set(output) == {"pred", "deep_supervision", "views", "present", "available"}
        shapes = [tuple(logits.shape[2:]) for logits in output["deep_supervision"]]
        assert shapes == [size, (8, 8, 8), (8, 8, 8), (4, 4, 4), (4, 4, 4)]
        assert output["views"].shape == (3, 2, 4, 4, 4, 4)
    elif kind is RobustSeg:
        assert set(output) == {"pred", "images", "style_mean", "style_log_variance", "present", "available"}
        assert output["images"].shape == (3, 4, *size)
        assert output["style_mean"].shape == output["style_log_variance"].shape == (3, 4, 16)
        assert torch.equal(output["images"].flatten(2).any(2), present)
    elif kind is ShaSpec:
        assert set(output) == {"pred", "shared", "domain_logits", "present", "available"}
        assert output["shared"].shape == (3, 4, 8, 2, 1, 2)
        assert output["domain_logits"].shape == (3, 4, 4)
        for name in ("shared", "domain_logits"):
            assert torch.equal(output[name].flatten(2).any(2), present)
    elif kind is UHVED:
        assert set(output) == {"pred", "images", "means", "log_variances", "present", "available"}
        assert output["images"].shape == (3, 4, *size)
        for level, (means, log_variances) in enumerate(zip(output["means"], output["log_variances"], strict=True)):
            shape = (3, 4, 2**level, *(length // 2**level for length in size))
            assert means.shape == log_variances.shape == shape
            assert torch.equal(means.flatten(2).any(2), present)
    else:
        assert set(output) == {"pred", "present", "available"}


def test_evaluation_computes_no_auxiliary_output(kind):
    network = (make(kind, branches=["style"]) if kind is CLoE else make(kind)).eval()
    names = ("expert_decoder", "regions", "image_decoders", "branches", "coarse_heads", "domain_classifier")
    names = [name for name in names if getattr(network, name, None) is not None and (kind, name) != EXPERTS_OF_GATE]
    auxiliary = [module for name in names for module in getattr(network, name).modules()]
    assert bool(auxiliary) == (kind is not UHeMIS)
    called = []
    for module in auxiliary:
        module.register_forward_pre_hook(lambda module, _: called.append(module))
    assert isinstance(run(network, mixed(kind)), torch.Tensor)
    assert not called


def test_evaluation_repeats_itself(kind):
    network = make(kind)
    assert torch.equal(run(network, mixed(kind)), run(network, mixed(kind)))


def test_gradients_reach_every_parameter(kind):
    network = make(kind)
    sum(value.square().mean() for value in tensors(network(volume(kind))) if value.is_floating_point()).backward()
    without = {name for name, parameter in network.named_parameters() if parameter.grad is None}
    assert not without
    zero = {name for name, parameter in network.named_parameters() if not parameter.grad.any()}
    assert all(name.endswith("bias") for name in zero)  # cancelled by the normalisation that follows


def test_sliding_window_over_a_case_without_a_modality(kind):
    """Two windows, whose mean counts where they overlap."""
    network, length = make(kind).eval(), SIZES[kind][0]
    image = torch.cat([volume(kind), volume(kind, seed=2)[:, :, :8]], dim=2)
    image[:, 2] = NAN
    with torch.no_grad():
        output = sliding_window_inference(MetaTensor(image), SIZES[kind], 1, network, overlap=0.5)
    first, second = run(network, image[:, :, :length]), run(network, image[:, :, 8:])
    overlap = (first[:, :, 8:] + second[:, :, :-8]) / 2
    expected = torch.cat([first[:, :, :8], overlap, second[:, :, -8:]], dim=2)
    torch.testing.assert_close(output.as_tensor(), expected, rtol=1e-3, atol=1e-3)


def test_metadata_stays(kind):
    assert isinstance(run(make(kind), MetaTensor(mixed(kind))), MetaTensor)


def test_refuses_a_sample_without_any_modality(kind):
    image = mixed(kind)
    image[2] = NAN
    with pytest.raises(ValueError, match="no modality is available in sample 2"):
        run(make(kind), image)
    with pytest.raises(ValueError, match="no modality is available in sample 0"):
        run(make(kind), volume(kind), torch.zeros(1, 4, dtype=torch.bool))


def test_refuses_another_number_of_modalities_or_size(kind):
    with pytest.raises(ValueError, match=r"image must be \(B, 4, H, W, D\), got \(1, 3,"):
        run(make(kind), volume(kind, modalities=3))
    if kind is ShaSpec:
        return  # it pads
    stride = 16 if kind is MMFormer else 8
    for size in ((40, 48, 36), (48, 48, stride)):
        with pytest.raises(ValueError, match=f"every axis must be a multiple of {stride}, {2 * stride} or more, got"):
            run(make(kind), torch.zeros(1, 4, *size))
