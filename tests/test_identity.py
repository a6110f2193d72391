"""The network that knows persons: its loss, what it starts from, how it is measured, and its stage."""

import csv
import json
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from model_data import TRAINING, rebuilt, training_step, vae_arrays, validation_step
from raw_data import files_below, one_line
from torch.utils.data import Subset

from facevae.celeba.tables import write_numbers
from facevae.core.files import write_json
from facevae.core.params import load_section
from facevae.data.arrays import MANIFEST, write_npy, write_rows
from facevae.data.persons import Persons, Unseen, persons_of, unseen_of
from facevae.evaluation.identity import (
    VERIFICATION_COLUMNS,
    identity_kept,
    identity_metrics,
    pixels,
    verify,
    verify_unseen,
)
from facevae.models import classifier
from facevae.models.classifier import Classifier
from facevae.models.identity import IdentityNetwork, embedder, from_metadata, metadata_of, start_from
from facevae.nn.losses import margin_cross_entropy
from facevae.nn.model_files import load_weights, save_weights
from facevae.training.identity import (
    IdentitySettings,
    PersonClassifier,
    digest,
    identity_terms,
    identity_terms_of,
    mean_embeddings,
)
from facevae.training.loop.batches import DeviceRows, HostRows, fits
from facevae.training.loop.log import RunLog
from stages import train_identity

CPU = torch.device("cpu")
SIZE = 16
IDENTITY = {
    **TRAINING,
    "learning_rate": 0.005,
    "epochs": 4,
    "embedding": 8,
    "scale": 8.0,
    "margin": 0.1,
    "least_images": 2,
    "least_persons": 3,
}
SETTINGS = IdentitySettings.model_validate(IDENTITY)


# --- the loss


def test_the_margin_by_hand():
    cosines = torch.tensor([[0.5, 0.1], [0.5, 0.1]])
    found = margin_cross_entropy(cosines, torch.tensor([0, 1]), scale=10, margin=0.2)
    # The right one's logit is 10 (0.5 - 0.2) = 3 beside 1, then 10 (0.1 - 0.2) = -1 beside 5.
    assert found.tolist() == pytest.approx([math.log1p(math.exp(-2)), math.log1p(math.exp(6))], rel=1e-5)


def test_equal_cosines_cost_the_logarithm_of_the_number_of_persons():
    found = margin_cross_entropy(torch.full((3, 7), 0.4), torch.tensor([0, 3, 6]), scale=30, margin=0)
    assert found.tolist() == pytest.approx([math.log(7)] * 3, rel=1e-5)


def test_the_loss_pulls_to_the_right_person_and_away_from_the_others():
    cosines = torch.zeros(1, 3, requires_grad=True)
    margin_cross_entropy(cosines, torch.tensor([1]), scale=2, margin=0).sum().backward()
    assert torch.allclose(cosines.grad, 2 * torch.tensor([[1 / 3, -2 / 3, 1 / 3]]))


def test_terms_by_hand():
    class Given(torch.nn.Module):
        def forward(self, images):
            return F.normalize(images[:, :2, 0, 0], dim=1)

    images = torch.tensor([[1.0, 0, 0], [0.6, 0.8, 0]]).view(2, 3, 1, 1)
    model = PersonClassifier(Given(), torch.tensor([[3.0, 0.0], [0.0, 0.1]]))
    settings = SETTINGS.model_copy(update={"scale": 5.0, "margin": 0.0})
    terms = identity_terms(model, images, torch.tensor([0, 0]), settings, validation_step(2))
    # Directions of any length count alike: the cosines are 1 and 0, then 0.6 and 0.8.
    assert terms["accuracy"].tolist() == [1, 0]
    assert terms["loss"].tolist() == pytest.approx([math.log1p(math.exp(-5)), math.log1p(math.exp(1))], rel=1e-5)


@pytest.mark.parametrize(("flip", "training", "losses"), [(True, True, 2), (False, True, 1), (True, False, 1)])
def test_images_flip_in_training_only(flip, training, losses):
    class Left(torch.nn.Module):
        def forward(self, images):
            return F.normalize(images[..., 0].mean(2)[:, :2] + torch.tensor([0.5, 0.0]), dim=1)

    images = torch.zeros(40, 2, 2, 3, dtype=torch.uint8)
    images[:, :, 0] = 255
    terms_of = identity_terms_of(SETTINGS.model_copy(update={"flip": flip}))
    step = training_step(40) if training else validation_step(40)
    model = PersonClassifier(Left(), torch.eye(2))
    assert len(set(terms_of(model, (images, torch.zeros(40).long()), step)["loss"].tolist())) == losses


# --- the network


def test_embeddings_have_length_one():
    found = IdentityNetwork(SIZE, 8, 5)(torch.rand(3, 3, SIZE, SIZE))
    assert found.shape == (3, 5) and torch.allclose(found.norm(dim=1), torch.ones(3))


def test_it_starts_from_the_judges_convolutions():
    judge, images = Classifier(SIZE, 8, 3), torch.rand(2, 3, SIZE, SIZE)
    network = start_from(judge, SIZE, 6)
    for ours, its in zip(network.body.features(images), judge.features(images), strict=True):
        assert torch.equal(ours, its)
    before = judge.stem.weight.clone()
    network.body.stem.weight.data.zero_()
    assert torch.equal(judge.stem.weight, before), "a copy: the judge stays as it is"
    with pytest.raises(ValueError, match="a judge of 128-pixel images"):
        start_from(judge, 128, 6)


def test_rebuilt_from_facts_and_weights():
    network, images = IdentityNetwork(SIZE, 8, 5), torch.rand(1, 3, SIZE, SIZE)
    facts = json.loads(json.dumps(metadata_of(SIZE, network, 12)))
    again = rebuilt(from_metadata, facts, network.state_dict())
    assert facts["identities"] == 12 and torch.equal(again(images), network(images)) and not again.training
    assert rebuilt(from_metadata, metadata_of(SIZE, None, 12), {}) is None


def test_what_tells_persons_apart():
    judge, network, images = Classifier(SIZE, 8, 3).eval(), IdentityNetwork(SIZE, 8, 5), torch.rand(2, 3, SIZE, SIZE)
    name, embed = embedder(network, metadata_of(SIZE, network, 12), judge, SIZE)
    assert name == "identity" and torch.equal(embed(images), network(images))
    name, embed = embedder(None, metadata_of(SIZE, None, 0), judge, SIZE)
    assert name == "judge" and torch.equal(embed(images), judge.embedding(images))
    with one_line("expected one of 32-pixel images, found one of 16-pixel images", "stages.train_identity"):
        embedder(None, metadata_of(SIZE, None, 0), judge, 32)


def test_how_much_of_a_person_is_kept():
    face = torch.tensor([[1.0, 0.0]] * 4)
    as_good = torch.tensor([[0.6, 0.8]])
    reconstruction = as_good.expand(4, 2)
    edit = torch.tensor([[3.0, 4.0], [0.0, 2.0], [-1.0, 0.0], [1.0, 0.0]])
    # As near as the reconstruction, whatever the length; at a right angle; opposite; the face itself.
    assert identity_kept(face, reconstruction, edit).tolist() == pytest.approx([1, 0.4, -0.6, 1.4])


# --- who is who


def test_who_has_enough_images():
    names = ["1.png", "2.png", "3.png", "4.png", "5.png", "6.png"]
    known = {"1": 70, "2": 5, "3": 70, "4": 5, "5": 9}  # the sixth is nobody's
    found = persons_of(names, known, 2)
    assert (found.rows.tolist(), found.labels.tolist(), found.identities) == ([0, 1, 2, 3], [1, 0, 1, 0], (5, 70))
    none = persons_of(names, known, 3)
    assert (none.rows.tolist(), none.labels.tolist(), none.identities) == ([], [], ())


def test_unseen_persons_are_known_and_not_trained():
    images = np.arange(4, dtype=np.uint8)[:, None, None, None].repeat(3, 3)
    arrays = vae_arrays({"test": images}, {"test": np.zeros((4, 3), np.int8)})
    trained = Persons(np.array([0]), np.array([0]), (5,))
    found = unseen_of(arrays, "test", {"0": 5, "1": 6, "3": 7}, trained)
    assert found.images[:, 0, 0, 0].tolist() == [1, 3] and found.identities.tolist() == [6, 7]


def test_the_digest_names_all_that_a_training_starts_from():
    persons, unseen, judge = (
        Persons(np.arange(4), np.arange(4) // 2, (5, 6)),
        Unseen(None, np.arange(3)),
        Classifier(SIZE, 8, 1),
    )
    one = digest(persons, unseen, judge)
    assert one == digest(persons, unseen, judge)
    assert one != digest(Persons(np.arange(4), np.arange(4) % 2, (5, 6)), unseen, judge)
    assert one != digest(persons, Unseen(None, np.arange(3) + 1), judge)
    judge.head.bias.data += 1
    assert one != digest(persons, unseen, judge)


@pytest.mark.parametrize("kind", [HostRows, DeviceRows])
@pytest.mark.parametrize("on_disk", [True, False])
def test_selected_rows(tmp_path, kind, on_disk):
    images = np.random.default_rng(0).integers(0, 256, (9, 4, 3, 3), np.uint8)
    np.save(tmp_path / "images.npy", images)
    array = np.load(tmp_path / "images.npy", mmap_mode="r")[2:] if on_disk else images[2:]
    selection = Subset(array, np.array([1, 2, 5, 6]))
    assert fits((selection,), images[:4].nbytes / 0.6 + 1) and not fits((selection,), images[:4].nbytes / 0.6 - 1)
    (first,), (second,) = kind((selection,), CPU).batches([np.array([0, 3]), np.array([2])])
    assert np.array_equal(first.numpy(), images[[3, 8]]) and np.array_equal(second.numpy(), images[[7]])


def test_directions_start_at_the_mean_embeddings():
    network = IdentityNetwork(SIZE, 8, 5)
    images = np.random.default_rng(0).integers(0, 256, (70, SIZE, SIZE, 3), np.uint8)
    labels = np.arange(70) % 3
    found = mean_embeddings(network, images, labels, 3, CPU)
    with torch.no_grad():
        each = network(torch.from_numpy(images).permute(0, 3, 1, 2) / 255)
    expected = torch.stack([(each - each.mean(0))[labels == person].sum(0) for person in range(3)])
    assert torch.allclose(found, expected, atol=1e-5)


# --- telling apart


def test_verification_by_hand():
    # Angles in degrees: persons 1 and 2 with two images each, 3 with one.
    angles = torch.tensor([0.0, 10, 40, 45, 100]).deg2rad()
    embeddings = 3 * torch.stack([angles.cos(), angles.sin()], 1)
    found = verify(embeddings, np.array([1, 1, 2, 2, 3]))
    assert (found.auc, found.equal_error_rate, found.persons, found.pairs) == (1, 0, 2, 2)
    # Now 1 has those at 0 and 40, 2 those at 10 and 45: the pairs are 40 and 35 apart, the eight others
    # 10, 45, 100, 30, 5, 60, 90, 55: the pair at 40 is beaten by 3 of 8, that at 35 too.
    found = verify(embeddings, np.array([1, 2, 1, 2, 3]))
    assert found.auc == pytest.approx(5 / 8)
    # From 35 to 45 three of the eight others pass, and of the two pairs none, one, both: as many are missed in between.
    assert found.equal_error_rate == pytest.approx(3 / 8)


@pytest.mark.parametrize("identities", [[], [1, 2, 3], [1, 1, 1]])
def test_nothing_to_tell_apart(identities):
    def never(_):
        raise AssertionError

    images = np.zeros((len(identities), SIZE, SIZE, 3), np.uint8)
    assert verify_unseen(Unseen(images, np.array(identities, np.int64)), never, CPU) is None


def test_pixels_do_not_see_the_light():
    images = torch.rand(2, 3, 64, 64) / 2
    found = pixels(images)
    assert found.shape == (2, 3 * 32 * 32) and torch.allclose(found, pixels(images + 0.25), atol=1e-6)
    assert pixels(torch.rand(2, 3, 16, 16)).shape == (2, 3 * 16 * 16)


def test_metrics_of_no_network_and_nothing_to_tell_apart():
    judge, nobody = Classifier(SIZE, 8, 1), Unseen(np.zeros((0, SIZE, SIZE, 3), np.uint8), np.zeros(0, np.int64))
    persons = Persons(np.arange(4), np.arange(4) // 2, (5, 6))
    assert identity_metrics(None, persons, judge, nobody, CPU) == ({"persons": 0}, [])
    found = identity_metrics(IdentityNetwork(SIZE, 8, 5), persons, judge, nobody, CPU)
    assert found == ({"persons": 2}, [])
    two = Unseen(np.random.default_rng(0).integers(0, 256, (4, SIZE, SIZE, 3), np.uint8), np.array([1, 1, 2, 2]))
    metrics, rows = identity_metrics(None, persons, judge, two, CPU)
    assert [tuple(row) for row in rows] == [VERIFICATION_COLUMNS] * 2
    assert [row["embedding"] for row in rows] == ["judge", "pixels"]
    # The judge stands in.
    assert metrics == {"persons": 0} | {name: rows[0][name] for name in ("roc_auc", "equal_error_rate")}
    metrics, rows = identity_metrics(IdentityNetwork(SIZE, 8, 5), persons, judge, two, CPU)
    assert rows[0]["embedding"] == "identity" and metrics["roc_auc"] == rows[0]["roc_auc"]


# --- the stage


def portraits(persons, seed):
    """Pictures (N, SIZE, SIZE, 3) uint8 with a square in the middle whose three colours, light or dark, are the bits
    of the person's number, before stripes that are no two images' and outweigh it."""
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (len(persons), 1, SIZE, 3)) + np.zeros((1, SIZE, 1, 1), int)
    bits = np.array(persons)[:, None] >> np.arange(3) & 1
    images[:, 6:10, 6:10] = np.where(bits, 220, 40)[:, None, None, :]
    return images.astype(np.uint8)


# The unseen ones differ in all three colours.
TRAIN, VALID, TEST = [1, 2, 3, 4, 5, 6] * 10, [0, 7] * 3, [0, 7] * 4


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with arrays of eight persons, of whom six are in the train split, and an untrained judge."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    folder, persons = tmp_path / "data", TRAIN + VALID + TEST
    folder.mkdir()
    images = portraits(persons, 0)
    names = [f"{number}.png" for number in range(len(persons))]
    write_npy(folder / "images.npy", images.shape, images)
    splits = {"train": len(TRAIN), "valid": len(VALID), "test": len(TEST)}
    write_rows(
        folder, names, [split for split, count in splits.items() for _ in range(count)], ["A"], [[1]] * len(names)
    )
    manifest = {"kind": "vae", "shape": list(images.shape), "splits": splits, "framing": {}, "attributes": ["A"]}
    write_json(folder / MANIFEST, manifest)
    write_numbers(tmp_path / "identities.txt", [name.replace("png", "jpg") for name in names], persons)
    torch.manual_seed(0)
    judge = Classifier(SIZE, 8, 1)
    save_weights(tmp_path / "judge.safetensors", judge.state_dict(), classifier.metadata_of(SIZE, 8, ["A"]))
    yield tmp_path
    torch.use_deterministic_algorithms(False)
    torch.set_num_threads(threads)


def train(project, made="made", checkpoint_seconds=60.0, **changes):
    """Run the stage; return what it has written."""
    params = project / "params.yaml"
    params.write_text(json.dumps({"train_identity": IDENTITY | changes}))
    train_identity.main(
        params=params, device="cpu", arrays=project / "data", identities=project / "identities.txt",
        judge=project / "judge.safetensors", model=project / made / "identity.safetensors", results=project / made,
        logs=project / "logs", checkpoint_seconds=checkpoint_seconds,
    )  # fmt: skip
    return files_below(project / made)


def test_persons_that_can_be_told_apart_are(project, capsys):
    train(project, epochs=15)
    found = json.loads((project / "made/metrics.json").read_text())["identity"]
    network, judge, plain = csv.DictReader((project / "made/verification.csv").open())
    assert (found["persons"], network["persons"], network["pairs"]) == (6, "2", "12")
    assert [row["embedding"] for row in (network, judge, plain)] == ["identity", "judge", "pixels"]
    assert found["roc_auc"] > 0.97 > 0.9 > float(plain["roc_auc"]) and found["equal_error_rate"] < 0.1
    last = list(csv.DictReader((project / "made/history.csv").open()))[-1]
    assert float(last["train_accuracy"]) > 0.95 and float(last["valid_auc"]) > 0.95
    assert "6 persons; unseen ones told apart with a ROC AUC of" in capsys.readouterr().out
    weights, facts = load_weights(project / "made/identity.safetensors", "identity")
    assert facts == {"kind": "identity", "image_size": SIZE, "identities": 6, "width": 8, "embedding": 8}
    assert "directions" not in weights and rebuilt(from_metadata, facts, weights) is not None


def test_the_same_bytes_again_and_after_an_interruption(project, monkeypatch, capsys):
    whole = RunLog.epoch

    def goes_down(self, row, *arguments):
        if row["epoch"] == 3:
            raise KeyboardInterrupt
        whole(self, row, *arguments)

    first = train(project)
    assert sorted(first) == ["history.csv", "identity.safetensors", "metrics.json", "verification.csv"]
    torch.seed()
    monkeypatch.setattr(RunLog, "epoch", goes_down)
    with pytest.raises(KeyboardInterrupt):
        train(project, "again", checkpoint_seconds=0.0)
    assert not (project / "again").exists()
    monkeypatch.setattr(RunLog, "epoch", whole)
    capsys.readouterr()
    assert train(project, "again") == first
    assert "resuming after epoch 2 of 4" in capsys.readouterr().out
    torch.seed()
    assert train(project, "once more") == first
    assert not files_below(project / ".checkpoints")


def test_too_few_persons(project, capsys):
    made = train(project, least_persons=7)
    assert sorted(made) == ["history.csv", "identity.safetensors", "metrics.json", "verification.csv"]
    assert made["history.csv"] == b"epoch,learning_rate,train_loss,train_accuracy,valid_auc\n"
    assert json.loads(made["metrics.json"])["identity"]["persons"] == 0
    weights, facts = load_weights(project / "made/identity.safetensors", "identity")
    assert (weights, facts) == ({}, {"kind": "identity", "image_size": SIZE, "identities": 0})
    *progress, line = capsys.readouterr().out.splitlines()
    assert "6 persons have 2 images or more in the train split, 7 are needed" in line
    assert all(line.startswith("verification by ") for line in progress)


def test_nobody_is_known(project, capsys):
    (project / "identities.txt").write_text("")
    made = train(project)
    assert json.loads(made["metrics.json"]) == {"identity": {"persons": 0}}
    assert "0 persons have 2 images or more" in capsys.readouterr().out


def test_a_judge_of_other_images(project):
    judge = Classifier(128, 8, 1)
    save_weights(project / "judge.safetensors", judge.state_dict(), classifier.metadata_of(128, 8, ["A"]))
    with one_line("the judge: expected a judge of 16-pixel images, found another one", "stages.train_judge"):
        train(project)


@pytest.mark.parametrize(("key", "value"), [("keep", "best"), ("patience", 3), ("margin", 1.0), ("least_images", 1)])
def test_settings_that_cannot_be(tmp_path, key, value):
    (tmp_path / "params.yaml").write_text(json.dumps({"train_identity": IDENTITY | {key: value}}))
    with one_line(f"train_identity.{key}", "expected"):
        load_section(tmp_path / "params.yaml", "train_identity", IdentitySettings)
