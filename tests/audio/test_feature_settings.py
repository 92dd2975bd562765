import json
import subprocess
import sys
from typing import ClassVar

import numpy as np
import pytest

from genrezoo.audio.mel import LogMel
from genrezoo.audio.settings import KINDS, Counted, FeatureSettings, extract, feature_settings
from genrezoo.environment import default_cache
from genrezoo.errors import DataError, SettingsError, UnknownNameError
from genrezoo.files import lock_folder


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_plain_data_and_comes_back(kind):
    settings = feature_settings(kind, rate=16000, duration=5.0)
    data = json.loads(json.dumps(settings.model_dump(mode="json")))
    assert data["kind"] == settings.kind == kind
    assert feature_settings(data) == settings
    assert feature_settings(data).digest() == settings.digest()
    assert len(set(settings.names)) == len(settings.names)
    columns = [column for group in settings.groups.values() for column in group]
    assert len(set(columns)) == len(columns)
    assert all(0 <= column < len(settings.names) for column in columns)


def test_a_digest_differs_with_any_setting():
    digests = [feature_settings(kind).digest() for kind in KINDS]
    digests += [feature_settings("log_mel", **{name: 8000}).digest() for name in ("rate", "duration", "n_fft")]
    assert len(set(digests)) == len(digests)
    assert all(len(digest) == 16 and int(digest, 16) >= 0 for digest in digests)


def test_options_go_before_what_is_given():
    settings = feature_settings("log_mel", n_mels=40)
    assert isinstance(settings, LogMel)
    assert feature_settings(settings) is settings
    assert feature_settings(settings, n_mels=41).n_mels == 41
    assert feature_settings({"kind": "log_mel", "n_mels": 40}, rate=8000) == feature_settings(settings, rate=8000)


def test_unknown_names():
    with pytest.raises(UnknownNameError, match="unknown kind of features 'logmel'. Did you mean 'log_mel'"):
        feature_settings("logmel")
    with pytest.raises(UnknownNameError, match="unknown kind of features 'None'"):
        feature_settings({"rate": 8000})
    with pytest.raises(UnknownNameError, match="unknown option of 'log_mel' 'n_mel'. Did you mean 'n_mels'"):
        feature_settings("log_mel", n_mel=3)


def test_bad_values_are_named():
    with pytest.raises(SettingsError, match="rate: .*got 100$"):
        feature_settings("log_mel", rate=100)


def test_settings_are_frozen_and_the_parent_is_abstract():
    settings = feature_settings("log_mel")
    with pytest.raises(ValueError, match="frozen"):
        settings.rate = 8000
    with pytest.raises(TypeError, match="abstract"):
        FeatureSettings(kind="x")


def test_counted_blocks():
    sound = Counted([np.zeros(3), np.zeros(4)])
    assert [len(block) for block in sound] == [3, 4]
    assert sound.samples == 7


def test_one_process_compiles_at_a_time():
    folder, lengths = default_cache() / "compiling", []

    class Noted(LogMel):
        compiled: ClassVar[bool] = True

        def extract(self, blocks):
            blocks = list(blocks)
            if lengths:
                with lock_folder(folder):  # free again
                    pass
            else:
                with pytest.raises(DataError, match="another process is using"), lock_folder(folder):
                    pass
            lengths.append(sum(map(len, blocks)))
            return super().extract(blocks)

    settings = Noted(kind="log_mel", rate=16000)
    for _ in range(2):
        extract(settings, [np.zeros(20000, np.float32)])
    assert lengths == [48000, 20000, 20000]


@pytest.mark.slow
def test_every_kind_needs_no_optional_library():
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['numba', 'librosa', 'soundfile', 'soxr']))\n"
        "from genrezoo.audio.settings import KINDS, feature_settings\n"
        "print([len(feature_settings(kind).names) > 0 for kind in KINDS])\n"
        "from genrezoo.errors import SettingsError\n"
        "import numpy\n"
        "try:\n"
        "    feature_settings('feature_table').extract([numpy.zeros(30000, 'float32')])\n"
        "except SettingsError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("[True, True, True, True, ")
    assert "pip install 'genrezoo[audio]'" in done.stdout
