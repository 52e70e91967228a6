"""Task interaction module (Eqs. 1 to 5) and uncertainty proxy attention (Eqs. 6 to 8)."""

import numpy as np
import pytest
import torch
from torch import nn

from shared.networks import TaskInteractionModule, UncertaintyProxyAttention


def values(tensor):
    return tensor.detach().double().numpy()


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def dense(layer, x):
    return x @ values(layer.weight).T + values(layer.bias)


def batch(decoded=(3, 6, 5, 4), length=10):
    torch.manual_seed(0)
    return torch.randn(decoded), torch.randn(decoded[0], length)


def interaction_written_out(module, decoded, vectors):
    """Eqs. 1 to 5, batch normalisation by running statistics."""
    norm = module.context[2]
    attended = np.einsum("oc,bchw->bohw", values(module.attend[0].weight)[:, :, 0, 0], decoded)
    alpha = np.maximum(attended + values(module.attend[0].bias)[:, None, None], 0)
    context = np.maximum(dense(module.context[0], alpha.mean(axis=(2, 3))), 0)
    context = (context - values(norm.running_mean)) / np.sqrt(values(norm.running_var) + 1e-3)
    context = context * values(norm.weight) + values(norm.bias)
    enhanced_vectors = vectors + sigmoid(dense(module.class_gate[0], context)) * context
    gate = sigmoid(dense(module.decoder_gate[0], decoded.mean(axis=(2, 3))))
    mu = 1 + 0.7 * gate * sigmoid(dense(module.prior[0], vectors))
    return decoded * mu[:, :, None, None], enhanced_vectors


def attention_written_out(module, decoded, vectors, mean):
    """Eqs. 6 and 7."""
    segmentation = [np.mean([((c - c.mean()) ** 2).sum() / c.size for c in image]) for image in decoded]
    classification = [((f - f.mean()) ** 2).sum() / f.size for f in vectors]
    u = np.stack([segmentation, classification], axis=1)
    u = u / ((u.mean(axis=0) if mean is None else mean) + 1e-8)
    scores = dense(module.weigh[2], np.maximum(dense(module.weigh[0], u), 0))
    return np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)


def test_interaction_is_eqs_1_to_5():
    module = TaskInteractionModule(6, 10).eval()
    for parameter in (*module.context[2].parameters(), module.context[2].running_mean):
        nn.init.normal_(parameter)
    decoded, vectors = batch()
    expected = interaction_written_out(module, values(decoded), values(vectors))
    for output, written in zip(module(decoded, vectors), expected, strict=True):
        np.testing.assert_allclose(values(output), written, rtol=1e-4, atol=1e-5)


def test_modulation_by_hand():
    """Zero weights: both gates 1/2, so mu = 1 + 0.7 / 4; the context is zero, so f stays."""
    module = TaskInteractionModule(6, 10).eval()
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    decoded, vectors = batch()
    enhanced_decoded, enhanced_vectors = module(decoded, vectors)
    torch.testing.assert_close(enhanced_decoded, 1.175 * decoded)
    torch.testing.assert_close(enhanced_vectors, vectors)


def test_modulation_lies_between_1_and_1_7():
    module = TaskInteractionModule(6, 10)
    nn.init.normal_(module.prior[0].weight, std=50)
    nn.init.normal_(module.decoder_gate[0].weight, std=50)
    decoded, vectors = batch((8, 6, 5, 4))
    mu = module(decoded, vectors)[0] / decoded
    assert mu.min() >= 1 - 1e-5
    assert mu.max() <= 1.7 + 1e-5
    assert mu.max() - mu.min() > 0.5


def test_each_task_informs_the_other_in_eq_2_and_eq_4():
    """f_enh depends on D and D_enh on the base f."""
    module = TaskInteractionModule(6, 10).eval()
    decoded, vectors = (part.requires_grad_() for part in batch())
    enhanced_decoded, enhanced_vectors = module(decoded, vectors)
    assert torch.autograd.grad(enhanced_vectors.sum(), decoded, retain_graph=True)[0].abs().max() > 0
    assert torch.autograd.grad(enhanced_decoded.square().sum(), vectors)[0].abs().max() > 0


def test_attention_is_eqs_6_and_7_in_training():
    module = UncertaintyProxyAttention()
    decoded, vectors = batch()
    expected = attention_written_out(module, values(decoded), values(vectors), mean=None)
    np.testing.assert_allclose(values(module(decoded, vectors)), expected, rtol=1e-4)


def test_attention_uses_the_running_mean_in_evaluation():
    module = UncertaintyProxyAttention().eval()
    module.running_mean.copy_(torch.tensor([0.5, 3.0]))
    decoded, vectors = batch()
    expected = attention_written_out(module, values(decoded), values(vectors), mean=np.array([0.5, 3.0]))
    weights = module(decoded, vectors)
    np.testing.assert_allclose(values(weights), expected, rtol=1e-4)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(3))
    torch.testing.assert_close(module(decoded[1:2], vectors[1:2]), weights[1:2])  # alone
    assert module.running_mean.tolist() == [0.5, 3.0]


def test_running_mean_by_hand():
    """Pixels +-a have the variance a^2. Batches 1, then 3: mean of both while few were seen; later a tenth."""
    module = UncertaintyProxyAttention()
    pixels = torch.tensor([-1.0, 1.0]).view(1, 1, 1, 2).repeat(2, 1, 1, 1)
    for variance, mean in ((1.0, 1.0), (3.0, 2.0)):
        module(pixels * variance**0.5, 2 * pixels[:, 0, 0] * variance**0.5)
        torch.testing.assert_close(module.running_mean, torch.tensor([mean, 4 * mean]))
    module.num_batches_tracked.fill_(1000)
    module(pixels * 12**0.5, 2 * pixels[:, 0, 0] * 12**0.5)
    torch.testing.assert_close(module.running_mean, torch.tensor([3.0, 12.0]))  # 2 + (12 - 2) / 10


def test_constant_features_have_finite_weights():
    module = UncertaintyProxyAttention()
    decoded, vectors = torch.zeros(2, 3, 4, 4, requires_grad=True), torch.zeros(2, 5, requires_grad=True)
    weights = module(decoded, vectors)
    weights[:, 0].sum().backward()
    assert torch.isfinite(weights).all()
    assert torch.isfinite(decoded.grad).all()


def test_half_precision_variances_do_not_overflow():
    """Deviations of 300 have squares beyond float16."""
    module = UncertaintyProxyAttention()
    decoded = torch.tensor([-300.0, 300.0]).view(1, 1, 1, 2).expand(2, 4, 3, 2).half()
    assert torch.isfinite(module(decoded, torch.randn(2, 5).half())).all()
    assert module.running_mean[0].item() == pytest.approx(9e4)


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 7)])
def test_interpolation_is_eq_8(shape):
    base, enhanced, weight = torch.randn(shape), torch.randn(shape), torch.tensor([0.0, 0.25])
    final = UncertaintyProxyAttention.interpolate(base, enhanced, weight)
    torch.testing.assert_close(final[0], base[0])
    torch.testing.assert_close(final[1], 0.75 * base[1] + 0.25 * enhanced[1])
