"""Attribute directions, estimated from latents and labels. Pure functions on float tensors.

`latents`: (N, D) posterior means. `labels`: (N, A) of 0 or 1, where every attribute has both kinds of images. A
direction's unit is one attribute: adding it once goes as far as a typical face that has the attribute lies from one
that has not.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

# Newton's steps until the weights balance: five to ten, and far more where attributes nearly exclude each other.
_NEWTON_STEPS = 200

# Newton's whole step, and what is tried of it where that goes too far.
_STEP_SIZES = tuple(0.5**halvings for halvings in range(20))

_CURVATURE_ROWS = 10_000

_EM_STEPS = 50

# Of the axes at most half move with an attribute; left free, the share runs to all where the noise is underestimated.
_LARGEST_SHARE = 0.5


class NothingLeftError(ValueError):
    """Conditions leave nothing but rounding of the vector of attribute number `attribute`."""

    def __init__(self, attribute: int) -> None:
        super().__init__(f"nothing is left of vector {attribute}")
        self.attribute = attribute


def has_both_kinds(labels: Tensor) -> Tensor:
    """Whether each attribute has images with it and such as are known to be without: (N, A) -> (A,) bool."""
    return (labels == 1).any(0) & (labels == 0).any(0)


def mean_differences(latents: Tensor, labels: Tensor) -> Tensor:
    """Mean latent of the images with each attribute minus that of the images without: (N, D), (N, A) -> (A, D).

    The report's smile vector; Hou et al. 2017 (arXiv 1610.00291), section 4.3. Takes along whatever is correlated
    with the attribute.
    """
    weights = labels.to(latents.dtype)
    positives = weights.sum(0)[:, None]
    total = latents.sum(0)
    with_it = weights.T @ latents
    return with_it / positives - (total - with_it) / (len(latents) - positives)


def balanced(latents: Tensor, labels: Tensor, ridge: float) -> Tensor:
    """Mean differences of groups that have the other attributes equally often: (N, D), (N, A) -> (A, D).

    White 2016 (arXiv 1609.04468, section 3.1) replicates images until the groups with and without an attribute agree in
    a second one. Weights do that for all others at once: in each group those closest to equal ones (in entropy) with
    which every other attribute is as frequent as in the whole (Hainmueller 2012, "Entropy balancing", equations 4-8).
    `ridge` weighs the squared multipliers, for where no weights balance exactly: one attribute excludes another.
    ValueError is raised where it is too small for that.
    """
    x, _ = _standardised(labels)
    found = torch.empty(labels.shape[1], latents.shape[1], dtype=latents.dtype)
    for attribute in range(labels.shape[1]):
        others = torch.arange(labels.shape[1]) != attribute
        means = []
        for kind in (1, 0):
            rows = labels[:, attribute] == kind
            weights = _entropy_balance(x[rows][:, others], ridge)
            means.append(weights.to(latents.dtype) @ latents[rows])
        found[attribute] = means[0] - means[1]
    return found


def regression(latents: Tensor, labels: Tensor, ridge: float) -> Tensor:
    """Least squares of the latents on all attributes at once: (N, D), (N, A) -> (A, D).

    Row a is what attribute a adds to a latent when the other attributes stay, the cure for correlated attributes that
    White 2016 (arXiv 1609.04468, section 3.1) sought by balancing. `ridge`: a weight on the squared coefficients of
    the standardised attributes relative to the number of images, 0 for none; attributes that imply each other need
    some (Hoerl & Kennard 1970), and ValueError is raised where there is too little for a solution.
    """
    x, scale = _standardised(labels)
    coefficients, _ = _solve(x, latents.double() - latents.double().mean(0), ridge)
    return (coefficients / scale[:, None]).to(latents.dtype)


def empirical_bayes(latents: Tensor, labels: Tensor, ridge: float) -> Tensor:
    """The regression without what may be chance: (N, D), (N, A) -> (A, D).

    A rare attribute's coefficients carry the noise of all else in which faces differ, and most of it along the axes of
    greatest variance, whose change is seen most. In the principal axes of the regression's residual each coefficient is
    either nothing or drawn from N(0, t); how often and t are estimated for each attribute, and its posterior mean is
    kept (Johnstone & Silverman 2004, "Needles and straw in haystacks", with a Gaussian slab). Sure coefficients stay as
    they are. `ridge` as for `regression`, and the same ValueError.
    """
    x, scale = _standardised(labels)
    y = latents.double() - latents.double().mean(0)
    coefficients, variance_factors = _solve(x, y, ridge)
    residual = y - x @ coefficients
    variances, axes = torch.linalg.eigh(residual.T @ residual / max(1, len(y) - labels.shape[1]))
    noise = variance_factors[:, None] * variances.clamp_min(1e-12 * variances.max())
    return (_spike_and_slab(coefficients @ axes, noise) @ axes.T / scale[:, None]).to(latents.dtype)


def linear_classifier(latents: Tensor, labels: Tensor) -> Tensor:
    """Normals of logistic regressions, as long as the groups are apart along them: (N, D), (N, A) -> (A, D).

    InterFaceGAN (Shen et al. 2020, arXiv 1907.10786, section 3) takes a linear SVM's normal. A step of one goes from
    the mean of the faces without the attribute to that of the faces with it, measured along the normal.
    """
    normals = classifier_normals(latents, labels)
    apart = (normals * mean_differences(latents, labels)).sum(1)
    return normals * apart[:, None]


def classifier_normals(latents: Tensor, labels: Tensor) -> Tensor:
    """Unit normals of a logistic regression of each attribute on the standardised latents: (N, D), (N, A) -> (A, D).

    All at once by L-BFGS, started from linear discriminant analysis, close to where it ends: seconds where one
    scikit-learn model after the other takes a minute. The penalty |w|^2 / 2 is scikit-learn's default.
    """
    scale = latents.double().std(0, unbiased=False).clamp_min(1e-12)
    x = (latents.double() - latents.double().mean(0)) / scale
    y = labels.double()
    weights = _discriminants(x, y).requires_grad_()
    optimizer = torch.optim.LBFGS([weights], max_iter=200, tolerance_grad=1e-5, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        logits = x @ weights[:-1] + weights[-1]
        fit = F.binary_cross_entropy_with_logits(logits, y, reduction="sum")
        total = (fit + weights[:-1].square().sum() / 2) / len(x)
        total.backward()
        return total

    optimizer.step(loss)
    return F.normalize((weights.detach()[:-1] / scale[:, None]).T, dim=1).to(latents.dtype)


def project_out(vectors: Tensor, normals: Tensor, rows: list[int]) -> Tensor:
    """Vectors along which the classifiers of the attributes `rows` don't move: (A, D), (A, D) -> (A, D).

    InterFaceGAN's conditional manipulation (Shen et al. 2020, section 3.3) for several conditions: what lies in the
    span of their normals is taken away. The vector of a condition keeps to the other conditions alone. Raises
    NothingLeftError where nothing but rounding is left of a vector.
    """
    found = vectors.clone()
    for attribute in range(len(vectors)):
        conditions = [row for row in rows if row != attribute]
        if not conditions:
            continue
        basis = torch.linalg.qr(normals[conditions].double().T).Q
        vector = vectors[attribute].double()
        found[attribute] = vector - basis @ (basis.T @ vector)
        if found[attribute].norm() < 1e-6 * vector.norm():
            raise NothingLeftError(attribute)
    return found


def cosines(vectors: Tensor) -> Tensor:
    """Cosine of the angle between any two vectors: (A, D) -> (A, A) in [-1, 1]. 0 to a vector of no length."""
    unit = F.normalize(vectors.double(), dim=1)
    return (unit @ unit.T).clamp(-1, 1)


def bootstrap_stability(
    estimate: Callable[[Tensor, Tensor], Tensor], latents: Tensor, labels: Tensor, replicates: int, seed: int
) -> Tensor:
    """How much vectors depend on who is among the images: (N, D), (N, A) -> (A,) in [-1, 1], 1 for not at all.

    The mean cosine between the vectors of `estimate` on all images and on `replicates` draws of N images with
    replacement (Efron 1979). A draw in which an attribute has one kind of images alone is not counted for it; NaN where
    none is left.
    """
    generator = torch.Generator().manual_seed(seed)
    whole = F.normalize(estimate(latents, labels).double(), dim=1)
    sums, counts = torch.zeros(len(whole), dtype=torch.float64), torch.zeros(len(whole), dtype=torch.float64)
    for _ in range(replicates):
        rows = torch.randint(len(latents), (len(latents),), generator=generator)
        usable = has_both_kinds(labels[rows])
        if not usable.any():
            continue
        vectors = F.normalize(estimate(latents[rows], labels[rows][:, usable]).double(), dim=1)
        sums[usable] += (vectors * whole[usable]).sum(1)
        counts += usable
    return sums / counts


def _discriminants(x: Tensor, y: Tensor) -> Tensor:
    """Weights and, in the last row, biases of linear discriminant analysis: (N, D), (N, A) -> (D + 1, A)."""
    positives, negatives = y.sum(0), (1 - y).sum(0)
    # The mean of all is 0: the negatives' follows from the positives'.
    having = (y.T @ x) / positives[:, None]
    lacking = -having * (positives / negatives)[:, None]
    covariance = x.T @ x / len(x) + 1e-3 * torch.eye(x.shape[1], dtype=x.dtype)
    weights = torch.linalg.solve(covariance, (having - lacking).T)
    biases = (positives / negatives).log() - ((having + lacking) / 2 * weights.T).sum(1)
    return torch.cat([weights, biases[None]])


def _standardised(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Labels with mean 0 and variance 1, (N, A), and what they were divided by, (A,)."""
    x = labels.double()
    x = x - x.mean(0)
    scale = x.std(0, unbiased=False)
    return x / scale, scale


def _solve(x: Tensor, y: Tensor, ridge: float) -> tuple[Tensor, Tensor]:
    """Coefficients (A, D) of y (N, D) on x (N, A), and each attribute's variance per unit of the noise's, (A,)."""
    gram = x.T @ x / len(x)
    regular = gram + ridge * torch.eye(x.shape[1], dtype=x.dtype)
    if torch.linalg.matrix_rank(regular, hermitian=True) < len(regular):
        raise ValueError("a larger ridge, since some attributes determine others")
    inverse = torch.linalg.inv(regular)
    return inverse @ (x.T @ y / len(x)), (inverse @ gram @ inverse).diagonal() / len(x)


def _spike_and_slab(observed: Tensor, noise: Tensor) -> Tensor:
    """Posterior means of coefficients, (A, D), seen with errors of the variance `noise`; the prior fitted to each row.

    With probability w a coefficient is drawn from N(0, t), else it is 0. Expectation-maximisation finds w and t.
    """
    share = torch.full((len(observed), 1), 0.3, dtype=observed.dtype)
    slab = observed.square().mean(1, keepdim=True)
    for _ in range(_EM_STEPS):
        total = slab + noise
        log_odds = share.logit() + (noise.log() - total.log() + observed.square() * (1 / noise - 1 / total)) / 2
        chosen = log_odds.sigmoid()
        mean, variance = observed * slab / total, noise * slab / total
        share = chosen.mean(1, keepdim=True).clamp(0.01, _LARGEST_SHARE)
        slab = (chosen * (mean.square() + variance)).sum(1, keepdim=True) / chosen.sum(1, keepdim=True)
    return chosen * mean


def _entropy_balance(x: Tensor, ridge: float) -> Tensor:
    """Weights of rows, (n,), which sum to 1 and give columns of x, (n, k), a mean of 0.

    Newton's method on the convex dual log sum exp(x m) + ridge |m|^2 / 2 over the multipliers m, whose curvature is
    taken from some of the rows: for CelebA's number that is ten times as fast as from all. ValueError is raised where
    it does not converge: where no weights balance, the dual has no minimum but for the ridge.
    """
    multipliers = torch.zeros(x.shape[1], dtype=x.dtype)
    some = slice(None, None, max(1, len(x) // _CURVATURE_ROWS))
    logits = x @ multipliers
    value = torch.logsumexp(logits, 0)
    for _ in range(_NEWTON_STEPS):
        weights = torch.softmax(logits, 0)
        gradient = weights @ x + ridge * multipliers
        part, share = x[some], weights[some] / weights[some].sum()
        mean = share @ part
        # A little on the diagonal, for columns that never vary among these rows.
        hessian = (part * share[:, None]).T @ part - torch.outer(mean, mean)
        hessian += (ridge + 1e-9) * torch.eye(len(mean), dtype=x.dtype)
        step = torch.linalg.solve(hessian, gradient)
        slope = gradient @ step
        if slope < 1e-10:
            return weights
        along = x @ step
        for size in _STEP_SIZES:
            tried = multipliers - size * step
            risen = torch.logsumexp(logits - size * along, 0) + ridge * tried @ tried / 2
            if risen <= value - 1e-4 * size * slope:
                break
        else:
            break  # no step that lowers the dual
        multipliers, logits, value = tried, logits - size * along, risen
    raise ValueError("a larger ridge, since no weights balance the other attributes")
