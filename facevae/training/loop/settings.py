"""The part of a training's parameters that does not depend on the model."""

from typing import Literal

from pydantic import Field

from facevae.nn.precision import Computation


class TrainingSettings(Computation):
    """The part of a training's section that does not depend on the model."""

    optimizer: Literal["adam", "adamw"]
    learning_rate: float = Field(gt=0, le=10)
    schedule: Literal["constant", "cosine", "halving"]
    warmup_epochs: float = Field(ge=0)
    weight_decay: float = Field(ge=0, le=1)
    # The largest norm of a step's gradient; a longer one is shortened to it (Pascanu et al. 2013). Null: any.
    gradient_clip: float | None = Field(gt=0)
    batch_size: int = Field(ge=1)
    epochs: int = Field(ge=1)
    # Stop when the validation loss has not fallen for so many epochs; null: never.
    patience: int | None = Field(ge=1)
    # Whose weights are the result: those of the last epoch, or of the one with the lowest validation loss.
    keep: Literal["last", "best"]
    # Share of the old in the running average of the weights, which is then the result; null: the weights themselves.
    ema: float | None = Field(ge=0, lt=1)
    flip: bool
    seed: int = Field(ge=0, lt=2**63)
