"""Weights of the music taggers of the package musicnn 0.1.0: two networks for each of two data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from genrezoo.weights._entry import WEIGHTS, Weights, Wheel
from genrezoo.weights._tensorflow import read_checkpoint


def _tags(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


MSD = _tags(
    "rock,pop,alternative,indie,electronic,female vocalists,dance,00s,alternative rock,jazz,beautiful,metal,"
    "chillout,male vocalists,classic rock,soul,indie rock,Mellow,electronica,80s,folk,90s,chill,instrumental,"
    "punk,oldies,blues,hard rock,ambient,acoustic,experimental,female vocalist,guitar,Hip-Hop,70s,party,country,"
    "easy listening,sexy,catchy,funk,electro,heavy metal,Progressive rock,60s,rnb,indie pop,sad,House,happy"
)
MSD_GENRES = _tags(
    "rock,pop,alternative,indie,electronic,dance,alternative rock,jazz,metal,chillout,classic rock,soul,"
    "indie rock,electronica,folk,punk,blues,hard rock,ambient,Hip-Hop,country,easy listening,funk,electro,"
    "heavy metal,Progressive rock,rnb,indie pop,House"
)
MTT = _tags(
    "guitar,classical,slow,techno,strings,drums,electronic,rock,fast,piano,ambient,beat,violin,vocal,synth,"
    "female,indian,opera,male,singing,vocals,no vocals,harpsichord,loud,quiet,flute,woman,male vocal,no vocal,"
    "pop,soft,sitar,solo,man,classic,choir,voice,new age,dance,male voice,female vocal,beats,harp,cello,no voice,"
    "weird,country,metal,female voice,choral"
)
MTT_GENRES = _tags("classical,techno,electronic,rock,ambient,indian,opera,pop,new age,dance,country,metal")

MUSICNN = {
    "input_norm": "batch_normalization",
    "timbral_1": "conv2d",
    "timbral_1_norm": "batch_normalization_1",
    "timbral_2": "conv2d_1",
    "timbral_2_norm": "batch_normalization_2",
    **{f"temporal_{number}": f"conv2d_{number + 1}" for number in (1, 2, 3)},
    **{f"temporal_{number}_norm": f"batch_normalization_{number + 2}" for number in (1, 2, 3)},
    **{f"conv_{number}": f"conv2d_{number + 4}" for number in (1, 2, 3)},
    **{f"conv_{number}_norm": f"batch_normalization_{number + 5}" for number in (1, 2, 3)},
    "pooled_norm": "batch_normalization_9",
    "hidden_1": "dense",
    "hidden_1_norm": "batch_normalization_10",
    "logits": "dense_1",
}
VGG = {
    "input_norm": "batch_normalization",
    **{f"conv_{number}": f"{number}CNN" for number in (1, 2, 3, 4, 5)},
    **{f"conv_{number}_norm": f"batch_normalization_{number}" for number in (1, 2, 3, 4, 5)},
    "logits": "dense",
}
"""Names of the layers in the checkpoints by their names in the models."""


def convert_musicnn(folder: Path) -> dict[str, np.ndarray]:
    """Returns the arrays of `musicnn`, without the axis of bands that kernels in time have in the checkpoint."""
    arrays = read_checkpoint(folder, MUSICNN)
    return {
        name: array[:, :, 0] if name.startswith("conv_") and array.ndim == 4 else array
        for name, array in arrays.items()
    }


def convert_vgg(folder: Path) -> dict[str, np.ndarray]:
    """Returns the arrays of `vgg_tagger`."""
    return read_checkpoint(folder, VGG)


LICENCE = "musicnn-0.1.0.dist-info/LICENSE.md"
SHARED: dict[str, Any] = {
    "features": {"kind": "tagger_mel"},
    "activation": "sigmoid",
    "licence": "ISC",
    "reference": "J. Pons, X. Serra, musicnn: pre-trained convolutional neural networks for music audio tagging, ISMIR "
    "late-breaking demo 2019",
}
ON: dict[str, dict[str, Any]] = {
    "msd": {
        "summary": "50 tags of music from listeners, learnt from the Million Song Dataset",
        "labels": MSD,
        "genres": MSD_GENRES,
        "trained_on": "Million Song Dataset with its 50 most frequent Last.fm tags",
        "overlaps": {
            "gtzan": "not known; the Million Song Dataset may hold recordings of GTZAN",
            "msd": "songs of the Million Song Dataset itself",
        },
    },
    "mtt": {
        "summary": "50 tags of music from players of a game, learnt from MagnaTagATune",
        "labels": MTT,
        "genres": MTT_GENRES,
        "trained_on": "MagnaTagATune with its 50 most frequent tags",
        "overlaps": {"gtzan": "not known"},
    },
}
"""The fields that both networks for a data set share."""

POOLS: dict[str, dict[str, Any]] = {
    "msd": {"pool_sizes": [[4, 1], [1, 4], [2, 2], [2, 2], [4, 4]], "pool_strides": None},
    "mtt": {
        "pool_sizes": [[4, 1], [2, 2], [2, 2], [2, 2], [4, 4]],
        "pool_strides": [[2, 2], [2, 2], [2, 2], [2, 2], [4, 4]],
    },
}


def _add(name: str, auc: str, data: str, index: str, converted: str, size: int) -> None:
    model, _, source = name.partition(".")
    folder = f"musicnn/{source.upper()}_{model.partition('_')[0]}"
    musicnn = model == "musicnn"
    WEIGHTS.add(
        Weights(
            name=name,
            arguments={} if musicnn else POOLS[source],
            input_shape=(None if musicnn else 187, 96),
            source=Wheel(
                package="musicnn",
                version="0.1.0",
                file="musicnn-0.1.0-py3-none-any.whl",
                size=29_292_476,
                sha256="f38a4890c648c1ddbb141c5d96d2b0a8cfcd36746002d896989f7b88beb65cfa",
                members={
                    f"{folder}/.data-00000-of-00001": data,
                    f"{folder}/.index": index,
                    LICENCE: "60c4194f702ddd969f969577743546327b4e9db560c07ec286be5cec27f55fcd",
                },
                licence=LICENCE,
            ),
            convert=convert_musicnn if musicnn else convert_vgg,
            weights_sha256=converted,
            size=size,
            reported={"area under the ROC curve": auc},
            **SHARED,
            **ON[source],
        )
    )


_add(
    "musicnn.msd",
    "0.880",
    data="8579734ee6388f799ed0def4bbd0d1fdcbeaf213ef2a9dc860917bd76a303de6",
    index="87f3e0f3550c8d3bafc840374003e5c8af5eeb5ecf6add61af09a7822d3282c8",
    converted="747748db77afe9659de0d76233d2d822344d12c60b6de0bf4cab0e7d30ce2da3",
    size=3_173_908,
)
_add(
    "musicnn.mtt",
    "0.907",
    data="041f3935e981a65cea739842d30c188d3a7d2adf4410955c8668eb3de4a5acab",
    index="da2d7bb670b2b31e9bc441bb1bd75eca31b5b061f963cc1f9630c1aff3238f57",
    converted="062768911c61cfb6b3bbd2b668771b8780c3b056d95eec15e8f9d54b2f88cbc1",
    size=3_173_908,
)
_add(
    "vgg_tagger.msd",
    "0.877",
    data="9683d756b8311146534f333502ebf4a2a78a3e320c54ab0411dff6186d8375fc",
    index="50e499238457558bba9f34f8b84d4afb8279afd43520cdf0a4fdf805a49c9ca3",
    converted="2a83d390737d339ee73a5b077f894ffced9801623d9031346fa3ef9712ecb5df",
    size=2_431_280,
)
_add(
    "vgg_tagger.mtt",
    "0.903",
    data="458f5c8bcecc086a3bba3dce83809df6da6e0a3560a59ddd84711bf3d5fd8303",
    index="4b0d3d2d02bbe0919c063c1fb74bfa9018ac3517e362d681b07444d4207a5f5f",
    converted="d2d40235400915d2ee3dd87de5ccb86de2217325b7a30565bbac9072b5ca3f22",
    size=2_431_312,
)
