"""Settings of the adapter "diffusers". A setting that is left out has the pipeline's default."""

from typing import Annotated, Literal

from pydantic import Field

from generators.adapters.base import AdapterSettings

Device = Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")]
SchedulerName = Annotated[str, Field(pattern=r"^[A-Z]\w*Scheduler$")]


class DiffusersSettings(AdapterSettings):
    """The weights and how they are used. Images have no watermark, because it would identify the model to raters."""

    operational = AdapterSettings.operational | {"download", "offload", "vae_slicing", "compile"}

    path: str = Field(min_length=1, description="folder of a diffusers pipeline, or its id on the Hugging Face Hub")
    revision: str | None = Field(None, description="of a Hub id: branch, tag or commit")
    variant: str | None = Field(None, description='of the weight files, such as "fp16"')
    download: bool = Field(False, description="fetch a Hub id that is not in the local cache")
    dtype: Literal["auto", "bf16", "fp16", "fp32"] = Field(
        "auto", description="auto: fp32 on a CPU; on a GPU bf16, or fp16 if it has no bf16"
    )
    device: Device = Field("auto", description="auto, cpu, cuda or cuda:N; auto: the first GPU, otherwise the CPU")
    steps: int | None = Field(None, ge=1, le=1000)
    guidance: float | None = Field(None, ge=0, allow_inf_nan=False, description="classifier-free guidance scale")
    negative_prompt: str | None = None
    scheduler: SchedulerName | None = Field(None, description="a scheduler class of diffusers")
    strength: float | None = Field(None, gt=0, le=1, description="for edits: 1 keeps the least of the source")
    max_batch: int = Field(4, ge=1, le=64, description="images drawn in one call; halved if memory runs out")
    offload: Literal["none", "model", "sequential", "group"] = Field(
        "none", description="keep weights in main memory and bring them to the GPU by model, by layer or by group"
    )
    vae_slicing: bool = Field(False, description="decode the images of a batch one after the other")
    vae_tiling: bool = Field(False, description="decode large images tile by tile")
    compile: bool = Field(False, description="torch.compile: minutes at the first image of a size, faster after that")
